import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import httpProxy from '@fastify/http-proxy'
import websocket from '@fastify/websocket'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { WebSocketServer } from 'ws'
import { ensureDist } from '../support/dist.ts'
import { RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer, TestClient } from '../support/server.ts'
import { answersTo, echo } from './support.ts'

afterEach(closeServers)

describe('maxPendingUpgrades', () => {
  const serve = (maxPendingUpgrades: number) => {
    const waiting: (() => void)[] = []
    const onRequest = (request: FastifyRequest): Promise<void> =>
      request.url === '/slow' ? new Promise<void>((resolve) => waiting.push(resolve)) : Promise.resolve()
    return startServer((app) => void app.webSocket('/slow', { onRequest }, echo).webSocket('/ws', echo), {
      maxPendingUpgrades
    }).then((server) => ({ ...server, waiting }))
  }

  test('an upgrade over the limit gets 503 before any hook runs; a completed upgrade frees its slot', async () => {
    const { ws, port, waiting } = await serve(2)
    const opened = [0, 1].map(() => once(new TestClient(ws('/slow')).socket, 'open'))
    await eventually(() => waiting.length === 2)
    const refused = new RawClient(port)
    refused.handshake('/ws')
    const { status, headers } = await refused.head()
    expect([status, headers.get('retry-after'), headers.get('connection')]).toEqual([503, '5', 'close'])
    await eventually(() => refused.isEnded)
    for (const go of waiting) go()
    await Promise.all(opened)
    expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
  })

  test('clients that leave while hooks run free their slots, and no handler runs for them', async () => {
    const { ws, port, waiting, app, logs } = await serve(3)
    const clients = [0, 1, 2].map(() => new RawClient(port))
    for (const client of clients) client.handshake('/slow')
    await eventually(() => waiting.length === 3)
    clients[0]?.reset()
    clients[1]?.socket.end()
    clients[2]?.socket.destroy()
    await eventually(
      async () =>
        connect(ws('/ws')).then(
          () => true,
          () => false
        ),
      'a free slot'
    )
    for (const go of waiting) go()
    await new Promise((resolve) => setImmediate(resolve))
    expect(logs.filter(({ msg, route }) => msg === 'websocket closed' && route === '/slow')).toEqual([])
    expect(logs.filter(({ level }) => level >= 50)).toEqual([])
    await app.close()
  })

  test.each([0, -1, 1.5, '1', null])('%p is refused at registration', async (maxPendingUpgrades) => {
    await expect(startServer(() => {}, { maxPendingUpgrades: maxPendingUpgrades as never })).rejects.toThrow(
      'maxPendingUpgrades'
    )
  })
})

test('connectionTimeout drops clients whose hooks hang, but no open connection', async () => {
  const timedOut: string[] = []
  const aborted: boolean[] = []
  const { ws, port, logs } = await startServer(
    (app) => {
      app.addHook('onTimeout', async ({ url }) => void timedOut.push(url))
      app.webSocket(
        '/hangs',
        {
          preHandler: (request) =>
            new Promise(() => request.signal.addEventListener('abort', () => void aborted.push(true)))
        },
        echo
      )
      app.webSocket('/ws', echo)
    },
    { fastify: { connectionTimeout: 50 } }
  )
  const open = await connect(ws('/ws'))
  const client = new RawClient(port)
  client.handshake('/hangs')
  await eventually(() => client.isEnded && aborted.length === 1)
  expect(timedOut).toEqual(['/hangs'])
  open.socket.send('hello')
  expect(await open.next()).toBe('hello')
  expect(logs.filter(({ level }) => level >= 40)).toEqual([])
})

describe('other upgrade listeners', () => {
  /** A `ws` server beside Fastify, as in many development servers; it accepts only its own path. */
  function foreign(app: FastifyInstance, seen: string[]): void {
    const server = new WebSocketServer({ noServer: true })
    app.addHook('preClose', async () => {
      for (const client of server.clients) client.terminate()
    })
    app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      seen.push(String(request.url))
      if (!request.url?.startsWith('/hmr')) socket.destroy()
      else
        server.handleUpgrade(request, socket, head, (client) =>
          client.on('message', (data: Buffer) => client.send(`foreign ${data.toString()}`))
        )
    })
  }

  test.each(['before', 'after'])(
    'a listener added %s the plugin gets all other upgrades and cannot harm ours',
    async (order) => {
      const seen: string[] = []
      const { ws } = await startServer(
        (app) => {
          app.webSocket('/ws/:room', echo)
          app.get(
            '/plain',
            { websocket: true },
            (socket) => void socket.on('message', (data: Buffer) => socket.send(`plain ${data.toString()}`))
          )
          app.get('/hmr-status', () => 'fine')
          if (order === 'after') foreign(app, seen)
        },
        { before: (app: FastifyInstance) => (order === 'before' ? foreign(app, seen) : undefined) }
      )
      expect(await answersTo(ws('/hmr?v=1'), 'hello')).toBe('foreign hello')
      expect(await answersTo(ws('/hmr-status'), 'hello')).toBe('foreign hello')
      expect(await answersTo(ws('/ws/1?x=1'), 'hello')).toBe('hello')
      expect(await answersTo(ws('/plain'), 'hello')).toBe('plain hello')
      // It sees every upgrade; for ours, it destroys only a stand-in for the socket.
      expect(seen).toEqual(['/hmr?v=1', '/hmr-status', '/ws/1?x=1', '/plain'])
    }
  )

  test('work if the application registers @fastify/websocket itself', async () => {
    const seen: string[] = []
    const { ws } = await startServer(
      (app) => {
        app.webSocket('/ws', echo)
        foreign(app, seen)
      },
      { before: (app: FastifyInstance) => app.register(websocket) }
    )
    expect(await answersTo(ws('/hmr'), 'hello')).toBe('foreign hello')
    expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
    expect(seen).toEqual(['/hmr', '/ws'])
  })

  test('without any, an unknown path still gets 404', async () => {
    const { ws } = await startServer((app) => void app.webSocket('/ws', echo))
    await expect(connect(ws('/nowhere'))).rejects.toThrow('404')
  })

  test('paths match as in Fastify: case, trailing and double slashes, escapes', async () => {
    const seen: string[] = []
    const { ws } = await startServer(
      (app) => {
        app.webSocket('/Case/ä', echo)
        foreign(app, seen)
      },
      { fastify: { routerOptions: { ignoreTrailingSlash: true, caseSensitive: false, ignoreDuplicateSlashes: true } } }
    )
    for (const path of ['/Case/%C3%A4', '/case/%C3%A4/', '//CASE//%C3%A4?x'])
      expect(await answersTo(ws(path), 'hello')).toBe('hello')
    await expect(connect(ws('/case/%zz'))).rejects.toThrow('socket hang up')
    expect(seen).toEqual(['/Case/%C3%A4', '/case/%C3%A4/', '//CASE//%C3%A4?x', '/case/%zz'])
  })

  test('our upgrades get 503 while the server closes', async () => {
    const { app, port } = await startServer((app) => {
      app.webSocket('/ws', echo)
      foreign(app, [])
      app.addHook('preClose', () => new Promise((resolve) => setTimeout(resolve, 300)))
    })
    const client = new RawClient(port)
    await once(client.socket, 'connect')
    const closed = app.close()
    client.handshake('/ws')
    expect((await client.head()).status).toBe(503)
    await closed
  })

  test.each(['before', 'after'])(
    '@fastify/http-proxy, registered %s the plugin: proxied WebSockets and ours work on one server',
    async (order) => {
      const upstream = await startServer(
        (app) =>
          void app.webSocket('/echo', async (ws) => {
            for await (const { data } of ws) await ws.writeText(`upstream ${data.toString()}`)
          })
      )
      const proxy = (app: FastifyInstance) =>
        app.register(httpProxy, { upstream: upstream.http(''), prefix: '/proxy', websocket: true })
      const { ws } = await startServer(
        async (app) => {
          app.webSocket('/ws', echo)
          if (order === 'after') await proxy(app)
        },
        { before: (app: FastifyInstance) => (order === 'before' ? proxy(app) : undefined) }
      )
      for (let i = 0; i < 3; i++) {
        expect(await answersTo(ws('/proxy/echo'), 'hello')).toBe('upstream hello')
        expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
      }
    }
  )
})

describe('a Vite development server in the same process', () => {
  let child: ChildProcess
  afterEach(() => child.kill('SIGKILL'))

  test('page updates and our routes both work', async () => {
    ensureDist()
    child = fork(join(__dirname, '..', 'support', 'vite-child.mjs'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const [{ port, token }] = (await once(child, 'message')) as [{ port: number; token: string }]
    const hmr = await connect(`ws://127.0.0.1:${port}/?token=${token}`, ['vite-hmr'])
    expect(JSON.parse(await hmr.next())).toEqual({ type: 'connected' })
    expect(await answersTo(`ws://127.0.0.1:${port}/ws`, 'hello')).toBe('hello')
    expect((await fetch(`http://127.0.0.1:${port}/@vite/client`)).status).toBe(200)
    expect(hmr.closed).toBeUndefined()
  })
})
