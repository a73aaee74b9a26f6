import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifySchema } from 'fastify'
import { closeServers, startServer } from '../support/server.ts'

afterEach(closeServers)

/** The paths that @fastify/swagger describes, with their methods. */
async function describedBy(setUp: (app: FastifyInstance) => void): Promise<Record<string, string[]>> {
  const { app } = await startServer(
    (instance) => {
      instance.get('/http', async () => 'x')
      setUp(instance)
    },
    { before: (instance) => instance.register(swagger, { openapi: {} }) }
  )
  const paths = Object.entries(app.swagger().paths ?? {})
  return Object.fromEntries(paths.map(([path, item]) => [path, Object.keys(item as object)]))
}

test('@fastify/swagger does not list WebSocket routes, with and without a schema', async () => {
  const schema = { querystring: { type: 'object', properties: { a: { type: 'string' } } } }
  const described = await describedBy((app) => {
    app.webSocket('/a', () => {})
    app.webSocket('/b', { schema }, () => {})
    app.webSocket('/none', { schema: null as unknown as FastifySchema }, () => {})
    app.webSocketWithConfig('/c', () => {}, {}, { schema, handler: async () => 'plain' })
    void app.register(async (scope) => scope.webSocket('/d', () => {}), { prefix: '/sub' })
  })
  expect(described).toEqual({ '/http': ['get'] })
})

test('a route with hide: false in its schema is listed', async () => {
  const described = await describedBy((app) => {
    app.webSocket('/shown', { schema: { hide: false, summary: 'a chat' } }, () => {})
    app.webSocket('/hidden', { schema: { hide: true } }, () => {})
    app.webSocket(
      '/undecided',
      { schema: JSON.parse('{ "hide": null, "summary": "nothing said" }') as FastifySchema },
      () => {}
    )
  })
  expect(described).toEqual({ '/http': ['get'], '/shown': ['get'] })
})

test('options and schemas of the caller are not modified, even if several routes share them', async () => {
  const schema = Object.freeze({
    querystring: Object.freeze({ type: 'object', properties: Object.freeze({ n: Object.freeze({ type: 'integer' }) }) })
  })
  const options = Object.freeze({ schema, config: Object.freeze({}) })
  const { app } = await startServer(
    (instance) => {
      instance.webSocket('/a', options, () => {})
      instance.webSocketWithConfig('/b', () => {}, {}, options)
      instance.get('/http', { schema: { ...schema, querystring: { ...schema.querystring } } }, (request, reply) =>
        reply.send(request.query)
      )
    },
    { before: (instance) => instance.register(swagger, { openapi: {} }) }
  )
  expect(Object.keys(options)).toEqual(['schema', 'config'])
  expect(Object.keys(schema)).toEqual(['querystring'])
  expect(Object.keys(app.swagger().paths ?? {})).toEqual(['/http'])
  expect((await app.inject('/http?n=5')).json()).toEqual({ n: 5 })
})
