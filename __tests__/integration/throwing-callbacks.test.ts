import type { FastifyInstance } from 'fastify'
import type { WebSocketConfig, WebSocketRouteOptions } from '../../src/index.ts'
import {
  closeServers,
  connect,
  eventually,
  type LogLine,
  startServer,
  type TestClient,
  type TestServer
} from '../support/server.ts'

afterEach(closeServers)

const fail = (): never => {
  throw new Error('in a callback')
}
const failLater = async (): Promise<never> => {
  await new Promise(setImmediate)
  return fail()
}

function addEcho(
  app: FastifyInstance,
  path: string,
  config: Partial<WebSocketConfig> = {},
  options: WebSocketRouteOptions = {}
): void {
  app.webSocketWithConfig(
    path,
    async (ws) => {
      app.wsHub.register(ws)
      for await (const { type, data } of ws) await ws.writeMessage(type, data)
    },
    config,
    options
  )
}

async function echoes(client: TestClient, text: string): Promise<void> {
  client.socket.send(text)
  expect(await client.next()).toBe(text)
}

const failuresIn = (logs: LogLine[]): LogLine[] =>
  logs.filter(({ err }) => (err as Error | undefined)?.message === 'in a callback')

const GATES: [string, Partial<WebSocketConfig>, WebSocketRouteOptions][] = [
  ['checkOrigin that throws', { checkOrigin: fail }, {}],
  ['checkOrigin that rejects', { checkOrigin: failLater }, {}],
  ['onRequest hook that throws', {}, { onRequest: fail }],
  ['onRequest hook that rejects', {}, { onRequest: failLater }],
  ['preHandler hook that throws', {}, { preHandler: fail }],
  ['preHandler hook that rejects', {}, { preHandler: failLater }]
]

test.each(GATES)(
  'a %s: 500 before the upgrade, logged once; other clients are unaffected',
  async (_name, config, options) => {
    const server = await startServer((app) => {
      addEcho(app, '/echo')
      addEcho(app, '/gate', config, options)
    })
    const before = await connect(server.ws('/echo'))
    await expect(connect(server.ws('/gate'))).rejects.toThrow('500')
    await eventually(() => failuresIn(server.logs).length > 0, 'the log line')
    expect(failuresIn(server.logs)).toHaveLength(1)
    await echoes(before, 'still here')
    await echoes(await connect(server.ws('/echo')), 'a new one')
    expect(server.app.wsHub.getClientCount()).toBe(2)
  }
)

/** A server that broadcasts each message of /filter with a filter that fails for its second recipient. */
async function serveFilter(): Promise<TestServer> {
  return startServer((app) => {
    addEcho(app, '/echo')
    app.webSocket('/filter', async (ws) => {
      let asked = 0
      for await (const { data } of ws) app.wsHub.broadcast(data, { filter: () => ++asked < 2 || fail() })
    })
  })
}

test('a hub filter that throws fails the broadcast for its caller: no client gets the message, the others stay connected', async () => {
  const server = await serveFilter()
  const [a, b] = [await connect(server.ws('/echo')), await connect(server.ws('/echo'))]
  const broadcaster = await connect(server.ws('/filter'))
  broadcaster.socket.send('to some')
  expect(await broadcaster.close()).toEqual({ code: 1011, reason: 'internal error' })
  expect(failuresIn(server.logs)).toHaveLength(1)
  expect(server.app.wsHub.broadcast('to all')).toBe(2)
  expect([await a.next(), await b.next()]).toEqual(['to all', 'to all'])
  await echoes(a, 'still here')
})
