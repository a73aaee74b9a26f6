import type { FastifyRequest } from 'fastify'
import { sameOrigin } from '../config/origin.ts'
import { errors } from '../internal/errors.ts'

const isSameOrigin = sameOrigin()

/**
 * A hook that refuses what another page has sent. Browsers say in `Sec-Fetch-Site` where a request comes from, which no script can
 * change; over plain HTTP they only send `Origin`. A request with neither does not come from a page.
 *
 * @throws FST_BLAZE_WS_ORIGIN_FORBIDDEN (403)
 */
export async function refuseOtherPages(request: FastifyRequest): Promise<void> {
  const site = request.headers['sec-fetch-site']
  const isAllowed = site === undefined ? isSameOrigin(request) : site === 'same-origin'
  if (!isAllowed) throw new errors.ORIGIN_FORBIDDEN()
}
