import { isCloseError } from '../../src/index.ts'
import { RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

test.each<[string, object]>([
  ['by default', {}],
  ['with a handlerTimeout', { handlerTimeout: 50 }]
])('request.signal in a handler aborts when the connection ends, and not before: %s', async (_, options) => {
  const signals: AbortSignal[] = []
  const { ws, port, app } = await startServer((instance) => {
    instance.webSocket(
      '/ws',
      { ...options, preHandler: async (request) => void request.signal },
      async (connection, request) => {
        signals.push(request.signal, connection.signal, connection.context().request.signal)
        await connection.writeText('open')
        for await (const message of connection) void message
      }
    )
    instance.get('/http', (request, reply) => reply.send({ aborted: request.signal.aborted }))
  })
  expect(port).toBeGreaterThan(0)
  const client = await connect(ws('/ws'))
  await client.next()
  // Longer than handlerTimeout, which ends with the handshake.
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, false, false])
  expect(new Set(signals).size).toBe(1)
  client.socket.close(4000, 'bye')
  await eventually(() => signals[0]?.aborted === true)
  expect(isCloseError(signals[0]?.reason, 4000)).toBe(true)
  expect((await app.inject('/http')).json()).toEqual({ aborted: false })
})

test('a handler that rejects with the reason of request.signal when the client leaves is not logged as failed', async () => {
  const { ws, logs } = await startServer((app) => {
    app.webSocket('/ws', async (_ws, request) => {
      await new Promise((_resolve, reject) =>
        request.signal.addEventListener('abort', () => reject(request.signal.reason as Error))
      )
    })
  })
  const client = await connect(ws('/ws'))
  client.socket.terminate()
  await eventually(() => logs.some(({ msg }) => msg === 'websocket closed'))
  expect(logs.filter(({ level }) => level >= 40)).toEqual([])
})

test('request.signal also works for a connection made by injectWS', async () => {
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

test.each<[string, object]>([
  ['by default', {}],
  ['with a handlerTimeout', { handlerTimeout: 5000 }]
])('a request.signal taken in a hook aborts when the connection ends, and not before: %s', async (_, options) => {
  let signal: AbortSignal | undefined
  const { ws } = await startServer((app) => {
    app.webSocket(
      '/ws',
      { ...options, preHandler: async (request) => void (signal = request.signal) },
      async (connection) => {
        for await (const { data } of connection) await connection.writeText(String(data))
      }
    )
  })
  const client = await connect(ws('/ws'))
  client.socket.send('hello')
  expect(await client.next()).toBe('hello')
  expect(signal?.aborted).toBe(false)
  client.socket.close(4000, 'bye')
  await eventually(() => signal?.aborted === true)
  expect(isCloseError(signal?.reason, 4000)).toBe(true)
})

test.each(['reset', 'end'] as const)('a client that leaves (%s) during a hook aborts its request', async (leave) => {
  let signal: AbortSignal | undefined
  let isOver = false
  const aborted: string[] = []
  const { port, logs } = await startServer((app) => {
    app.addHook('onRequestAbort', async ({ url }) => void aborted.push(url))
    app.webSocket(
      '/ws',
      {
        preHandler: async (request) => {
          signal = request.signal
          await new Promise<void>((resolve) => request.signal.addEventListener('abort', () => resolve()))
          isOver = true
        }
      },
      () => void aborted.push('handler')
    )
  })
  const client = new RawClient(port)
  client.handshake('/ws')
  await eventually(() => signal !== undefined)
  if (leave === 'reset') client.reset()
  else client.socket.end()
  await eventually(() => isOver && aborted.length > 0)
  expect(aborted).toEqual(['/ws'])
  expect(logs.filter(({ level }) => level >= 40)).toEqual([])
})

test('a refused or connected client does not abort its request', async () => {
  const aborted: string[] = []
  const { ws, logs } = await startServer((app) => {
    app.addHook('onRequestAbort', async ({ url }) => void aborted.push(url))
    app.webSocket('/ws', () => {})
    app.webSocket('/refused', { preHandler: async (_request, reply) => reply.code(401).send() }, () => {})
  })
  await expect(connect(ws('/refused'))).rejects.toThrow('401')
  await (await connect(ws('/ws'))).close()
  await eventually(() => logs.some(({ msg }) => msg === 'websocket closed'))
  expect(aborted).toEqual([])
})
