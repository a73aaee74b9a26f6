import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, Server, ServerResponse } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { request as httpsRequest } from 'node:https'
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type Duplex, Readable } from 'node:stream'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import { WebSocket } from 'ws'
import blazeWs from '../../src/index.ts'
import { ensureDist } from '../support/dist.ts'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'
import { cert, key } from '../support/tls.ts'
import { answersTo, echo } from './support.ts'

afterEach(closeServers)

interface Answer {
  status: number
  headers: IncomingMessage['headers']
  body: string
}

/** An ordinary request with the given headers. */
async function request(url: string, headers: Record<string, string> = {}, body?: string): Promise<Answer> {
  const send = url.startsWith('https') ? httpsRequest : httpRequest
  const sent = send(url, { method: body === undefined ? 'GET' : 'POST', headers, rejectUnauthorized: false }).end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return { status: response.statusCode as number, headers: response.headers, body: await text(response) }
}

const H2C = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' }

describe('a request with an Upgrade header for another protocol stays a plain request', () => {
  const addRoutes = (app: FastifyInstance): void => {
    app.webSocket('/ws', echo)
    app.get('/page', ({ headers }) => `page for ${headers.upgrade}`)
    app.post('/echo', ({ body }) => body)
  }

  async function checkPlain(http: (path: string) => string): Promise<void> {
    expect(await request(http('/page'), H2C)).toMatchObject({ status: 200, body: 'page for h2c' })
    expect(await request(http('/page'), { connection: 'upgrade', upgrade: 'TLS/1.0, HTTP/1.1' })).toMatchObject({
      status: 200
    })
    const body = JSON.stringify({ text: 'x'.repeat(100_000) })
    const answer = await request(
      http('/echo'),
      { ...H2C, 'content-type': 'application/json', 'content-length': String(body.length) },
      body
    )
    expect(answer).toMatchObject({ status: 200, body })
    expect(await request(http('/nowhere'), H2C)).toMatchObject({ status: 404 })
    expect(await request(http('/ws'), H2C)).toMatchObject({ status: 426 })
  }

  test('over HTTP, on a connection that stays open', async () => {
    const { http, port } = await startServer(addRoutes)
    await checkPlain(http)
    const client = connectTcp(port, '127.0.0.1')
    let received = ''
    client.on('data', (chunk) => (received += chunk.toString()))
    const head = 'Host: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n'
    client.write(
      `POST /echo HTTP/1.1\r\n${head}Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n`
    )
    await eventually(() => received.endsWith('one'))
    client.write(`GET /page HTTP/1.1\r\n${head}\r\n`)
    await eventually(() => received.endsWith('page for h2c'))
    client.write('GET /ws HTTP/1.1\r\nHost: a\r\n\r\n')
    await eventually(() => received.includes(' 426 '))
    client.destroy()
  })

  test('with another listener, which is offered everything except h2c', async () => {
    const seen: unknown[] = []
    const { http, ws } = await startServer((app) => {
      addRoutes(app)
      app.server.on('upgrade', (received: IncomingMessage, socket: Duplex) => {
        seen.push(received.headers.upgrade)
        if (received.headers.upgrade === 'mine')
          socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: mine\r\n\r\n')
      })
    })
    expect(await request(http('/page'), H2C)).toMatchObject({ status: 200, body: 'page for h2c' })
    const mine = httpRequest(http('/page'), { headers: { connection: 'Upgrade', upgrade: 'mine' } }).end()
    const [, socket] = (await once(mine, 'upgrade')) as [IncomingMessage, Socket]
    socket.destroy()
    // No listener takes this one, so it becomes a plain request again, with its body.
    expect(await request(http('/page'), { connection: 'Upgrade', upgrade: 'other' })).toMatchObject({
      status: 200,
      body: 'page for other'
    })
    expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
    expect(seen).toEqual(['mine', 'other', 'websocket'])
  }, 15_000)

  test.each(['other', 'websocket'])(
    'if it is a POST with a body and Upgrade: %s that no other listener takes',
    async (upgrade) => {
      const { app, http } = await startServer((server) => {
        addRoutes(server)
        server.server.on('upgrade', () => {})
      })
      for (const body of ['short', 'x'.repeat(200_000)]) {
        const headers = {
          connection: 'Upgrade',
          upgrade,
          'content-type': 'text/plain',
          'content-length': String(body.length)
        }
        expect(await request(http('/echo'), headers, body)).toMatchObject({ status: 200, body })
      }
      await app.close()
    },
    15_000
  )

  test('consecutive requests on a connection leave no listeners on its socket', async () => {
    const counts: number[] = []
    const { port } = await startServer((app) => {
      addRoutes(app)
      app.server.on(
        'upgrade',
        (_received: IncomingMessage, socket: Duplex) => void counts.push(socket.listenerCount('error'))
      )
    })
    const client = connectTcp(port, '127.0.0.1')
    let received = ''
    client.on('data', (chunk) => (received += chunk.toString()))
    for (const answers of [1, 2]) {
      client.write('GET /page HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n')
      await eventually(() => received.split('page for other').length === answers + 1)
    }
    client.destroy()
    expect(counts[1]).toBe(counts[0])
  }, 15_000)

  test('over HTTPS', async () => {
    const { port } = await startServer(addRoutes, { fastify: { https: { cert, key } } as never })
    await checkPlain((path) => `https://127.0.0.1:${port}${path}`)
  })

  test('over HTTPS on an HTTP/2 server', async () => {
    const { port } = await startServer(addRoutes, {
      fastify: { http2: true, https: { cert, key, allowHTTP1: true } } as never
    })
    await checkPlain((path) => `https://127.0.0.1:${port}${path}`)
  })

  test('on a server that listens on every address of localhost', async () => {
    const { app, port, ws } = await startServer(addRoutes, { host: 'localhost' })
    for (const { address } of app.addresses() as AddressInfo[]) {
      const host = address.includes(':') ? `[${address}]` : address
      await checkPlain((path) => `http://${host}:${port}${path}`)
    }
    expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
  })

  test('a POST that asks for a WebSocket stays a POST, and inject() never upgrades', async () => {
    const { app, http } = await startServer(addRoutes)
    const headers = { connection: 'Upgrade', upgrade: 'websocket', 'content-type': 'text/plain' }
    expect(await request(http('/echo'), headers, 'hello')).toMatchObject({ status: 200, body: 'hello' })
    expect(
      (await app.inject({ url: '/ws', headers: { connection: 'Upgrade', upgrade: 'websocket' } })).statusCode
    ).toBe(426)
  })

  test('Node still decides about upgrades where the plugin expects it', async () => {
    const server = createServer()
    const hasCallback = typeof (server as { shouldUpgradeCallback?: unknown }).shouldUpgradeCallback === 'function'
    const decided: boolean[] = []
    server.on('connection', ({ parser }: Socket & { parser?: { onIncoming?: unknown } }) =>
      decided.push(typeof parser?.onIncoming === 'function')
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const client = connectTcp((server.address() as AddressInfo).port, '127.0.0.1')
    await eventually(() => decided.length === 1)
    expect(hasCallback || decided[0]).toBe(true)
    client.destroy()
    server.close()
  })

  test('respects a shouldUpgradeCallback of the application', async () => {
    const { ws, port } = await startServer(addRoutes, {
      fastify: {
        serverFactory: (handler) => {
          const server = createServer(handler as never)
          const deciding = server as { shouldUpgradeCallback?: (received: IncomingMessage) => boolean }
          if (deciding.shouldUpgradeCallback !== undefined)
            deciding.shouldUpgradeCallback = ({ url }) => url !== '/ws?no'
          return server
        }
      }
    })
    expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
    if ((createServer() as { shouldUpgradeCallback?: unknown }).shouldUpgradeCallback === undefined) return
    expect(
      await request(`http://127.0.0.1:${port}/ws?no`, { connection: 'Upgrade', upgrade: 'websocket' })
    ).toMatchObject({ status: 426 })
  })
})

describe('an upgrade with a body', () => {
  const addRoutes = (app: FastifyInstance): void => {
    app.webSocket('/ws', echo)
    app.webSocket('/no', echo, { onRequest: async (_request, reply) => reply.code(401).send({ error: 'no' }) })
    app.webSocket('/throws', echo, {
      preHandler: async () => {
        throw new Error('a bug in a hook')
      }
    })
  }
  const LENGTH = { 'Content-Length': '5' }

  test.each([
    ['/no', 401],
    ['/throws', 500],
    ['/nowhere', 404],
    ['/%zz', 400],
    ['/ws', 101]
  ])('to %s gets %i, even if the body never arrives, and the server can close', async (path, expected) => {
    const { app, port, logs } = await startServer(addRoutes)
    for (const body of ['hello', 'he', '']) {
      const client = new RawClient(port)
      client.handshake(path, LENGTH, Buffer.from(body))
      expect((await client.head()).status).toBe(expected)
      if (expected === 101) client.reset()
    }
    await app.close()
    expect(logs.filter(({ level, msg }) => level >= 50 && msg !== 'a bug in a hook')).toEqual([])
  })

  test('reads frames after the body', async () => {
    const { port } = await startServer(addRoutes)
    const isBodyRead = Number(process.versions.node.split('.')[0]) >= 26
    const client = new RawClient(port)
    client.handshake('/ws', LENGTH, Buffer.concat([Buffer.from(isBodyRead ? 'hello' : ''), clientFrame(1, 'hi')]))
    expect((await client.head()).status).toBe(101)
    expect((await client.frame()).payload.toString()).toBe('hi')
    client.socket.write(clientFrame(8, Buffer.of(0x03, 0xe8)))
    expect(await client.closeCode()).toBe(1000)
  })

  test('that resets or hangs while a hook runs affects no other client', async () => {
    const { port, ws, logs } = await startServer((app) => {
      addRoutes(app)
      app.webSocket('/slow', echo, { onRequest: () => new Promise((resolve) => setTimeout(resolve, 50)) })
    })
    for (const body of ['hello', 'he']) {
      const client = new RawClient(port)
      client.handshake('/slow', LENGTH, Buffer.from(body))
      await eventually(() => logs.some(({ msg }) => msg === 'incoming request'))
      client.reset()
    }
    expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
    expect(logs.filter(({ level }) => level >= 50)).toEqual([])
  })
})

describe('a server reused by several applications', () => {
  /** The traces that an application must not leave behind. */
  const traces = (server: Server) => ({
    upgrade: server.listenerCount('upgrade'),
    connection: server.listenerCount('connection'),
    secureConnection: server.listenerCount('secureConnection'),
    emit: Object.hasOwn(server, 'emit'),
    decide: (server as { shouldUpgradeCallback?: unknown }).shouldUpgradeCallback
  })

  test('takes the plugin three times in a row, once without using it', async () => {
    let handler: ((request: unknown, response: unknown) => void) | undefined
    const server = createServer((received, response) => handler?.(received, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const before = traces(server)
    server.close = (done?: () => void) => {
      done?.()
      return server
    }
    for (const name of ['one', 'two', 'three']) {
      const app = Fastify({
        serverFactory: (given) => {
          handler = given as never
          return server
        }
      })
      await app.register(blazeWs)
      app.webSocket('/ws', async (ws) => {
        for await (const { data } of ws) await ws.writeText(`${name} ${data.toString()}`)
      })
      await app.ready()
      expect(name === 'two' ? 'two hello' : await answersTo(`ws://127.0.0.1:${port}/ws`, 'hello')).toBe(`${name} hello`)
      await app.close()
      expect(traces(server)).toEqual(before)
    }
    Reflect.deleteProperty(server, 'close')
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  test('an emit that wraps ours is left alone', async () => {
    const app = Fastify()
    await app.register(blazeWs)
    const { emit } = app.server
    const onTop = (...args: Parameters<typeof emit>): boolean => Reflect.apply(emit, app.server, args)
    app.server.emit = onTop as never
    await app.close()
    expect(app.server.emit).toBe(onTop)
    expect(app.server.emit('upgrade', {}, {}, {})).toBe(false)
  })
})

describe('@fastify/websocket on a server of its own', () => {
  async function withOwnServer(
    isShared: boolean,
    check: (url: string, port: number, app: FastifyInstance, logs: string[]) => Promise<void>
  ): Promise<void> {
    const server = createServer()
    const logs: string[] = []
    const app = Fastify({
      logger: {
        level: 'warn',
        stream: { write: (line: string) => void logs.push((JSON.parse(line) as { msg: string }).msg) }
      }
    })
    const options = { options: { server } }
    if (isShared) await app.register(websocket, options)
    await app.register(blazeWs, {
      maxPendingUpgrades: 2,
      shutdown: { timeout: 1_000 },
      ...(!isShared && { websocket: options })
    })
    app.webSocket('/ws', echo)
    app.webSocket('/slow', echo, { onRequest: () => new Promise(() => {}) })
    await app.listen({ port: 0, host: '127.0.0.1' })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    try {
      await check(`ws://127.0.0.1:${port}/ws`, port, app, logs)
    } finally {
      await app.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }

  test.each([true, false])('keeps all limits (registered by the application: %s)', (isShared) =>
    withOwnServer(isShared, async (url, port, app, logs) => {
      expect(await answersTo(url, 'hello')).toBe('hello')
      // The log names the protection that is missing.
      expect(logs.some((message) => message.includes('server of its own'))).toBe(isShared)
      const slow = [new RawClient(port), new RawClient(port)]
      for (const client of slow) client.handshake('/slow')
      await eventually(
        () =>
          connect(url).then(
            (client) => client.socket.terminate() === undefined && false,
            () => true
          ),
        'a refused upgrade'
      )
      const refused = new RawClient(port)
      refused.handshake('/ws')
      expect((await refused.head()).status).toBe(503)
      for (const client of slow) client.reset()
      await eventually(
        () =>
          connect(url).then(
            () => true,
            () => false
          ),
        'a free slot'
      )
      // On a server unknown to the plugin, @fastify/websocket stops listening.
      if (isShared) return
      void app.close()
      const late = new RawClient(port)
      late.handshake('/ws')
      const { status } = await late.head()
      if (status !== 503) throw new Error(`the closing server answered ${status}`)
    })
  )
})

describe('function names do not matter', () => {
  test('limits and other listeners work with minified names', async () => {
    let seen = 0
    const { ws, port } = await startServer(
      (app) => {
        app.webSocket('/ws', echo)
        app.webSocket('/slow', echo, { onRequest: () => new Promise(() => {}) })
        app.server.on('upgrade', (_request: IncomingMessage, socket: Duplex) => {
          seen++
          socket.destroy()
        })
      },
      {
        maxPendingUpgrades: 1,
        shutdown: { timeout: 100 },
        before: async (app: FastifyInstance) => {
          await app.register(websocket)
          for (const listener of app.server.listeners('upgrade'))
            Object.defineProperty(listener, 'name', { value: 'a' })
        }
      }
    )
    expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
    new RawClient(port).handshake('/slow')
    await eventually(() => seen === 2)
    await expect(connect(ws('/ws'))).rejects.toThrow('503')
  })

  test('if server.emit is replaced later, this is logged and connections still work', async () => {
    const { ws, logs } = await startServer((app) => {
      app.webSocket('/ws', echo)
      // Like some instrumentation: it calls the prototype's emit.
      app.server.emit = function (this: Server, ...args: Parameters<Server['emit']>) {
        return Reflect.apply(Server.prototype.emit, this, args)
      } as never
    })
    expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
    expect(logs.filter(({ msg }) => msg.includes('server.emit was replaced'))).toHaveLength(1)
  })
})

test('an application that removes all upgrade listeners keeps its routes, and has no listener left after close()', async () => {
  const { app, ws, http } = await startServer((instance) => void instance.webSocket('/ws', echo))
  for (let i = 0; i < 2; i++) {
    app.server.removeAllListeners('upgrade')
    expect((await fetch(http('/ws'))).status).toBe(426)
    expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
    expect(app.server.listenerCount('upgrade')).toBe(1)
  }
  await app.close()
  expect(app.server.listenerCount('upgrade')).toBe(0)
})

describe('instances created before the plugin', () => {
  const hello = (socket: { send: (data: string) => void }): void => socket.send('old')

  test('with or without routes, still serve upgrades and plain requests', async () => {
    const { ws, http } = await startServer((app) => void app.webSocket('/new', echo), {
      before: async (app: FastifyInstance) => {
        await app.register(websocket)
        await app.register(
          async (old) => {
            old.get('/old', { websocket: true }, hello)
            old.get('/page', (request) => `page, ws: ${String(request.ws)}`)
            old.setNotFoundHandler((_request, reply) => reply.code(404).send('nothing'))
          },
          { prefix: '/a' }
        )
        await app.register(async () => {})
      }
    })
    expect(await (await connect(ws('/a/old'))).next()).toBe('old')
    expect(await answersTo(ws('/new'), 'hello')).toBe('hello')
    for (const headers of [{}, H2C]) {
      expect(await request(http('/a/page'), headers)).toMatchObject({ status: 200, body: 'page, ws: false' })
      expect(await request(http('/a/nowhere'), headers)).toMatchObject({ status: 404, body: 'nothing' })
    }
    await expect(connect(ws('/a/nowhere'))).rejects.toThrow('404')
  })

  test.each([true, false])(
    'can add our routes, with hooks that refuse (@fastify/websocket before: %s)',
    async (isShared) => {
      let old: FastifyInstance | undefined
      const { ws } = await startServer(
        (app) => {
          const instance = old as FastifyInstance
          instance.addHook('onRequest', async (received) => {
            if (received.url.endsWith('?no')) received.refuseWebSocket(4000, 'not you')
          })
          instance.webSocket('/child', echo)
          app.webSocket('/root', echo)
        },
        {
          before: async (app: FastifyInstance) => {
            if (isShared) await app.register(websocket)
            await app.register(
              async (instance) => {
                old = instance
              },
              { prefix: '/api' }
            )
          }
        }
      )
      expect(await answersTo(ws('/api/child'), 'hello')).toBe('hello')
      expect(await answersTo(ws('/root'), 'hello')).toBe('hello')
      const refused = await connect(ws('/api/child?no'))
      expect(await refused.close()).toEqual({ code: 4000, reason: 'not you' })
    }
  )

  test.each(['before', 'after'])(
    'mercurius, registered %s the plugin: queries, subscriptions and our routes work',
    async (order) => {
      ensureDist()
      const child = fork(join(__dirname, '..', 'support', 'mercurius-child.mjs'), [order], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc']
      })
      const [port] = (await once(child, 'message')) as [number]
      try {
        const answer = await fetch(`http://127.0.0.1:${port}/graphql?query={hello}`)
        expect(await answer.json()).toEqual({ data: { hello: 'world' } })
        const client = await connect(`ws://127.0.0.1:${port}/graphql`, ['graphql-transport-ws'])
        client.socket.send(JSON.stringify({ type: 'connection_init' }))
        expect(JSON.parse(await client.next())).toMatchObject({ type: 'connection_ack' })
        client.socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: 'subscription { ticks }' } }))
        expect(JSON.parse(await client.next())).toMatchObject({ type: 'next', payload: { data: { ticks: 1 } } })
        client.socket.terminate()
        expect(await answersTo(`ws://127.0.0.1:${port}/ws`, 'hello')).toBe('hello')
        await expect(connect(`ws://127.0.0.1:${port}/nowhere`)).rejects.toThrow('404')
        expect(await request(`http://127.0.0.1:${port}/graphql?query={hello}`, H2C)).toMatchObject({ status: 200 })
      } finally {
        child.kill('SIGKILL')
      }
    }
  )
})

describe('HTTP/2 and hop-by-hop headers', () => {
  test('a plain HTTP/2 request to a WebSocket route gets 426 without HTTP/1 headers', async () => {
    const { port, app } = await startServer((server) => void server.webSocket('/ws', echo), {
      fastify: { http2: true, https: { cert, key, allowHTTP1: true } } as never
    })
    const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
    for (const headers of [{}, { origin: 'https://example.com' }]) {
      const stream = session.request({ ':path': '/ws', ...headers })
      const [answer] = (await once(stream, 'response')) as [Record<string, unknown>]
      expect([answer[':status'], answer['connection'], answer['upgrade']]).toEqual([426, undefined, undefined])
      stream.resume()
      await once(stream, 'close')
    }
    session.close()
    const client = new WebSocket(`wss://127.0.0.1:${port}/ws`, { rejectUnauthorized: false })
    await once(client, 'open')
    client.terminate()
    await app.close()
  })

  test('HTTP/2 without TLS gets 426', async () => {
    const { port } = await startServer((server) => void server.webSocket('/ws', echo), {
      fastify: { http2: true } as never
    })
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    const stream = session.request({ ':path': '/ws' })
    const [answer] = (await once(stream, 'response')) as [Record<string, unknown>]
    expect(answer[':status']).toBe(426)
    stream.resume()
    await once(stream, 'close')
    session.close()
  })

  test.each(['close', 'Close', 'keep-alive, close'])(
    'a request with Connection: %s ends the connection',
    async (connection) => {
      const { port } = await startServer((server) => void server.webSocket('/ws', echo))
      const client = new RawClient(port)
      client.socket.write(`GET /ws HTTP/1.1\r\nHost: a\r\nConnection: ${connection}\r\n\r\n`)
      const { status, headers } = await client.head()
      expect([status, headers.get('upgrade')]).toEqual([426, 'websocket'])
      expect(headers.get('connection')).toMatch(/close/)
      expect(headers.get('connection')).toMatch(/upgrade/i)
      await eventually(() => client.isEnded, 'the end of the connection')
    }
  )

  test('HTTP/1.0 ends the connection, HTTP/1.1 keeps it open', async () => {
    const { port } = await startServer((server) => void server.webSocket('/ws', echo))
    const old = new RawClient(port)
    old.socket.write('GET /ws HTTP/1.0\r\nHost: a\r\n\r\n')
    expect((await old.head()).status).toBe(426)
    await eventually(() => old.isEnded, 'the end of the connection')
    const client = new RawClient(port)
    client.socket.write('GET /ws HTTP/1.1\r\nHost: a\r\n\r\n')
    expect((await client.head()).headers.get('connection')).toBe('Upgrade')
    expect(client.isEnded).toBe(false)
  })

  test('a Unix socket serves WebSockets', async () => {
    const path = join(tmpdir(), `blaze-${process.pid}-${Date.now()}.sock`)
    const app = Fastify()
    await app.register(blazeWs)
    app.webSocketWithConfig('/ws', echo, { maxConnections: 1, maxConnectionsPerIp: 1 })
    await app.listen({ path })
    expect(await answersTo(`ws+unix:${path}:/ws`, 'hello')).toBe('hello')
    await app.close()
  })
})

test('app.routing serves requests whose response has no socket, as adapters create them', async () => {
  const served: unknown[] = []
  const { app } = await startServer(
    (server) =>
      void server.get('/page', (received, reply) => {
        served.push(received.url)
        return reply.send('page')
      })
  )
  for (const socket of [null, undefined]) {
    const received = Object.assign(new Readable({ read: () => {} }), {
      method: 'GET',
      url: '/page',
      headers: {},
      httpVersion: '1.1',
      socket: {}
    }) as unknown as IncomingMessage
    app.routing(received, Object.defineProperty(new ServerResponse(received), 'socket', { value: socket }))
  }
  await eventually(() => served.length === 2)
})
