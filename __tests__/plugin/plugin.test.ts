import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import rateLimit from '@fastify/rate-limit'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import { WebSocket } from 'ws'
import blazeWs, {
  allowOrigins,
  defaultWebSocketConfig,
  sameOrigin,
  WebSocketConnection,
  WebSocketHub
} from '../../src/index.ts'
import { RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer, type LogLine, type TestServer } from '../support/server.ts'
import { cert, key } from '../support/tls.ts'

afterEach(closeServers)

const echo = async (ws: WebSocketConnection): Promise<void> => {
  for await (const { type, data } of ws) await ws.writeMessage(type, data)
}

/** Routes of @fastify/websocket. */
const plain = async (app: FastifyInstance): Promise<void> => {
  app.get('/plain', { websocket: true }, (socket) => {
    socket.on('message', (data: Buffer) => socket.send(`plain ${data.toString()}`))
  })
  app.route({ method: 'GET', url: '/full', handler: async () => 'http', wsHandler: (socket) => socket.send('full') })
}

const address = async (ws: WebSocketConnection): Promise<void> => ws.writeJSON([ws.remoteAddr(), ws.localAddr()])

const remoteOf = async (url: string, headers: Record<string, string>) =>
  (JSON.parse(await (await connect(url, [], { headers })).next()) as string[])[0]

const warnings = (logs: LogLine[]) => logs.filter(({ level, msg }) => level === 40 && msg.includes('checkOrigin'))

/** The error that `register` rejects with. */
async function registrationError(
  options: unknown,
  before?: (app: FastifyInstance) => unknown
): Promise<Error & { code?: string }> {
  const app = Fastify() as unknown as FastifyInstance
  try {
    await before?.(app)
    await app.register(blazeWs, options as object)
    throw new Error('it was registered')
  } catch (error) {
    return error as Error
  } finally {
    await app.close()
  }
}

describe('registration', () => {
  test('decorates the server with the hub and both methods that add a route', async () => {
    const { app } = await startServer(() => {})
    expect(app.wsHub).toBeInstanceOf(WebSocketHub)
    expect(app.webSocket).toBeInstanceOf(Function)
    expect(app.webSocketWithConfig).toBeInstanceOf(Function)
    expect(app.hasPlugin('fastify-blaze-ws')).toBe(true)
  })

  test('child instances share the hub and get connections of the exported class', async () => {
    let isOfClass = false
    const { app, ws } = await startServer(async (app) => {
      await app.register(async (child) => {
        expect(child.wsHub).toBe(app.wsHub)
        child.webSocket('/ws', async function (ws) {
          isOfClass = ws instanceof WebSocketConnection
          this.wsHub.register(ws)
          await echo(ws)
        })
      })
    })
    await connect(ws('/ws'))
    await eventually(() => app.wsHub.getClientCount() === 1, 'the connection to be registered')
    expect(isOfClass).toBe(true)
  })

  test('fails if registered twice on the same instance', async () => {
    const app = Fastify()
    await app.register(blazeWs)
    await expect(app.register(blazeWs).ready()).rejects.toMatchObject({ code: 'FST_BLAZE_WS_ALREADY_REGISTERED' })
    await app.close()
  })

  test('fails if registered again in a child, or in two siblings', async () => {
    const app = Fastify()
    await app.register(blazeWs)
    app.register(async (child) => {
      await child.register(blazeWs)
    })
    await expect(app.ready()).rejects.toMatchObject({ code: 'FST_BLAZE_WS_ALREADY_REGISTERED' })
    await app.close()

    const other = Fastify()
    other.register(async (child) => {
      await child.register(blazeWs)
    })
    other.register(async (child) => {
      await child.register(blazeWs)
    })
    await expect(other.ready()).rejects.toMatchObject({ code: 'FST_BLAZE_WS_ALREADY_REGISTERED' })
    await other.close()
  })

  test('servers in one process are independent of each other', async () => {
    const [a, b] = await Promise.all(
      [1, 2].map((n) =>
        startServer((app) => {
          app.webSocket('/ws', async (ws) => ws.writeText(String(n)))
        })
      )
    )
    expect(await (await connect(a?.ws('/ws') ?? '')).next()).toBe('1')
    expect(await (await connect(b?.ws('/ws') ?? '')).next()).toBe('2')
    expect(a?.app.wsHub).not.toBe(b?.app.wsHub)
  })

  test('options may come from a function, and Fastify’s own options are ignored', async () => {
    const app = Fastify()
    await app.register(blazeWs, () => ({ config: { maxMessageSize: 10 } }))
    await app.close()
    expect((await registrationError({ prefix: '/x', logLevel: 'info' })).message).toBe('it was registered')
  })

  test.each([
    [{ confg: {} }, 'confg', 'config, shutdown, hub, websocket'],
    [{ config: 1 }, 'config', 'object'],
    [{ config: null }, 'config', 'object'],
    [{ config: [] }, 'config', 'object'],
    [{ config: { pingIntervall: 1 } }, 'config.pingIntervall', 'pingInterval'],
    [{ config: { pingInterval: '1s' } }, 'config.pingInterval', 'milliseconds'],
    [{ shutdown: 'fast' }, 'shutdown', 'object'],
    [{ shutdown: { graceful: true } }, 'shutdown.graceful', 'grace, timeout, code, reason, message'],
    [{ shutdown: { grace: -1 } }, 'shutdown.grace', 'milliseconds'],
    [{ config: { checkOrigin: sameOrigin } }, 'config.checkOrigin', 'write sameOrigin()'],
    [{ config: { checkOrigin: allowOrigins } }, 'config.checkOrigin', 'write allowOrigins([...])'],
    [{ shutdown: { grace: '2s' } }, 'shutdown.grace', '0 = at once'],
    [{ shutdown: { spread: '20s' } }, 'shutdown.spread', '0 = at once'],
    [{ shutdown: { reconnectWithin: -1 } }, 'shutdown.reconnectWithin', '0 = at once'],
    [{ shutdown: { spread: 20_000, timeout: 19_999 } }, 'shutdown.timeout', 'at least shutdown.spread, which is 20000'],
    [{ shutdown: { timeout: Infinity } }, 'shutdown.timeout', 'milliseconds'],
    [{ shutdown: { code: 1005 } }, 'shutdown.code', '3000 to 4999'],
    [{ shutdown: { code: '1001' } }, 'shutdown.code', '3000 to 4999'],
    [{ shutdown: { reason: 'ä'.repeat(62) } }, 'shutdown.reason', '123 bytes'],
    [{ shutdown: { message: { type: 'bye' } } }, 'shutdown.message', 'string'],
    [{ hub: [] }, 'hub', 'object'],
    [{ hub: { size: 1 } }, 'hub.size', 'slowConsumer'],
    [{ hub: { slowConsumer: 'drop' } }, 'hub.slowConsumer', "'dropNewest'"],
    [{ websocket: true }, 'websocket', 'object'],
    [{ websocket: { maxPayload: 1 } }, 'websocket.maxPayload', 'options, errorHandler, preClose'],
    [{ websocket: { errorHandler: 'log' } }, 'websocket.errorHandler', 'function'],
    [{ websocket: { preClose: true } }, 'websocket.preClose', 'function'],
    [{ websocket: { options: 1 } }, 'websocket.options', 'object'],
    [{ websocket: { options: { port: 3000 } } }, 'websocket.options.port', "Fastify's server"],
    [{ websocket: { options: { noServer: true } } }, 'websocket.options.noServer', "Fastify's server"]
  ])('%j: the error names %s and the allowed values', async (options, named, allowed) => {
    const error = await registrationError(options)
    expect(error).toMatchObject({ code: 'FST_BLAZE_WS_INVALID_OPTION' })
    expect(error.message).toContain(`"${named}"`)
    expect(error.message).toContain(allowed)
  })

  test('undefined options count as omitted', async () => {
    const options = { config: undefined, shutdown: { grace: undefined }, hub: undefined, websocket: undefined }
    expect((await registrationError(options)).message).toBe('it was registered')
  })
})

describe('together with @fastify/websocket', () => {
  test.each([
    ['registered by the application before us', (app: FastifyInstance) => app.register(websocket)],
    ['registered by us', undefined]
  ])('%s: its routes and ours both work', async (_how, before) => {
    const { ws, http } = await startServer(
      async (app) => {
        await app.register(plain)
        app.webSocket('/ours', echo)
        await app.register(async (child) => child.webSocket('/ws', echo), { prefix: '/child' })
      },
      { ...(before && { before }) }
    )

    const theirs = await connect(ws('/plain'))
    theirs.socket.send('hello')
    expect(await theirs.next()).toBe('plain hello')
    expect(await (await connect(ws('/full'))).next()).toBe('full')
    expect(await (await fetch(http('/full'))).text()).toBe('http')
    for (const path of ['/ours', '/child/ws']) {
      const client = await connect(ws(path))
      client.socket.send('hello')
      expect(await client.next()).toBe('hello')
    }
  })

  test('options.websocket is passed to it, and affects only its routes', async () => {
    const errorHandler = jest.fn((_error: Error, socket: WebSocket) => socket.close(1011))
    const { ws } = await startServer(
      async (app) => {
        app.get('/plain', { websocket: true }, () => {
          throw new Error('theirs')
        })
        app.get('/small', { websocket: true }, () => {})
        app.webSocket('/ours', echo)
      },
      { websocket: { options: { maxPayload: 10 }, errorHandler: errorHandler as never } }
    )

    await (await connect(ws('/plain'))).close()
    expect(errorHandler).toHaveBeenCalledTimes(1)
    const small = await connect(ws('/small'))
    small.socket.send('more than ten bytes')
    expect((await small.close()).code).toBe(1009)
    const ours = await connect(ws('/ours'))
    ours.socket.send('more than ten bytes')
    expect(await ours.next()).toBe('more than ten bytes')
  })

  test('options.websocket is refused if it would have no effect', async () => {
    const error = await registrationError({ websocket: { options: {} } }, (app) => app.register(websocket))
    expect(error).toMatchObject({
      code: 'FST_BLAZE_WS_INVALID_OPTION',
      message: expect.stringContaining('"websocket"')
    })
  })

  test("verifyClient of the application's own registration applies to its routes", async () => {
    const { ws } = await startServer(
      async (app) => {
        await app.register(plain)
      },
      {
        before: (app) =>
          app.register(websocket, {
            options: { verifyClient: ({ req }: { req: IncomingMessage }) => req.headers['x-ok'] === '1' }
          })
      }
    )
    await expect(connect(ws('/plain'))).rejects.toThrow('401')
    await connect(ws('/plain'), [], { headers: { 'x-ok': '1' } })
  })

  test('its connections also close with the server', async () => {
    const { app, ws } = await startServer(plain)
    const client = await connect(ws('/plain'))
    await app.close()
    expect((await client.close()).code).toBe(1005)
  })
})

describe('injectWS', () => {
  test('reaches a route without a listening server', async () => {
    const app = Fastify()
    await app.register(blazeWs)
    app.webSocket('/rooms/:room', async (ws, request) => {
      await ws.writeJSON({
        room: (request.params as { room: string }).room,
        user: ws.header('x-user'),
        remote: ws.remoteAddr()
      })
      await echo(ws)
    })
    await app.ready()
    const messages: string[] = []
    const socket = await app.injectWS(
      '/rooms/lobby',
      { headers: { 'x-user': 'ann' } },
      {
        onInit: (socket) => socket.on('message', (data: Buffer) => messages.push(data.toString()))
      }
    )
    socket.send('hello')
    await eventually(() => messages.length === 2, 'both messages')
    expect(JSON.parse(messages[0] ?? '')).toMatchObject({ room: 'lobby', user: 'ann' })
    expect(messages[1]).toBe('hello')
    socket.terminate()
    await app.close()
  })

  test('rejects with the status if the upgrade is refused', async () => {
    const app = Fastify()
    await app.register(blazeWs)
    app.webSocket('/ws', echo, { preHandler: async (_request, reply) => reply.code(401).send() })
    await app.ready()
    await expect(app.injectWS('/ws')).rejects.toThrow('401')
    await expect(app.injectWS('/nowhere')).rejects.toThrow('404')
    await app.close()
  })

  test.each([false, true])(
    'gives hooks a complete request (@fastify/websocket registered before: %s)',
    async (isShared) => {
      const seen: unknown[] = []
      const app = Fastify({ handlerTimeout: 5000, trustProxy: true })
      if (isShared) await app.register(websocket)
      await app.register(blazeWs)
      app.addHook('onTimeout', (_request, _reply, done) => done())
      app.addHook('onRequestAbort', (_request, done) => done())
      app.addHook('preParsing', async (_request, _reply, payload) => {
        for await (const chunk of payload) seen.push(chunk)
      })
      app.addHook('preHandler', async (request) => {
        seen.push(
          request.signal.aborted,
          request.ip,
          request.host,
          request.protocol,
          request.headers['sec-websocket-version']
        )
      })
      app.webSocket('/ws', echo)
      await plain(app)
      await app.ready()
      for (const [path, answer] of [
        ['/ws', 'hello'],
        ['/plain', 'plain hello']
      ] as const) {
        const client = await app.injectWS(path, { headers: { 'X-Forwarded-For': '192.0.2.1' } })
        client.send('hello')
        expect(String((await once(client, 'message'))[0])).toBe(answer)
        expect(seen.splice(0)).toEqual([expect.any(Boolean), '192.0.2.1', 'localhost:80', 'http', '13'])
        client.terminate()
      }
      await app.close()
    }
  )

  test('uses the client address of the given socket', async () => {
    const app = Fastify()
    await app.register(rateLimit, { max: 1 })
    await app.register(blazeWs)
    let remote: string | undefined
    app.webSocket('/ws', async (ws) => {
      remote = ws.remoteAddr()
      await echo(ws)
    })
    await app.ready()
    const from = (remoteAddress: string) => app.injectWS('/ws', { socket: { remoteAddress } } as never)
    const client = await from('192.0.2.1')
    expect(remote).toBe('192.0.2.1:0')
    await expect(from('192.0.2.1')).rejects.toThrow('429')
    const other = await from('192.0.2.2')
    client.terminate()
    other.terminate()
    await app.close()
  })

  test.each(['client', 'server', 'handler'])('a close by the %s closes both sides', async (by) => {
    let connection: WebSocketConnection | undefined
    const app = Fastify()
    await app.register(blazeWs)
    app.webSocket('/ws', async (ws) => {
      connection = ws
      if (by === 'server') await ws.close(4000, 'by the server')
      if (by === 'client') await echo(ws)
    })
    await app.ready()
    const closed = new Promise<number>((resolve) => {
      void app
        .injectWS('/ws', {}, { onInit: (socket) => socket.on('close', resolve) })
        .then((socket) => by === 'client' && socket.close(4000))
    })
    expect(await closed).toBe(by === 'handler' ? 1000 : 4000)
    await eventually(() => connection?.closeInfo !== undefined, 'our side to be closed')
    expect(connection?.closeInfo).toMatchObject({ code: by === 'handler' ? 1000 : 4000, wasClean: true })
    await app.close()
  })

  test('app.close() closes an injected connection', async () => {
    const app = Fastify()
    await app.register(blazeWs)
    app.webSocket('/ws', echo)
    await app.ready()
    const socket = await app.injectWS('/ws')
    const closed = once(socket, 'close')
    await app.close()
    expect((await closed)[0]).toBe(1001)
  })
})

describe('while the server closes', () => {
  /** Starts closing a server; it cannot finish before `end`, because a client does not answer the closing handshake. */
  async function closeSlowly({ app, ws }: TestServer): Promise<{ end: () => Promise<void> }> {
    const open = await connect(ws('/open'))
    await open.next()
    open.socket.pause()
    const closing = app.close()
    await shutdownBegun
    return {
      end: () => {
        open.socket.resume()
        return closing
      }
    }
  }

  let shutdownBegun: Promise<unknown>
  const addOpenRoute = (app: FastifyInstance): void => {
    app.webSocket('/open', async (ws) => {
      shutdownBegun = once(ws.context().shutdownSignal, 'abort')
      await ws.writeText('open')
      await echo(ws)
    })
  }

  test('an upgrade gets 503 if its hook still runs when the close begins', async () => {
    const [hook, release] = [new EventEmitter(), new EventEmitter()]
    const handler = jest.fn()
    const server = await startServer((app) => {
      addOpenRoute(app)
      app.webSocket('/ws', handler, {
        preHandler: async () => {
          const released = once(release, 'go')
          hook.emit('entered')
          await released
        }
      })
    })
    const client = new RawClient(server.port)
    client.handshake('/ws')
    await once(hook, 'entered')
    const { end } = await closeSlowly(server)
    release.emit('go')
    expect((await client.head()).status).toBe(503)
    expect(handler).not.toHaveBeenCalled()
    await end()
  })

  test('an upgrade on a TCP connection opened earlier gets 503', async () => {
    const server = await startServer((app) => {
      addOpenRoute(app)
      app.webSocket('/ws', echo)
    })
    const client = new RawClient(server.port)
    await once(client.socket, 'connect')
    const { end } = await closeSlowly(server)
    client.handshake('/ws')
    expect((await client.head()).status).toBe(503)
    await end()
  })

  test('an upgrade on a new TCP connection gets 503 while the server waits for other connections', async () => {
    const server = await startServer((app) => {
      addOpenRoute(app)
      app.webSocket('/ws', echo)
    })
    const { end } = await closeSlowly(server)
    await expect(connect(server.ws('/ws'))).rejects.toThrow('503')
    await end()
  })
})

describe('addresses', () => {
  test('remoteAddr() and localAddr() are ip:port', async () => {
    const { ws, port } = await startServer((app) => {
      app.webSocket('/ws', address)
    })
    const client = new RawClient(port)
    await client.open('/ws')
    const local = (client.socket.address() as AddressInfo).port
    expect(JSON.parse((await client.frame()).payload.toString())).toEqual([`127.0.0.1:${local}`, `127.0.0.1:${port}`])
    client.reset()
    expect(ws('/')).toContain(String(port))
  })

  test('X-Forwarded-For counts only with trustProxy', async () => {
    const headers = { 'x-forwarded-for': '203.0.113.7' }
    const untrusting = await startServer((app) => {
      app.webSocket('/ws', address)
    })
    const trusting = await startServer(
      (app) => {
        app.webSocket('/ws', address)
      },
      { fastify: { trustProxy: true } }
    )
    expect(await remoteOf(untrusting.ws('/ws'), headers)).toMatch(/^127\.0\.0\.1:\d+$/)
    expect(await remoteOf(trusting.ws('/ws'), headers)).toMatch(/^203\.0\.113\.7:\d+$/)
    expect(await remoteOf(trusting.ws('/ws'), { 'x-forwarded-for': '2001:db8::7' })).toMatch(/^\[2001:db8::7\]:\d+$/)
  })

  const hasIPv6 = Object.values(networkInterfaces())
    .flat()
    .some((entry) => entry?.address === '::1')
  const describeIPv6 = hasIPv6 ? describe : describe.skip
  describeIPv6('of IPv6 (skipped if the machine has no ::1)', () => {
    test('are [ip]:port', async () => {
      const { port } = await startServer(
        (app) => {
          app.webSocket('/ws', address)
        },
        { host: '::1' }
      )
      const client = await connect(`ws://[::1]:${port}/ws`)
      const [remote, local] = JSON.parse(await client.next()) as string[]
      expect(remote).toMatch(/^\[::1\]:\d+$/)
      expect(local).toBe(`[::1]:${port}`)
    })
  })

  test('a Unix socket works without addresses', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'ws-'))
    const path = join(directory, 'server.sock')
    const app = Fastify()
    await app.register(blazeWs)
    app.webSocket('/ws', async (ws) => {
      await ws.writeJSON([typeof ws.remoteAddr(), typeof ws.localAddr()])
    })
    await app.listen({ path })
    const client = await connect(`ws+unix://${path}:/ws`)
    expect(JSON.parse(await client.next())).toEqual(['string', 'string'])
    await client.close()
    await app.close()
    await rm(directory, { recursive: true })
  })
})

test('TLS: wss:// works, and closes with the server', async () => {
  const { app, port } = await startServer(
    (app) => {
      app.webSocket('/ws', async (ws) => {
        await ws.writeText(ws.request.protocol)
        await echo(ws)
      })
    },
    { fastify: { https: { key, cert } } as object }
  )
  const client = await connect(`wss://127.0.0.1:${port}/ws`, [], { ca: cert })
  expect(await client.next()).toBe('https')
  const long = 'x'.repeat(300_000)
  client.socket.send(long)
  expect(await client.next()).toBe(long)
  await app.close()
  expect((await client.close()).code).toBe(1001)
})

describe('the warning about origins', () => {
  const before = process.env['NODE_ENV']
  afterEach(() => {
    process.env['NODE_ENV'] = before
  })

  test('is logged once in production, whatever the number of routes', async () => {
    process.env['NODE_ENV'] = 'production'
    const { logs, ws } = await startServer(async (app) => {
      app.webSocket('/a', echo)
      app.webSocketWithConfig('/b', echo, { maxMessageSize: 10 })
      await app.register(async (child) => child.webSocket('/c', echo))
    })
    await connect(ws('/a'))
    expect(warnings(logs)).toHaveLength(1)
  })

  test('names the affected routes, with their prefixes, in one line of limited length', async () => {
    process.env['NODE_ENV'] = 'production'
    const { logs } = await startServer(async (app) => {
      app.webSocket('/a', echo)
      app.webSocketWithConfig('/checked', echo, { checkOrigin: () => true })
      app.webSocketWithConfig('/default', echo, defaultWebSocketConfig())
      await app.register(async (child) => child.webSocket('/c/:id', echo), { prefix: '/v1' })
      app.get('/http', async () => 'x')
    })
    expect(warnings(logs).map(({ msg }) => msg)).toEqual([
      expect.stringMatching(/set checkOrigin for \/a, \/default, \/v1\/c\/:id$/)
    ])

    const many = await startServer((app) => {
      for (let i = 0; i < 100; i++) app.webSocket(`/${'x'.repeat(200)}${i}`, echo)
    })
    const [line] = warnings(many.logs)
    expect(line?.msg).toMatch(/and 90 more$/)
    expect(line?.msg.length).toBeLessThan(1_200)
  })

  test('is not logged if every route checks the origin', async () => {
    process.env['NODE_ENV'] = 'production'
    const { logs } = await startServer(
      (app) => {
        app.webSocket('/a', echo)
      },
      { config: { checkOrigin: () => true } }
    )
    const other = await startServer((app) => {
      app.webSocketWithConfig('/a', echo, { checkOrigin: async () => true })
    })
    expect([...warnings(logs), ...warnings(other.logs)]).toEqual([])
  })

  test('is not logged outside production', async () => {
    process.env['NODE_ENV'] = 'test'
    const { logs } = await startServer((app) => {
      app.webSocketWithConfig('/a', echo, defaultWebSocketConfig())
    })
    expect(warnings(logs)).toEqual([])
  })

  test('is not logged by a server without our routes', async () => {
    process.env['NODE_ENV'] = 'production'
    const { logs } = await startServer(() => {})
    expect(warnings(logs)).toEqual([])
  })
})

test('works on a custom server (serverFactory)', async () => {
  const { createServer } = await import('node:http')
  const { ws } = await startServer(
    (app) => {
      app.webSocket('/ws', echo)
    },
    { fastify: { serverFactory: (handler) => createServer(handler) as Server as never } }
  )
  const client = await connect(ws('/ws'))
  client.socket.send('x')
  expect(await client.next()).toBe('x')
})
