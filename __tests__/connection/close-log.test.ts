import Fastify, { type FastifyRequest, type FastifyServerOptions, LogController } from 'fastify'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

class QuietRoute extends LogController {
  override isLogDisabled(request: FastifyRequest): boolean {
    return request.routeOptions.url === '/quiet'
  }
}

/** The routes whose connections logged a line when they ended. */
async function summarized(fastify: FastifyServerOptions): Promise<unknown[]> {
  const gone: string[] = []
  const { ws, logs } = await startServer(
    async (app) => {
      // Encapsulated instances use the controller of the root.
      await app.register(async (scope) => {
        for (const path of ['/quiet', '/other'])
          scope.webSocket(path, (ws) => ws.signal.addEventListener('abort', () => gone.push(path)))
      })
    },
    { fastify }
  )
  for (const path of ['/quiet', '/other']) await (await connect(ws(path))).close()
  await eventually(() => gone.length === 2)
  return logs.filter(({ msg }) => msg === 'websocket closed').map(({ route }) => route)
}

test.each<[string, FastifyServerOptions, string[]]>([
  ['by default', {}, ['/quiet', '/other']],
  ['disableRequestLogging: false', { disableRequestLogging: false }, ['/quiet', '/other']],
  ['disableRequestLogging: true', { disableRequestLogging: true }, []],
  [
    'disableRequestLogging as a function',
    { disableRequestLogging: (request) => request.url.startsWith('/quiet') },
    ['/other']
  ],
  [
    'a LogController with disableRequestLogging',
    { logController: new LogController({ disableRequestLogging: true }) },
    []
  ],
  ['a LogController that decides for each route', { logController: new QuietRoute() }, ['/other']]
])('the end of a connection is logged if requests are: %s', async (_, fastify, routes) => {
  expect(await summarized(fastify)).toEqual(routes)
})

test('Fastify stores its LogController where we look for it', () => {
  const logController = new LogController()
  const app = Fastify({ logController })
  const symbol = Object.getOwnPropertySymbols(app).find(({ description }) => description === 'fastify.logController')
  expect((app as unknown as Record<symbol, unknown>)[symbol as symbol]).toBe(logController)
})
