import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isConnectionId } from '../internal/connection-id.ts'
import { HIDDEN } from './page.ts'
import type { Questions } from './questions.ts'
import { refuseOtherPages } from './same-page.ts'

/** The page asks every few seconds: that would fill the log. */
const QUIET = { ...HIDDEN, logLevel: 'warn' as const }
/** How long the body of an action may be, in bytes. */
const MAX_BODY = 1_024

/** Serves what the page shows, and what it can do. */
export function addData(app: FastifyInstance, questions: Questions): void {
  app.get('/overview', QUIET, (request) => questions.overview(parameter(request, 'route'), parameter(request, 'node')))

  app.get('/connections', QUIET, (request) => {
    const order = parameter(request, 'order') === 'slowest' ? 'slowest' : 'newest'
    return questions.list(order, parameter(request, 'node'))
  })

  app.get('/connection', QUIET, async (request, reply) => {
    const id = parameter(request, 'id')
    if (!isConnectionId(id)) return reply.code(400).send({ error: 'this is not the id of a connection' })
    const { found, missing } = await questions.details(id)
    return found ?? reply.code(404).send({ error: notFound(missing), missing })
  })

  // Forms of other pages can send text, but not JSON.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'string', bodyLimit: MAX_BODY },
    app.getDefaultJsonParser('error', 'error')
  )
  app.post('/disconnect', { ...HIDDEN, onRequest: refuseOtherPages }, async (request, reply) => {
    const id = (request.body as { id?: unknown } | null)?.id
    if (!isConnectionId(id)) return reply.code(400).send({ error: 'this is not the id of a connection' })
    const { found, missing } = await questions.disconnect(id)
    request.log.info({ connection: id, isFound: found !== undefined }, 'the dashboard disconnects a client')
    return found ?? reply.code(404).send({ error: notFound(missing), missing })
  })
}

function parameter({ query }: FastifyRequest, name: string): string | undefined {
  const value = (query as Record<string, unknown>)[name]
  return typeof value === 'string' ? value : undefined
}

function notFound(missing: readonly string[]): string {
  return missing.length === 0
    ? 'no node has this connection; it may have been closed'
    : 'no node that has answered has this connection'
}
