import { isCloseError } from '../../src/index.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

test.each<[string, object]>([
  ['by default', {}],
  ['with a handlerTimeout', { handlerTimeout: 50 }]
])('request.signal in a handler is aborted when the connection ends, and not before: %s', async (_, options) => {
  const signals: AbortSignal[] = []
  const { ws, port, app } = await startServer((instance) => {
    instance.webSocket('/ws', { ...options, preHandler: async (request) => void request.signal }, async (connection, request) => {
      signals.push(request.signal, connection.signal, connection.context().request.signal)
      await connection.writeText('open')
      for await (const message of connection) void message
    })
    instance.get('/http', (request, reply) => reply.send({ aborted: request.signal.aborted }))
  })
  expect(port).toBeGreaterThan(0)
  const client = await connect(ws('/ws'))
  await client.next()
  // Longer than the timeout of the handler, which is over with the handshake.
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, false, false])
  expect(new Set(signals).size).toBe(1)
  client.socket.close(4000, 'bye')
  await eventually(() => signals[0]?.aborted === true)
  expect(isCloseError(signals[0]?.reason, 4000)).toBe(true)
  expect((await app.inject('/http')).json()).toEqual({ aborted: false })
})

test('what takes the signal of the request rejects when the client goes, and that is no failure', async () => {
  const { ws, logs } = await startServer((app) => {
    app.webSocket('/ws', async (_ws, request) => {
      await new Promise((_resolve, reject) => request.signal.addEventListener('abort', () => reject(request.signal.reason as Error)))
    })
  })
  const client = await connect(ws('/ws'))
  client.socket.terminate()
  await eventually(() => logs.some(({ msg }) => msg === 'websocket closed'))
  expect(logs.filter(({ level }) => level >= 40)).toEqual([])
})

test('a connection that injectWS makes has it, too', async () => {
  let signal: AbortSignal | undefined
  const { app } = await startServer((instance) => {
    instance.webSocket('/ws', async (ws, request) => {
      signal = request.signal
      for await (const message of ws) void message
    })
  })
  const client = await app.injectWS('/ws')
  expect(signal?.aborted).toBe(false)
  client.terminate()
  await eventually(() => signal?.aborted === true)
})
