import type { FastifyServerOptions } from 'fastify'
import { now } from '../../src/internal/clock.ts'
import { underlying } from '../../src/connection/underlying.ts'
import type { WebSocketConnection } from '../../src/index.ts'
import { testClient } from '../../src/testing.ts'
import { answerTo, call, event, gate, next, openBlaze, restOf, send, talk } from '../contract/support.ts'
import { RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer, type TestClient, type TestServer } from '../support/server.ts'
import { cert, key } from '../support/tls.ts'

afterEach(closeServers)

/** Long enough that a test would fail by its own timeout if it had to wait for the end. */
const LONG = 60_000

interface Server extends TestServer {
  /** The connections, in the order in which they were opened. */
  readonly connections: WebSocketConnection[]
}

/** A server with an echo on `/raw`, and a contract on `/talk` whose call `echo` waits for `mayAnswer`. */
async function start(
  shutdown: object,
  { mayAnswer = Promise.resolve(), fastify = {} }: { mayAnswer?: Promise<void>; fastify?: FastifyServerOptions } = {}
): Promise<Server> {
  const connections: WebSocketConnection[] = []
  const server = await startServer(
    (app) => {
      app.webSocket('/raw', async (ws) => {
        connections.push(ws)
        app.wsHub.register(ws)
        for await (const { data } of ws) await ws.writeText(data.toString())
      })
      const echo = async (input: { text: string }): Promise<{ text: string }> => {
        await mayAnswer
        return input
      }
      const read = async (ws: AsyncIterable<unknown>): Promise<void> => {
        for await (const _ of ws);
      }
      app.webSocketWithContract('/talk', talk, read, { calls: { echo, rename: () => {}, nothing: () => undefined } })
    },
    { shutdown, fastify }
  )
  return { ...server, connections }
}

/** Opens so many clients one after the other. */
async function openRaw({ ws }: Server, count: number): Promise<TestClient[]> {
  const clients: TestClient[] = []
  while (clients.length < count) clients.push(await connect(ws('/raw')))
  return clients
}

/** The numbers of the clients, in the order in which they were closed. */
function closingOrder(clients: readonly TestClient[]): number[] {
  const order: number[] = []
  for (const [number, { socket }] of clients.entries()) socket.on('close', () => order.push(number))
  return order
}

/** Resolves in the next millisecond, once the traffic so far is noted. */
async function noted(ws: WebSocketConnection): Promise<void> {
  const time = now()
  ws.session.activeAt(time)
  await eventually(() => now() > time)
}

test('those without messages for the longest time are closed first', async () => {
  const server = await start({ spread: 200 })
  const clients = await openRaw(server, 4)
  const order = closingOrder(clients)
  for (const number of [2, 0, 3, 1]) {
    const ws = server.connections[number] as WebSocketConnection
    if (number % 2 === 0) clients[number]?.socket.send('in')
    else void ws.writeText('out')
    await clients[number]?.next()
    await noted(ws)
  }
  await server.app.close()
  expect(order).toEqual([2, 0, 3, 1])
})

test('pings of a client and of the server do not count as messages', async () => {
  const connections: WebSocketConnection[] = []
  const { app, ws } = await startServer(
    (instance) =>
      instance.webSocketWithContract(
        '/talk',
        talk,
        async (connection) => {
          connections.push(underlying(connection))
          for await (const _ of connection);
        },
        {
          calls: { echo: (input) => input, rename: () => {}, nothing: () => undefined },
          webSocket: { pingInterval: 100 }
        }
      ) as unknown as void,
    { shutdown: { spread: 100 } }
  )
  const clients = [await openBlaze(ws('/talk')), await openBlaze(ws('/talk'))]
  const order = closingOrder(clients)
  const [other, pinged] = clients as [TestClient, TestClient]
  await noted(connections[1] as WebSocketConnection)
  await answerTo(other, call(1, 'nothing'))
  await noted(connections[0] as WebSocketConnection)
  expect(await next(pinged)).toEqual(event('rpc.ping'))
  expect(await answerTo(pinged, call('ping', 'rpc.ping'))).toMatchObject({ id: 'ping' })
  await app.close()
  expect(order).toEqual([1, 0])
})

test('a connection works in both directions until its turn', async () => {
  const server = await start({ spread: LONG })
  const [, client] = (await openRaw(server, 2)) as [TestClient, TestClient]
  const [first, second] = server.connections as [WebSocketConnection, WebSocketConnection]
  await noted(first)
  const { shutdownSignal } = second.context()
  const closing = server.app.close()
  expect(first.context().isShuttingDown()).toBe(true)
  expect(first.context().shutdownSignal.aborted).toBe(true)
  expect(second.context().isShuttingDown()).toBe(false)
  expect(shutdownSignal.aborted).toBe(false)
  client.socket.send('still here')
  expect(await client.next()).toBe('still here')
  server.app.wsHub.broadcast('to all')
  expect(await client.next()).toBe('to all')
  // A client that leaves needs no turn.
  client.socket.close()
  await closing
  expect(shutdownSignal.aborted).toBe(true)
  expect(second.context().isShuttingDown()).toBe(true)
})

test('a handler learns of its own turn, and can still write', async () => {
  const turns: string[] = []
  const { app, ws } = await startServer(
    (instance) =>
      void instance.webSocket('/:name', async (ws) => {
        const name = ws.context().param('name')
        const { shutdownSignal } = ws.context()
        shutdownSignal.addEventListener('abort', () => turns.push(`${name} ${ws.context().isShuttingDown()}`))
        for await (const _ of ws);
        await ws.writeText(`good-bye ${name}`)
      }),
    { shutdown: { spread: 100 } }
  )
  const clients = [await connect(ws('/ann')), await connect(ws('/bob'))]
  await app.close()
  expect(turns).toEqual(['ann true', 'bob true'])
  for (const [i, client] of clients.entries()) {
    expect(await client.next()).toBe(`good-bye ${['ann', 'bob'][i]}`)
    expect(await client.close()).toEqual({ code: 1001, reason: 'server shutting down' })
  }
})

test('a handler that returns before its turn closes with 1000', async () => {
  const { app, ws } = await startServer(
    (instance) => void instance.webSocket('/once', async (ws) => void (await ws.readMessage())),
    { shutdown: { spread: LONG } }
  )
  const clients = [await connect(ws('/once')), await connect(ws('/once'))]
  const closing = app.close()
  await clients[0]?.close()
  clients[1]?.socket.send('done')
  expect((await clients[1]?.close())?.code).toBe(1000)
  await closing
})

test('a handler that runs on after its client has left is told of the shutdown', async () => {
  const aborted = gate()
  const { app, ws } = await startServer(
    (instance) =>
      void instance.webSocket('/work', async (ws) => {
        const { shutdownSignal } = ws.context()
        shutdownSignal.addEventListener('abort', () => aborted.open())
        await aborted.promise
      }),
    { shutdown: { spread: LONG } }
  )
  const client = await connect(ws('/work'))
  client.socket.terminate()
  await eventually(() => app.wsHealth().connections === 0)
  await app.close()
  await aborted.promise
})

describe('a call that runs', () => {
  test('is answered first', async () => {
    const answer = gate()
    const server = await start({ spread: 1_000, grace: 0 }, { mayAnswer: answer.promise })
    const busy = await openBlaze(server.ws('/talk'))
    send(busy, call(1, 'echo', { text: 'hi' }))
    const other = await openBlaze(server.ws('/talk'))
    const closing = server.app.close()
    await other.close()
    expect(busy.messages).toEqual([])
    answer.open()
    expect(await next(busy)).toMatchObject({ id: 1, result: { text: 'hi' } })
    expect(await restOf(busy)).toEqual([event('rpc.goodbye', { reconnect: true, after: 0, within: 500 })])
    await closing
  })

  test('delays its connection until the end of the spread, not longer', async () => {
    const server = await start({ spread: 200, grace: 50 }, { mayAnswer: new Promise(() => {}) })
    const busy = await openBlaze(server.ws('/talk'))
    send(busy, call(1, 'echo', { text: 'hi' }))
    const other = await openBlaze(server.ws('/talk'))
    const order = closingOrder([busy, other])
    await server.app.close()
    expect(order).toEqual([1, 0])
    expect(busy.closed?.code).toBe(1001)
  })
})

test('each handler has its grace after its own turn', async () => {
  const turns: number[] = []
  const closed: number[] = []
  const { app, ws } = await startServer(
    (instance) =>
      void instance.webSocket('/stuck', (ws) => {
        ws.context().shutdownSignal.addEventListener('abort', () => turns.push(performance.now()))
        ws.signal.addEventListener('abort', () => closed.push(performance.now()))
        return new Promise(() => {})
      }),
    { shutdown: { spread: 200, grace: 150 } }
  )
  for (let i = 0; i < 3; i++) await connect(ws('/stuck'))
  await app.close()
  expect(turns).toHaveLength(3)
  for (const [i, time] of closed.entries()) expect(time - (turns[i] as number)).toBeGreaterThan(148)
})

test('new upgrades get 503 with Retry-After from the start, also those whose hooks still run', async () => {
  const hook = gate()
  let isWaiting = false
  const server = await startServer(
    (app) => {
      app.webSocket('/raw', async (ws) => {
        for await (const _ of ws);
      })
      app.webSocket(
        '/slow',
        {
          async preHandler() {
            isWaiting = true
            await hook.promise
          }
        },
        () => {}
      )
    },
    { shutdown: { spread: LONG } }
  )
  const clients = [await connect(server.ws('/raw')), await connect(server.ws('/raw'))]
  const pending = new RawClient(server.port)
  pending.handshake('/slow')
  await eventually(() => isWaiting)
  const closing = server.app.close()
  const late = new RawClient(server.port)
  late.handshake('/raw')
  hook.open()
  for (const client of [late, pending]) {
    const { status, headers } = await client.head()
    expect([status, headers.get('retry-after')]).toEqual([503, '5'])
  }
  for (const { socket } of clients) socket.terminate()
  await closing
})

describe('rpc.goodbye', () => {
  const goodbyeOf = async (server: Server): Promise<unknown> => {
    const client = await openBlaze(server.ws('/talk'))
    await server.app.close()
    return (await restOf(client)).at(-1)
  }
  const goodbye = (within: number): object => event('rpc.goodbye', { reconnect: true, after: 0, within })

  test('asks clients that are closed one after the other to come back soon', async () => {
    expect(await goodbyeOf(await start({ spread: 50 }))).toEqual(goodbye(500))
  })

  test('has the time of the option, with and without a spread', async () => {
    expect(await goodbyeOf(await start({ spread: 50, reconnectWithin: 3_000 }))).toEqual(goodbye(3_000))
    expect(await goodbyeOf(await start({ reconnectWithin: 3_000 }))).toEqual(goodbye(3_000))
  })

  test('gives many clients that are closed together more time', async () => {
    const server = await start({})
    await Promise.all(Array.from({ length: 700 }, () => new RawClient(server.port).open('/raw')))
    const client = await openBlaze(server.ws('/talk'))
    void server.app.close()
    expect((await restOf(client)).at(-1)).toEqual(goodbye(701))
  })

  test('leaves it to few clients that are closed together, or if the option says so', async () => {
    const untold = event('rpc.goodbye', { reconnect: true })
    expect(await goodbyeOf(await start({}))).toEqual(untold)
    expect(await goodbyeOf(await start({ spread: 50, reconnectWithin: 0 }))).toEqual(untold)
  })

  test('says nothing of coming back if the code is final', async () => {
    expect(await goodbyeOf(await start({ code: 4403 }))).toEqual(event('rpc.goodbye', { reconnect: false }))
  })
})

test('a second app.close() changes nothing', async () => {
  const server = await start({ spread: 100 })
  const client = await openBlaze(server.ws('/talk'))
  const [other] = await openRaw(server, 1)
  await Promise.all([server.app.close(), server.app.close()])
  expect(await restOf(client)).toHaveLength(1)
  expect((await other?.close())?.code).toBe(1001)
})

test('app.close() does not wait for the end if the clients leave by themselves', async () => {
  const server = await start({ spread: LONG })
  const clients = await openRaw(server, 10)
  const closing = server.app.close()
  await eventually(() => clients.some(({ closed }) => closed !== undefined))
  for (const { socket } of clients) socket.close()
  await closing
})

test.each<[string, FastifyServerOptions]>([
  ['with a short pluginTimeout', { pluginTimeout: 200 }],
  ['with forceCloseConnections', { pluginTimeout: 200, forceCloseConnections: true }],
  ['over HTTP/2', { pluginTimeout: 200, http2: true, https: { cert, key, allowHTTP1: true } } as never]
])('a connection stays open after Fastify has stopped listening, %s', async (_, fastify) => {
  const server = await start({ spread: LONG }, { fastify })
  const url = `${'https' in fastify ? 'wss' : 'ws'}://127.0.0.1:${server.port}/raw`
  const clients = [await connect(url, [], { ca: cert }), await connect(url, [], { ca: cert })]
  const [first, second] = clients as [TestClient, TestClient]
  const closing = server.app.close()
  expect(await first.close()).toEqual({ code: 1001, reason: 'server shutting down' })
  await eventually(() => !server.app.server.listening)
  second.socket.send('still here')
  expect(await second.next()).toBe('still here')
  second.socket.close()
  await closing
})

test('works for connections in memory', async () => {
  const server = await start({ spread: 100 })
  const clients = [await testClient(server.app, '/raw'), await testClient(server.app, '/raw')]
  const closing = server.app.close()
  for (const client of clients) expect(await client.closed).toMatchObject({ code: 1001 })
  await closing
})

test('the timeout is at least the spread, and longer by default', async () => {
  await expect(start({ spread: 5_000, timeout: 4_000 })).rejects.toMatchObject({
    code: 'FST_BLAZE_WS_INVALID_OPTION',
    message: 'Invalid option "shutdown.timeout": must be at least shutdown.spread, which is 5000, got 4000'
  })
  await start({ spread: 20_000 })
  await start({ spread: 4_000, timeout: 4_000 })
  await start({ spread: 2 ** 31 - 1 })
})
