import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import { ExpectationError, testClient, UpgradeError } from 'fastify-blaze-ws/testing'
import blazeWs, { type WebSocketConnection } from '../../src/index.ts'
import { cert, key } from '../support/tls.ts'

const apps: FastifyInstance[] = []

/** A server that does not listen. */
async function serverWith(setUp: (app: FastifyInstance) => void): Promise<FastifyInstance> {
  const app = Fastify()
  apps.push(app)
  await app.register(blazeWs)
  setUp(app)
  return app
}

afterEach(() => Promise.all(apps.splice(0).map((app) => app.close())))

const echo = (app: FastifyInstance): unknown =>
  app.webSocket('/echo', async (ws) => {
    for await (const { type, data } of ws) await ws.writeMessage(type, data)
  })

describe('messages', () => {
  test('text is a string, and bytes are a Buffer', async () => {
    const ann = await testClient(await serverWith(echo), '/echo')
    await ann.send('hello')
    await ann.send(Buffer.from([1, 2, 3]))
    expect(await ann.next()).toBe('hello')
    expect(await ann.next()).toEqual(Buffer.from([1, 2, 3]))
  })

  test('JSON', async () => {
    const ann = await testClient(await serverWith(echo), '/echo')
    void ann.send('{"a":1}')
    expect(await ann.nextJSON()).toEqual({ a: 1 })
  })

  test('what the handler sends at once is not lost, and comes in order', async () => {
    const app = await serverWith((app) =>
      app.webSocket('/count', async (ws) => {
        for (let i = 0; i < 100; i++) await ws.writeText(`${i}`)
      })
    )
    const ann = await testClient(app, '/count')
    for (let i = 0; i < 100; i++) expect(await ann.next()).toBe(`${i}`)
    expect(await ann.closed).toEqual({ code: 1000, reason: 'handler returned' })
  })

  test('a large message goes both ways', async () => {
    const ann = await testClient(await serverWith(echo), '/echo')
    const text = 'x'.repeat(1_000_000)
    await ann.send(text)
    expect(await ann.next()).toBe(text)
  })
})

describe('the request', () => {
  const info = (app: FastifyInstance): unknown =>
    app.webSocket('/info/:room', (ws, request) =>
      ws.writeJSON({
        room: ws.context().param('room'),
        name: ws.context().query('name'),
        ip: request.ip,
        host: request.host,
        cookie: ws.header('cookie'),
        protocol: ws.protocol
      })
    )

  test('has a path, a query, headers and an address', async () => {
    const app = await serverWith(info)
    const ann = await testClient(app, '/info/lobby?name=Ann', { headers: { Cookie: 'a=b' } })
    expect(await ann.nextJSON()).toEqual({
      room: 'lobby',
      name: 'Ann',
      ip: '127.0.0.1',
      host: 'localhost',
      cookie: 'a=b',
      protocol: ''
    })
  })

  test('offers subprotocols in their header', async () => {
    const app = await serverWith((app) => app.webSocketWithConfig('/v', echoProtocol, { subprotocols: ['v2', 'v1'] }))
    const ann = await testClient(app, '/v', { headers: { 'Sec-WebSocket-Protocol': 'v1, v2' } })
    expect(ann.protocol).toBe('v2')
    expect(await ann.next()).toBe('v2')
  })

  const echoProtocol = (ws: WebSocketConnection): Promise<void> => ws.writeText(ws.protocol)
})

describe('a refusal', () => {
  test('rejects with the status and the body', async () => {
    const app = await serverWith((app) =>
      app.webSocket('/private', () => {}, {
        preHandler: async (_request, reply) => reply.code(401).send({ error: 'who are you?' })
      })
    )
    const error = await testClient(app, '/private').catch((error: unknown) => error)
    expect(error).toBeInstanceOf(UpgradeError)
    expect(error).toMatchObject({ statusCode: 401, body: '{"error":"who are you?"}' })
    expect((error as UpgradeError).json()).toEqual({ error: 'who are you?' })
    expect((error as UpgradeError).message).toContain('who are you?')
  })

  test('of a path without a route', async () => {
    await expect(testClient(await serverWith(echo), '/nowhere')).rejects.toMatchObject({ statusCode: 404 })
  })

  test('during a shutdown', async () => {
    const app = await serverWith(echo)
    await app.ready()
    await app.close()
    await expect(testClient(app, '/echo')).rejects.toMatchObject({ statusCode: 503 })
  })

  test('a wrong option is named', async () => {
    const app = await serverWith(echo)
    await expect(testClient(app, '/echo', { header: {} } as never)).rejects.toThrow('header')
    await expect(testClient(app, '/echo', { auth: 'secret' } as never)).rejects.toThrow('contract')
    await expect(testClient(app, 'echo')).rejects.toThrow('path')
    await expect((await testClient(app, '/echo')).next({ within: -1 })).rejects.toThrow('timeout')
  })
})

describe('expectations', () => {
  test('reject with what was expected if nothing comes', async () => {
    const ann = await testClient(await serverWith(echo), '/echo')
    const error = await ann.next({ within: 20 }).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(ExpectationError)
    expect((error as Error).message).toBe('expected a message within 20 ms, but nothing came')
    // A message that comes later is not lost.
    void ann.send('late')
    expect(await ann.next()).toBe('late')
  })

  test('reject if the connection ends first, and messages before the end are still given', async () => {
    const app = await serverWith((app) =>
      app.webSocket('/bye', async (ws) => {
        await ws.writeText('last')
        await ws.close(4000, 'enough')
      })
    )
    const ann = await testClient(app, '/bye')
    await ann.closed
    expect(await ann.next()).toBe('last')
    await expect(ann.next()).rejects.toThrow('expected a message before the connection was closed with 4000 (enough)')
  })

  test('several wait in order', async () => {
    const ann = await testClient(await serverWith(echo), '/echo')
    const both = Promise.all([ann.next(), ann.next()])
    void ann.send('one')
    void ann.send('two')
    expect(await both).toEqual(['one', 'two'])
  })
})

describe('the end', () => {
  /** A server that tells how its connections have ended. */
  async function serverOfEnds(): Promise<{ app: FastifyInstance; ended: Promise<unknown> }> {
    const { promise, resolve } = withResolvers()
    const app = await serverWith((app) =>
      app.webSocket('/ws', async (ws) => {
        ws.signal.addEventListener('abort', () => resolve(ws.closeInfo))
        for await (const { type, data } of ws) await ws.writeMessage(type, data)
      })
    )
    return { app, ended: promise }
  }

  test('close sends a close frame', async () => {
    const { app, ended } = await serverOfEnds()
    const ann = await testClient(app, '/ws')
    expect(await ann.close(4001, 'bye')).toEqual({ code: 4001, reason: 'bye' })
    expect(await ended).toEqual({ code: 4001, reason: 'bye', wasClean: true })
    expect(await ann.closed).toEqual({ code: 4001, reason: 'bye' })
    await expect(ann.send('more')).rejects.toThrow('not open')
  })

  test('a code that cannot be sent is refused', async () => {
    const { app } = await serverOfEnds()
    await expect((await testClient(app, '/ws')).close(1006)).rejects.toThrow('code')
  })

  test('cut ends the connection without a close frame', async () => {
    const { app, ended } = await serverOfEnds()
    const ann = await testClient(app, '/ws')
    const waiting = ann.next()
    ann.cut()
    expect(await ended).toMatchObject({ code: 1006, wasClean: false })
    expect(await ann.closed).toEqual({ code: 1006, reason: '' })
    await expect(waiting).rejects.toThrow('1006')
  })

  test('the server shuts down', async () => {
    const { app } = await serverOfEnds()
    const ann = await testClient(app, '/ws')
    await app.close()
    expect((await ann.closed).code).toBe(1001)
  })
})

describe('a client that stalls', () => {
  test('the server feels back-pressure until the client reads again', async () => {
    let written = 0
    const { promise: done, resolve } = withResolvers()
    const app = await serverWith((app) =>
      app.webSocket('/flood', async (ws) => {
        await ws.readMessage()
        for (; written < 200; written++) await ws.writeText('x'.repeat(1000))
        resolve(undefined)
      })
    )
    const ann = await testClient(app, '/flood')
    ann.stall()
    await ann.send('go')
    await expect(ann.next({ within: 100 })).rejects.toThrow('nothing came')
    expect(written).toBeGreaterThan(0)
    expect(written).toBeLessThan(100)
    ann.resume()
    for (let i = 0; i < 200; i++) expect(await ann.next()).toHaveLength(1000)
    await done
  })

  test('can be cut', async () => {
    const { promise, resolve } = withResolvers()
    const app = await serverWith((app) =>
      app.webSocket('/flood', async (ws) => {
        for (;;)
          await ws
            .writeText('x'.repeat(10_000))
            .catch((error: unknown) => Promise.reject(error).finally(() => resolve(error)))
      })
    )
    const ann = await testClient(app, '/flood')
    ann.stall()
    ann.cut()
    expect(await promise).toMatchObject({ closeCode: 1006 })
  })

  test('can close', async () => {
    const ann = await testClient(await serverWith(echo), '/echo')
    ann.stall()
    expect(await ann.close()).toEqual({ code: 1000, reason: '' })
  })
})

test('the routes of @fastify/websocket can be tested, too', async () => {
  const app = await serverWith((app) =>
    app.get('/old', { websocket: true }, (socket) => {
      socket.on('message', (data: Buffer) => socket.send(`old: ${data.toString()}`))
    })
  )
  const ann = await testClient(app, '/old')
  void ann.send('hello')
  expect(await ann.next()).toBe('old: hello')
  await ann.close()
})

test('a server with TLS, which sees a secure request', async () => {
  const app = Fastify({ https: { cert, key } }) as unknown as FastifyInstance
  apps.push(app)
  await app.register(blazeWs)
  app.webSocket('/secure', (ws, request) => ws.writeText(request.protocol))
  expect(await (await testClient(app, '/secure')).next()).toBe('https')
})

test('a server on which @fastify/websocket was registered before', async () => {
  const app = Fastify()
  apps.push(app)
  await app.register(websocket)
  await app.register(blazeWs)
  echo(app)
  const ann = await testClient(app, '/echo')
  void ann.send('hello')
  expect(await ann.next()).toBe('hello')
})

function withResolvers(): { promise: Promise<unknown>; resolve: (value: unknown) => void } {
  let resolve!: (value: unknown) => void
  const promise = new Promise((found) => (resolve = found))
  return { promise, resolve }
}
