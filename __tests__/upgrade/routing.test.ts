import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import websocket from '@fastify/websocket'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { WebSocketServer } from 'ws'
import { RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'
import { answersTo, echo } from './support.ts'

afterEach(closeServers)

/** A listener that serves `/hmr` and destroys every other socket. */
function addForeign(app: FastifyInstance): void {
  const server = new WebSocketServer({ noServer: true })
  app.addHook('preClose', async () => {
    for (const client of server.clients) client.terminate()
  })
  app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (!request.url?.startsWith('/hmr')) socket.destroy()
    else
      server.handleUpgrade(request, socket, head, (client) =>
        client.on('message', (data: Buffer) => client.send(`foreign ${data.toString()}`))
      )
  })
}

describe('with another upgrade listener, routes match as in Fastify', () => {
  const serve = (
    setUp: (app: FastifyInstance) => void | Promise<void>,
    fastify: FastifyServerOptions = {},
    before?: (app: FastifyInstance) => unknown
  ) =>
    startServer(
      async (app) => {
        await setUp(app)
        addForeign(app)
      },
      { fastify, ...(before && { before }) }
    )

  test('paths with different parameter names per version', async () => {
    const { ws, http } = await serve((app) => {
      app.get('/users/:id', { constraints: { version: '1.0.0' } }, () => 'one')
      app.get('/users/:userId', { constraints: { version: '2.0.0' } }, () => 'two')
      app.webSocket('/ws', echo)
    })
    expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
    expect(await answersTo(ws('/hmr'), 'hello')).toBe('foreign hello')
    expect(await (await fetch(http('/users/1'), { headers: { 'accept-version': '2.x' } })).text()).toBe('two')
  })

  test('version, host and custom constraints', async () => {
    const tenant = {
      name: 'tenant',
      storage: () => {
        const handlers = new Map<string, never>()
        return {
          get: (key: string) => handlers.get(key) ?? null,
          set: (key: string, handler: never) => void handlers.set(key, handler)
        }
      },
      deriveConstraint: (request: IncomingMessage) => request.headers['x-tenant'] as string,
      mustMatchWhenDerived: true
    }
    const { ws } = await serve(
      (app) => {
        app.webSocket('/version', echo, { constraints: { version: '2.0.0' } })
        app.webSocket('/host', echo, { constraints: { host: 'chat.example' } })
        app.webSocket('/tenant', echo, { constraints: { tenant: 'a' } })
      },
      { routerOptions: { constraints: { tenant } } }
    )
    expect(await answersTo(ws('/version'), 'hello', { 'accept-version': '2.x' })).toBe('hello')
    await expect(connect(ws('/version'))).rejects.toThrow('socket hang up')
    expect(await answersTo(ws('/host'), 'hello', { host: 'chat.example' })).toBe('hello')
    await expect(connect(ws('/host'))).rejects.toThrow('socket hang up')
    expect(await answersTo(ws('/tenant'), 'hello', { 'x-tenant': 'a' })).toBe('hello')
    await expect(connect(ws('/tenant'), [], { headers: { 'x-tenant': 'b' } })).rejects.toThrow('socket hang up')
  })

  test('asynchronous constraints', async () => {
    const secret = {
      name: 'secret',
      storage: () => {
        const handlers = new Map<string, never>()
        return {
          get: (key: string) => handlers.get(key) ?? null,
          set: (key: string, handler: never) => void handlers.set(key, handler)
        }
      },
      deriveConstraint: (
        request: IncomingMessage,
        _context: unknown,
        done: (error: Error | null, value: unknown) => void
      ) => {
        setImmediate(() => done(null, request.headers['x-secret']))
      }
    }
    const { ws, logs } = await serve(
      (app) => {
        app.webSocket('/ws', echo, { constraints: { secret: 'a' } })
        app.get('/plain', () => 'plain')
      },
      { routerOptions: { constraints: { secret } as never } }
    )
    expect(await answersTo(ws('/ws'), 'hello', { 'x-secret': 'a' })).toBe('hello')
    expect(await answersTo(ws('/hmr'), 'hello')).toBe('foreign hello')
    await expect(connect(ws('/plain'))).rejects.toThrow('socket hang up')
    expect(logs.filter(({ level }) => level >= 40)).toEqual([])
  })

  test('rewriteUrl applies once per request, and the route lookup leaves no trace', async () => {
    const { ws, logs } = await serve(
      (app) => {
        app.decorateRequest('count', 0)
        app.addHook('onRequest', async (request) =>
          request.log.info({ url: request.url, originalUrl: request.originalUrl }, 'hook')
        )
        app.webSocket('/inner/ws', echo)
      },
      { rewriteUrl: ({ url = '' }) => (url.startsWith('/hmr') ? url : url.replace(/^\/outer/, '/inner')) }
    )
    expect(await answersTo(ws('/outer/ws'), 'hello')).toBe('hello')
    expect(await answersTo(ws('/hmr'), 'hello')).toBe('foreign hello')
    expect(logs.filter(({ msg }) => msg === 'hook').map(({ url, originalUrl }) => [url, originalUrl])).toEqual([
      ['/inner/ws', '/outer/ws']
    ])
    expect(logs.filter(({ msg }) => msg === 'incoming request')).toHaveLength(1)
  })

  test('semicolons, unsafe regular expressions and long parameters', async () => {
    const { ws } = await serve(
      (app) => {
        app.webSocket('/semicolon', echo)
        app.webSocket('/regex/:id(^(a+)+$)', echo)
        app.webSocket('/long/:token', echo)
      },
      { routerOptions: { useSemicolonDelimiter: true, allowUnsafeRegex: true, maxParamLength: 300 } as never }
    )
    expect(await answersTo(ws('/semicolon;a=1'), 'hello')).toBe('hello')
    expect(await answersTo(ws('/regex/aa'), 'hello')).toBe('hello')
    expect(await answersTo(ws(`/long/${'x'.repeat(300)}`), 'hello')).toBe('hello')
    for (const path of ['/regex/b', `/long/${'x'.repeat(301)}`])
      await expect(connect(ws(path))).rejects.toThrow('socket hang up')
  })

  test('ordinary routes, wildcards and 404 handlers leave upgrades to the other listener and run no hooks', async () => {
    const hook = jest.fn(async () => {})
    const { ws, logs } = await serve((app) => {
      app.addHook('onRequest', hook)
      app.get('/hmr', () => 'page')
      app.get('/hmr/*', () => 'file')
      app.setNotFoundHandler((_request, reply) => reply.code(404).send('nothing'))
      app.webSocket('/ws', echo)
    })
    for (const path of ['/hmr', '/hmr/a', '/hmr-not-found'])
      expect(await answersTo(ws(path), 'hello')).toBe('foreign hello')
    expect(hook).not.toHaveBeenCalled()
    expect(logs.filter(({ msg }) => msg === 'incoming request')).toEqual([])
  })

  test('a route under a wildcard, and a prefixed route', async () => {
    const { ws } = await serve(async (app) => {
      app.get('/*', () => 'file')
      app.webSocket('/ws', echo)
      await app.register(async (api) => void api.webSocket('/', echo), { prefix: '/api' })
    })
    for (const path of ['/ws', '/api', '/api/']) expect(await answersTo(ws(path), 'hello')).toBe('hello')
    expect(await answersTo(ws('/hmr'), 'hello')).toBe('foreign hello')
  })

  test('routes of @fastify/websocket added before the plugin', async () => {
    const { ws } = await serve(
      (app) => void app.webSocket('/new', echo).get('/page', () => 'page'),
      {},
      async (app) => {
        await app.register(websocket)
        const answer = (socket: {
          on: (event: 'message', listener: (data: Buffer) => void) => void
          send: (data: string) => void
        }): void => {
          socket.on('message', (data) => socket.send(`old ${data.toString()}`))
        }
        await app.register(async (old) => {
          old.get('/old', { websocket: true }, answer)
          old.route({ method: 'GET', url: '/both/:id', handler: () => 'page', wsHandler: answer })
          old.get('/*', () => 'file')
        })
      }
    )
    // The very first upgrade may be for any of them.
    for (const path of ['/hmr', '/old', '/hmr', '/both/1', '/new', '/hmr']) {
      const expected = path === '/hmr' ? 'foreign hello' : path === '/new' ? 'hello' : 'old hello'
      expect(await answersTo(ws(path), 'hello')).toBe(expected)
    }
    await expect(connect(ws('/page'))).rejects.toThrow('socket hang up')
  })

  test('the childLoggerFactory of a route or of the application is still used', async () => {
    const factory = (name: string) =>
      function (logger: { child: (bindings: object, options: object) => never }, bindings: object, options: object) {
        return logger.child({ ...bindings, name }, options)
      }
    const { ws, logs } = await serve(
      (app) => {
        app.webSocket('/own', async (socket) => socket.context().log.info('here'), {
          childLoggerFactory: factory('route') as never
        })
        app.webSocket('/shared', async (socket) => socket.context().log.info('here'))
      },
      {},
      (app) => void app.setChildLoggerFactory(factory('app') as never)
    )
    for (const path of ['/own', '/shared']) await (await connect(ws(path))).close()
    expect(logs.filter(({ msg }) => msg === 'here').map(({ name }) => name)).toEqual(['route', 'app'])
  })
})

describe('no error escapes from the upgrade event', () => {
  test('if a listener throws, the error is logged and the others still run', async () => {
    const { ws, logs } = await startServer((app) => {
      app.webSocket('/ws', echo)
      app.server.on('upgrade', () => {
        throw new Error('a bug elsewhere')
      })
      addForeign(app)
    })
    expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
    expect(await answersTo(ws('/hmr'), 'hello')).toBe('foreign hello')
    expect(logs.filter(({ level }) => level >= 50).map(({ msg }) => msg)).toEqual(
      Array(2).fill('a listener of the upgrade event failed')
    )
  })

  test.each([true, false])(
    'survives a rewriteUrl that throws or returns no string (other listeners: %s)',
    async (isForeign) => {
      const { ws, logs } = await startServer(
        (app) => {
          app.webSocket('/ws', echo)
          if (isForeign) addForeign(app)
        },
        {
          fastify: {
            rewriteUrl: ({ url = '' }) => {
              if (url === '/throws') throw new Error('a bug in rewriteUrl')
              return url === '/number' ? (1 as never) : url
            }
          }
        }
      )
      for (const path of ['/throws', '/number']) await expect(connect(ws(path))).rejects.toThrow(/hang up|ECONNRESET/)
      expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
      expect(logs.filter(({ msg }) => msg === 'an upgrade failed')).toHaveLength(isForeign ? 0 : 1)
    }
  )

  test('survives clients that reset at once and malformed request lines', async () => {
    const { port, ws } = await startServer((app) => {
      app.webSocket('/ws', echo)
      addForeign(app)
    })
    for (const path of ['/ws', '/hmr', '/nowhere', '/%zz', '//', '*', 'http://[', '/ws?%']) {
      const client = new RawClient(port)
      await once(client.socket, 'connect')
      client.handshake(path)
      client.reset()
    }
    expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
  })
})

describe('unanswered upgrades', () => {
  const open = (port: number, path: string, count: number): RawClient[] =>
    Array.from({ length: count }, () => {
      const client = new RawClient(port)
      client.handshake(path)
      return client
    })

  test("get Fastify's answer after a moment; a listener that only observes sees all upgrades", async () => {
    let seen = 0
    const { port, ws } = await startServer((app) => {
      app.webSocket('/ws', echo)
      app.get('/page', () => 'page')
      app.get('/forbidden', { onRequest: async (_request, reply) => reply.code(401).send() }, () => 'never')
      app.server.on('upgrade', () => seen++)
    })
    const clients = open(port, '/nope', 200)
    for (const client of clients) expect((await client.head()).status).toBe(404)
    await eventually(() => clients.every(({ isEnded }) => isEnded), 'the end of all clients')
    expect((await (open(port, '/forbidden', 1)[0] as RawClient).head()).status).toBe(401)
    expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
    expect(seen).toBe(202)
  })

  test('do not delay app.close()', async () => {
    const { app, port } = await startServer((server) => {
      server.webSocket('/ws', echo)
      server.server.on('upgrade', () => {})
    })
    const clients = open(port, '/nope', 20)
    await eventually(async () => (await connections(app)) === 20)
    await app.close()
    for (const client of clients) expect((await client.head()).status).toBe(503)
  })

  test('a listener that subscribes to the socket may answer late', async () => {
    let answer: (() => void) | undefined
    const { port, http } = await startServer(
      (app) => {
        app.webSocket('/ws', echo)
        app.get('/answer', () => {
          answer?.()
          return 'done'
        })
        app.server.on('upgrade', (_request: IncomingMessage, socket: Duplex) => {
          socket.on('error', () => {})
          answer = () =>
            socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: slow\r\nConnection: Upgrade\r\n\r\n')
        })
        // These sockets are never read, so only the shutdown timeout ends them.
      },
      { shutdown: { timeout: 100 } }
    )
    const [client] = open(port, '/slow', 1)
    const [other] = open(port, '/slow', 1)
    await eventually(() => answer !== undefined)
    // Longer than a listener gets if it has not subscribed.
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    expect([client?.isEnded, other?.isEnded]).toEqual([false, false])
    await fetch(http('/answer'))
    expect((await (other as RawClient).head()).status).toBe(101)
  })

  test('beyond a thousand, the oldest are ended', async () => {
    const { port } = await startServer(
      (app) => {
        app.webSocket('/ws', echo)
        app.server.on('upgrade', (_request: IncomingMessage, socket: Duplex) => void socket.on('error', () => {}))
      },
      { shutdown: { timeout: 100 } }
    )
    const clients = open(port, '/nope', 1_100)
    await eventually(() => clients.filter(({ isEnded }) => isEnded).length >= 76, 'the end of the oldest clients')
    expect(clients.slice(-10).some(({ isEnded }) => isEnded)).toBe(false)
  })
})

function connections(app: FastifyInstance): Promise<number> {
  return new Promise((resolve, reject) =>
    app.server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
  )
}

describe('the socket that other listeners get for our upgrades', () => {
  test('looks like that of a client that has left, and accepts every call', async () => {
    const sockets: Duplex[] = []
    const events: string[] = []
    const { ws } = await startServer((app) => {
      app.webSocket('/ws', echo)
      app.server.on(
        'upgrade',
        (
          _request: IncomingMessage,
          socket: Duplex & { remoteAddress?: string; setTimeout: (time: number) => unknown; destroySoon: () => void }
        ) => {
          sockets.push(socket)
          socket.on('close', () => events.push('close'))
          events.push(String(socket.remoteAddress))
          socket.setTimeout(1)
          socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')
          socket.end('more')
          socket.write('too much')
          socket.destroySoon()
        }
      )
      app.server.on('upgrade', (_request: IncomingMessage, socket: Duplex) => socket.unshift('rubbish'))
      app.server.on(
        'upgrade',
        (_request: IncomingMessage, socket: Duplex) => void socket.destroy(new Error('not for me'))
      )
    })
    expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
    expect(events).toEqual(['127.0.0.1', 'close'])
    expect(sockets[0]?.destroyed).toBe(true)
  })

  test('closes after the handshake, even a refused one', async () => {
    let closed = 0
    const { ws } = await startServer((app) => {
      app.webSocket('/ws', echo)
      app.webSocket('/no', echo, { onRequest: async (_request, reply) => reply.code(401).send() })
      app.server.on('upgrade', (_request: IncomingMessage, socket: Duplex) => void socket.on('close', () => closed++))
    })
    expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
    await eventually(() => closed === 1)
    await expect(connect(ws('/no'))).rejects.toThrow('401')
    await eventually(() => closed === 2)
  })
})

describe('while a constraint is looked up asynchronously', () => {
  const serve = async (options: { maxPendingUpgrades?: number; frameworkErrors?: (error: Error) => void } = {}) => {
    const lookups: (() => void)[] = []
    const hooks: string[] = []
    const tenant = {
      name: 'tenant',
      storage: () => {
        const handlers = new Map<string, never>()
        return {
          get: (key: string) => handlers.get(key) ?? null,
          set: (key: string, handler: never) => void handlers.set(key, handler)
        }
      },
      deriveConstraint: (
        _request: IncomingMessage,
        _context: unknown,
        done: (error: Error | null, value: unknown) => void
      ) => void lookups.push(() => done(null, 'a'))
    }
    const { maxPendingUpgrades = 10, frameworkErrors } = options
    const server = await startServer(
      (app) => {
        app.webSocket(
          '/ws',
          { constraints: { tenant: 'a' }, onRequest: async (request) => void hooks.push(request.url) },
          echo
        )
        app.server.on('upgrade', () => {})
      },
      {
        maxPendingUpgrades,
        shutdown: { timeout: 100 },
        fastify: { routerOptions: { constraints: { tenant } as never }, ...(frameworkErrors && { frameworkErrors }) }
      }
    )
    const connected = async (count: number): Promise<RawClient[]> => {
      const clients = Array.from({ length: count }, () => new RawClient(server.port))
      for (const client of clients) client.handshake('/ws')
      await eventually(() => lookups.length === count)
      return clients
    }
    return { ...server, lookups, hooks, connected }
  }

  /** Continues the lookups until there is an answer. */
  async function statusOf(client: RawClient, lookups: (() => void)[]): Promise<number> {
    let status = 0
    void client.head().then((head) => (status = head.status))
    await eventually(() => {
      for (const go of lookups.splice(0)) go()
      return status !== 0
    })
    return status
  }

  test('clients that reset run no hooks and free their slots', async () => {
    const { app, port, lookups, hooks, connected } = await serve({ maxPendingUpgrades: 3 })
    for (const client of await connected(3)) client.reset()
    await eventually(async () => (await connections(app)) === 0)
    const client = new RawClient(port)
    client.handshake('/ws')
    await eventually(() => lookups.length === 4)
    expect(await statusOf(client, lookups)).toBe(101)
    expect(hooks).toEqual(['/ws'])
  })

  test('upgrades count towards maxPendingUpgrades', async () => {
    const { lookups, hooks, connected } = await serve({ maxPendingUpgrades: 2 })
    const [one, two, three] = (await connected(3)) as [RawClient, RawClient, RawClient]
    expect((await three.head()).status).toBe(503)
    expect(await statusOf(one, lookups)).toBe(101)
    expect((await two.head()).status).toBe(101)
    expect(hooks).toHaveLength(2)
  })

  test('app.close() does not wait for a lookup that never ends', async () => {
    const { app, connected } = await serve()
    await connected(3)
    await app.close()
  })

  test('the route lookup is not reported to frameworkErrors', async () => {
    const errors: unknown[] = []
    const { connected, lookups } = await serve({ frameworkErrors: (error) => void errors.push(error) })
    const [client] = (await connected(1)) as [RawClient]
    expect(await statusOf(client, lookups)).toBe(101)
    expect(errors).toEqual([])
  })
})

describe('careless listeners of other code', () => {
  const answer = (socket: Duplex): void => void socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n')

  test('a rejected promise is logged and does not end the process', async () => {
    const { ws, logs } = await startServer((app) => {
      app.webSocket('/ws', echo)
      // oxlint-disable-next-line typescript/no-misused-promises -- that is the point
      app.server.on('upgrade', async () => {
        throw new Error('careless')
      })
    })
    expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
    await eventually(() => logs.some(({ msg }) => msg === 'a listener of the upgrade event failed'))
  })

  test('sockets without an error listener do not end the process', async () => {
    const { app, port, ws } = await startServer((server) => {
      server.webSocket('/ws', echo)
      server.server.on('upgrade', ({ url }: IncomingMessage, socket: Duplex) => {
        if (url === '/destroyed') socket.destroy(new Error('careless'))
        if (url === '/answered') {
          answer(socket)
          socket.resume()
        }
      })
    })
    const destroyed = new RawClient(port)
    destroyed.handshake('/destroyed')
    await eventually(() => destroyed.isEnded)
    const answered = new RawClient(port)
    answered.handshake('/answered')
    await answered.head()
    answered.reset()
    await eventually(async () => (await connections(app)) === 0)
    expect(await answersTo(ws('/ws'), 'hello')).toBe('hello')
  })

  test('a reset does not end the process if a hook reads the socket', async () => {
    let isReading = false
    const { app, port } = await startServer((server) => {
      server.webSocket(
        '/ws',
        { onRequest: ({ raw }) => new Promise(() => (isReading = raw.socket.on('data', () => {}) !== undefined)) },
        echo
      )
    })
    const client = new RawClient(port)
    client.handshake('/ws')
    await eventually(() => isReading)
    client.reset()
    await eventually(async () => (await connections(app)) === 0)
  })

  test('cannot open a connection while the server closes, which would delay app.close()', async () => {
    let finish: (() => void) | undefined
    const { app, port } = await startServer(
      (server) => {
        server.get('/slow', () => new Promise((resolve) => (finish = () => resolve('slow'))))
        server.server.on('upgrade', (_request: IncomingMessage, socket: Duplex) => answer(socket))
      },
      { shutdown: { timeout: 100 } }
    )
    const client = new RawClient(port)
    client.socket.write('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
    await eventually(() => finish !== undefined)
    const closed = app.close()
    client.handshake('/theirs')
    expect((await client.head()).status).toBe(503)
    finish?.()
    await closed
  })
})

test.each([
  ['an ordinary route', false],
  ['a route of @fastify/websocket', true]
])('a silent client of %s is dropped at the shutdown timeout', async (_name, isWebSocket) => {
  const { app, port } = await startServer((server) => void server.get('/it', { websocket: isWebSocket }, () => {}), {
    shutdown: { timeout: 100 }
  })
  await new RawClient(port).open('/it')
  await app.close()
})
