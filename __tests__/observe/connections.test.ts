import { once } from 'node:events'
import type { FastifyRequest } from 'fastify'
import { WebSocket } from 'ws'
import { type WebSocketConnection, WebSocketHub } from '../../src/index.ts'
import { call, openPlain, send, talk } from '../contract/support.ts'
import { RawClient } from '../support/raw-client.ts'
import {
  closeServers,
  connect,
  eventually,
  startServer,
  type TestServer,
  type TestServerOptions
} from '../support/server.ts'
import { cert, key } from '../support/tls.ts'
import { listen, messagesOf, stopListening } from './support.ts'

afterEach(async () => {
  stopListening()
  await closeServers()
})

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

/** An echo server whose handler obeys a few words. */
function startEcho(options: TestServerOptions = {}): Promise<TestServer & { connections: WebSocketConnection[] }> {
  const connections: WebSocketConnection[] = []
  return startServer((app) => {
    app.webSocket('/rooms/:id', async (ws) => {
      connections.push(ws)
      for await (const { type, data } of ws) {
        const text = data.toString()
        if (text === 'fail') throw new Error('the handler has failed')
        if (text === 'end') return
        if (text === 'drop') return ws.terminate()
        await ws.writeMessage(type, data)
      }
    })
  }, options).then((server) => ({ ...server, connections }))
}

describe('a connection', () => {
  test('is opened with its request and route', async () => {
    const opened = messagesOf('connection.open')
    const { ws, connections } = await startEcho()
    await connect(ws('/rooms/7?x=1'), [], { headers: { traceparent: TRACE } })
    await eventually(() => connections.length === 1)
    expect(opened).toEqual([{ ws: connections[0], request: connections[0]?.request, route: '/rooms/:id' }])
    expect(opened[0]?.request.headers.traceparent).toBe(TRACE)
  })

  test.each<[string, (client: WebSocket) => void, number, boolean]>([
    ['the close frame of the client', (client) => client.close(4123, 'bye'), 4123, false],
    ['a client that is gone', (client) => client.terminate(), 1006, false],
    ['the end of the handler', (client) => client.send('end'), 1000, true],
    ['an error of the handler', (client) => client.send('fail'), 1011, true],
    ['terminate()', (client) => client.send('drop'), 1006, true]
  ])('is closed by %s', async (_, act, code, isServer) => {
    const closed = messagesOf('connection.close')
    const { ws, connections } = await startEcho()
    const client = await connect(ws('/rooms/7'))
    act(client.socket)
    await eventually(() => closed.length === 1)
    const [connection] = connections as [WebSocketConnection]
    const { request, closeInfo } = connection
    expect(closed).toEqual([{ ws: connection, request, route: '/rooms/:id', closeInfo, isServer }])
    expect(closeInfo?.code).toBe(code)
  })

  test('is closed by the server when the server closes', async () => {
    const closed = messagesOf('connection.close')
    const { app, ws } = await startEcho()
    await connect(ws('/rooms/7'))
    await app.close()
    expect(closed.map(({ closeInfo, isServer }) => [closeInfo.code, isServer])).toEqual([[1001, true]])
  })

  test.each<[string, TestServerOptions, string]>([
    ['over HTTP', {}, 'ws'],
    ['on a server for HTTP/2', { fastify: { http2: true, https: { cert, key, allowHTTP1: true } } as never }, 'wss']
  ])('is observed %s', async (_, options, protocol) => {
    const [opened, closed, messages] = [
      messagesOf('connection.open'),
      messagesOf('connection.close'),
      messagesOf('message.in')
    ]
    const { port } = await startEcho(options)
    const client = await connect(`${protocol}://127.0.0.1:${port}/rooms/1`, [], { ca: cert })
    client.socket.send('hello')
    expect(await client.next()).toBe('hello')
    client.socket.close()
    await eventually(() => closed.length === 1)
    expect([opened.length, messages.length]).toEqual([1, 1])
  })

  test('is observed if it was injected', async () => {
    const names: string[] = []
    for (const name of ['connection.open', 'message.in', 'message.out', 'connection.close'] as const)
      listen(name, () => names.push(name))
    const { app } = await startEcho()
    await app.ready()
    const client = (await app.injectWS('/rooms/1')) as unknown as WebSocket
    client.send('hello')
    await once(client, 'message')
    client.close()
    await eventually(() => names.length === 4)
    expect(names).toEqual(['connection.open', 'message.in', 'message.out', 'connection.close'])
  })
})

describe('a refused upgrade', () => {
  /** A server that refuses for many reasons. */
  const start = (): Promise<TestServer> =>
    startServer(
      (app) => {
        const hold = async (ws: WebSocketConnection): Promise<void> => {
          for await (const message of ws) void message
        }
        app.webSocket('/early/:id', hold)
        app.webSocket('/hook/:id', hold, { preHandler: async (_, reply) => reply.code(403).send() })
        app.webSocket('/schema/:id', hold, {
          schema: { params: { type: 'object', properties: { id: { type: 'integer' } } } }
        })
        app.webSocket('/throws', hold, {
          onRequest: async () => {
            throw new Error('the hook has failed')
          }
        })
        app.webSocketWithConfig('/origin/:id', hold, { checkOrigin: () => false })
        app.webSocketWithConfig('/full', hold, { maxConnections: 1 })
        app.register(
          async (child) =>
            void child.webSocket('/:name', hold, { preHandler: async (_, reply) => reply.code(418).send() }),
          {
            prefix: '/api/:version'
          }
        )
      },
      {
        before: (app) => {
          // In an application, a hook can come before the plugin.
          app.addHook('onRequest', async (request: FastifyRequest, reply) => {
            if (request.url.startsWith('/early')) await reply.code(401).send()
          })
        }
      }
    )

  test.each<[string, string, number, string]>([
    ['by a hook from before the plugin', '/early/1', 401, '/early/:id'],
    ['by a hook of the route', '/hook/1', 403, '/hook/:id'],
    ['by a hook that throws', '/throws', 500, '/throws'],
    ['by the schema of the route', '/schema/x', 400, '/schema/:id'],
    ['by a route with a prefix', '/api/v1/ann', 418, '/api/:version/:name'],
    ['because of its origin', '/origin/1', 403, '/origin/:id'],
    ['because no route was found', '/nothing/here', 404, ''],
    ['because of a malformed address', '/%zz', 400, '']
  ])('%s', async (_, path, status, route) => {
    const refused = messagesOf('connection.refused')
    const { app, ws } = await start()
    await expect(connect(ws(path))).rejects.toThrow(`${status}`)
    await eventually(() => refused.length === 1)
    expect(refused).toEqual([{ request: expect.objectContaining({ url: path }), route, status }])
    expect(app.wsStats().routes[route]?.refused).toEqual({ [status]: 1 })
  })

  test('because the route is full', async () => {
    const refused = messagesOf('connection.refused')
    const { ws } = await start()
    await connect(ws('/full'))
    await expect(connect(ws('/full'))).rejects.toThrow('503')
    await eventually(() => refused.length === 1)
    expect(refused[0]).toMatchObject({ route: '/full', status: 503 })
  })

  test('because its handshake is wrong', async () => {
    const refused = messagesOf('connection.refused')
    const { port } = await start()
    const client = new RawClient(port)
    client.handshake('/full', { 'Sec-WebSocket-Version': '8' })
    const { status } = await client.head()
    await eventually(() => refused.length === 1)
    expect(refused[0]).toMatchObject({ route: '/full', status })
  })

  test('because the server is busy', async () => {
    const refused = messagesOf('connection.refused')
    let release = (): void => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const { ws } = await startServer(
      (app) => void app.webSocket('/slow', (connection) => connection.close(), { onRequest: () => released }),
      { maxPendingUpgrades: 1 }
    )
    const first = connect(ws('/slow'))
    await expect(connect(ws('/slow'))).rejects.toThrow('503')
    expect(refused.map(({ route, status }) => [route, status])).toEqual([['', 503]])
    release()
    await first
  })

  test('with a close code is opened and closed by the server', async () => {
    const names: string[] = []
    for (const name of ['connection.open', 'connection.refused'] as const) listen(name, () => names.push(name))
    const closed = messagesOf('connection.close')
    const { ws } = await startServer(
      (app) =>
        void app.webSocket('/rooms/:id', () => {}, {
          onRequest: async (request) => request.refuseWebSocket(4403, 'no')
        })
    )
    const client = await connect(ws('/rooms/1'))
    await client.close()
    await eventually(() => closed.length === 1)
    expect(names).toEqual(['connection.open'])
    expect(closed[0]).toMatchObject({ route: '/rooms/:id', closeInfo: { code: 4403, reason: 'no' }, isServer: true })
  })
})

describe('messages', () => {
  test('are observed in both directions, whole, and with their bytes', async () => {
    const incoming = messagesOf('message.in')
    const outgoing = messagesOf('message.out')
    const { ws, connections } = await startEcho()
    const client = await connect(ws('/rooms/7'))
    client.socket.ping()
    client.socket.send('hello')
    client.socket.send(Buffer.alloc(300))
    client.socket.send('in ', { fin: false })
    client.socket.send('two', { fin: true })
    await client.until(() => client.messages.length === 3)
    const common = { ws: connections[0], route: '/rooms/:id' }
    expect(incoming).toEqual([
      { ...common, type: 1, bytes: 5 },
      { ...common, type: 2, bytes: 300 },
      { ...common, type: 1, bytes: 6 }
    ])
    expect(outgoing).toEqual([
      { ...common, messages: 1, bytes: 7 },
      { ...common, messages: 1, bytes: 304 },
      { ...common, messages: 1, bytes: 8 }
    ])
  })

  test('count uncompressed when they come, and compressed when they leave', async () => {
    const incoming = messagesOf('message.in')
    const outgoing = messagesOf('message.out')
    const { ws } = await startEcho()
    const client = await connect(ws('/rooms/7'), [], { perMessageDeflate: { threshold: 0 } })
    client.socket.send('a'.repeat(5_000))
    expect(await client.next()).toHaveLength(5_000)
    expect(incoming.map(({ bytes }) => bytes)).toEqual([5_000])
    expect(outgoing[0]?.bytes).toBeLessThan(100)
  })

  test('of a contract are observed as they are on the wire', async () => {
    const incoming = messagesOf('message.in')
    const outgoing = messagesOf('message.out')
    const { ws } = await startServer((app) => {
      app.webSocketWithContract('/talk/:id', talk, async (connection) => void (await connection.receive()), {
        calls: { echo: (input) => input, rename: () => undefined, nothing: () => undefined }
      })
    })
    const client = await openPlain(ws('/talk/1'))
    const sent = call(1, 'echo', { text: 'hi' })
    send(client, sent)
    const answer = await client.next()
    expect(incoming).toMatchObject([{ route: '/talk/:id', type: 1, bytes: JSON.stringify(sent).length }])
    expect(outgoing).toMatchObject([{ route: '/talk/:id', messages: 1, bytes: answer.length + 2 }])
    expect(outgoing[0]?.ws).toBe(incoming[0]?.ws)
  })

  test('that leave together are observed together', async () => {
    const outgoing = messagesOf('message.out')
    const { app, ws, connections } = await startEcho()
    const client = await connect(ws('/rooms/7'))
    await eventually(() => connections.length === 1)
    app.wsHub.register(connections[0] as WebSocketConnection)
    for (const text of ['one', 'two', 'three']) app.wsHub.broadcast(text)
    await client.until(() => client.messages.length === 3)
    expect(outgoing.map(({ messages, bytes }) => [messages, bytes])).toEqual([[3, 3 * 2 + 11]])
  })

  test('of clients that do not keep up are observed once for each time', async () => {
    const slow = messagesOf('slow')
    const { app, port, connections } = await startEcho({
      config: { sendQueueSize: 2, slowConsumer: 'dropNewest', writeTimeout: 0 }
    })
    const client = await new RawClient(port).open('/rooms/7')
    await eventually(() => connections.length === 1)
    const [ws] = connections as [WebSocketConnection]
    client.socket.pause()
    app.wsHub.register(ws)
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
    for (let i = 0; slow.length === 0 && i < 1_000; i++) {
      app.wsHub.broadcast(Buffer.alloc(256 * 1024, 97))
      await turn()
    }
    for (let i = 0; i < 10; i++) {
      app.wsHub.broadcast('more')
      await turn()
    }
    expect(slow).toEqual([{ ws, route: '/rooms/:id' }])
    expect(app.wsStats().total.slow).toBe(1)
  })
})

test('subscribers come and go while connections are open', async () => {
  const { ws, connections } = await startEcho()
  const client = await connect(ws('/rooms/7'))
  const say = async (text: string): Promise<void> => {
    client.socket.send(text)
    expect(await client.next()).toBe(text)
  }
  await say('unheard')
  const bytes: number[] = []
  const stop = listen('message.in', (message) => bytes.push(message.bytes))
  await say('a')
  listen('message.in', (message) => bytes.push(-message.bytes))
  await say('bb')
  stop()
  await say('ccc')
  stopListening()
  await say('dddd')
  expect(bytes).toEqual([1, 2, -2, -3])
  expect(connections[0]?.isClosed()).toBe(false)
})

test('a broadcast of any hub is observed before it is sent', async () => {
  const broadcasts = messagesOf('broadcast')
  const { app, ws, connections } = await startEcho()
  const clients = [await connect(ws('/rooms/1')), await connect(ws('/rooms/2'))]
  await eventually(() => connections.length === clients.length)
  const hub = new WebSocketHub()
  for (const connection of connections) hub.register(connection)
  hub.join(connections[0] as WebSocketConnection, 'red')
  app.wsHub.broadcast('nobody')
  hub.broadcast('all')
  hub.to(['red', 'blue']).broadcast(Buffer.from('some'), { type: 2 })
  hub.broadcast('but one', { except: connections[0] as WebSocketConnection })
  const common = { traceparent: undefined, isRemote: false }
  expect(broadcasts).toEqual([
    { hub: app.wsHub, to: undefined, recipients: 0, bytes: 6, type: 1, ...common },
    { hub, to: undefined, recipients: 2, bytes: 3, type: 1, ...common },
    { hub, to: ['red', 'blue'], recipients: 1, bytes: 4, type: 2, ...common },
    { hub, to: undefined, recipients: 1, bytes: 7, type: 1, ...common }
  ])
  await hub.shutdown(1_000)
})

test('a published message of any hub is observed before it is stored', async () => {
  const publications = messagesOf('publish')
  const hub = new WebSocketHub()
  const published = hub.to('news').publish('hello')
  await Promise.all([published, expect(hub.publish('x', { to: '' })).rejects.toThrow('room')])
  expect(publications).toEqual([{ hub, room: 'news', bytes: 5, traceparent: undefined, isRemote: false }])
  await hub.shutdown(0)
})
