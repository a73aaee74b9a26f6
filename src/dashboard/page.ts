import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Asset, DOCUMENT, readAssets } from './assets.ts'

const HEADERS = {
  'content-security-policy': "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store'
}

/** Routes must not be described by @fastify/swagger. */
export const HIDDEN = { schema: { hide: true } as object }

/** Adds the headers of all answers, also of those of the hooks that guard the page. */
export function addHeaders(app: FastifyInstance): void {
  app.addHook('onRequest', async (_request, reply) => void reply.headers(HEADERS))
}

/** Serves the document and its files. All of its URLs are relative, so that it also works behind a proxy with a prefix of its own. */
export function addPage(app: FastifyInstance): void {
  for (const asset of readAssets()) {
    const isDocument = asset.name === DOCUMENT
    app.get(isDocument ? '/' : `/${asset.name}`, HIDDEN, (request, reply) => {
      const folder = isDocument ? missingSlash(request) : undefined
      return folder === undefined ? send(asset, request, reply) : reply.redirect(folder)
    })
  }
}

function send(asset: Asset, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  // The browser asks each time whether its copy is the newest.
  reply.header('cache-control', 'no-cache').header('etag', asset.etag)
  if (request.headers['if-none-match'] === asset.etag) return reply.code(304).send()
  return reply.type(asset.type).send(asset.content)
}

/** Without a slash at the end, relative URLs would lead to the folder above. Returns where to go, relative to the request. */
function missingSlash({ raw }: FastifyRequest): string | undefined {
  const [path = ''] = (raw.url ?? '').split('?')
  return path.endsWith('/') ? undefined : `./${path.slice(path.lastIndexOf('/') + 1)}/`
}
