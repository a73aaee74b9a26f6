import { once } from 'node:events'
import { Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import blazeWs, { CloseError, type WebSocketConnection, type WebSocketRouteOptions } from '../../src/index.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

declare module 'fastify' {
  interface FastifyRequest {
    visitor?: { name: string }
    trace?: string[]
  }
  interface FastifyInstance {
    greeting?: string
  }
  interface FastifyContextConfig {
    role?: string
  }
}

afterEach(closeServers)

const echo = async (ws: WebSocketConnection): Promise<void> => {
  for await (const { type, data } of ws) await ws.writeMessage(type, data)
}

const answer = (text: string) => (ws: WebSocketConnection) => ws.writeText(text)
const params = (ws: WebSocketConnection): Promise<void> =>
  ws.writeJSON([ws.request.routeOptions.url, ws.request.params])

/** A hook that adds its name to the trace of the request. */
const mark = (name: string) => async (request: FastifyRequest) => void (request.trace ??= []).push(name)

/** The status that answers an upgrade: 101 if it is accepted. */
async function refusal(url: string, headers: Record<string, string> = {}): Promise<number> {
  try {
    const client = await connect(url, [], { headers })
    client.socket.terminate()
    return 101
  } catch (error) {
    return Number(/Unexpected server response: (\d+)/.exec((error as Error).message)?.[1])
  }
}

describe('webSocket()', () => {
  test("Blaze's order: path, handler, options", async () => {
    const { ws } = await startServer((app) => {
      app.webSocket('/ws', echo)
      app.webSocket('/options', echo, { preHandler: async (_request, reply) => reply.code(401).send() })
    })
    const client = await connect(ws('/ws'))
    client.socket.send('hello')
    expect(await client.next()).toBe('hello')
    expect(await refusal(ws('/options'))).toBe(401)
  })

  test("Fastify's order: path, options, handler", async () => {
    const { ws } = await startServer((app) => {
      app.webSocket(
        '/ws',
        { preHandler: async (request) => void (request.visitor = { name: 'ann' }) },
        async (ws, request) => {
          await ws.writeText(request.visitor?.name ?? '')
        }
      )
    })
    expect(await (await connect(ws('/ws'))).next()).toBe('ann')
  })

  test('both return the instance, so calls can be chained', async () => {
    const { ws } = await startServer((app) => {
      app.webSocket('/a', echo).webSocketWithConfig('/b', echo).webSocket('/c', {}, echo)
    })
    for (const path of ['/a', '/b', '/c']) expect(await refusal(ws(path))).toBe(101)
  })

  test('webSocketWithConfig() takes configuration and route options', async () => {
    const { ws } = await startServer((app) => {
      app.webSocketWithConfig(
        '/ws',
        echo,
        { maxMessageSize: 10 },
        { schema: { querystring: { type: 'object', required: ['token'] } } }
      )
    })
    expect(await refusal(ws('/ws'))).toBe(400)
    const client = await connect(ws('/ws?token=1'))
    client.socket.send('12345678901')
    expect((await client.close()).code).toBe(1009)
  })

  test('`this` is the instance of the route, in WebSocket handlers as in plain ones', async () => {
    const { ws, http } = await startServer(async (app) => {
      await app.register(async (child) => {
        child.decorate('greeting', 'hello from the child')
        child.webSocket(
          '/ws',
          async function (ws) {
            await ws.writeText(this.greeting ?? 'the wrong instance')
          },
          {
            async handler() {
              return this.greeting
            }
          }
        )
      })
    })
    expect(await (await connect(ws('/ws'))).next()).toBe('hello from the child')
    expect(await (await fetch(http('/ws'))).text()).toBe('hello from the child')
  })

  test('the handler gets the upgrade request, which is also ws.request', async () => {
    let isSame = false
    const { ws } = await startServer((app) => {
      app.webSocket('/rooms/:room', async (ws, request) => {
        isSame = ws.request === request
        await ws.writeJSON({
          params: request.params,
          query: request.query,
          agent: request.headers['user-agent'],
          url: request.url
        })
      })
    })
    const client = await connect(ws('/rooms/lobby?x=1'), [], { headers: { 'user-agent': 'test' } })
    expect(JSON.parse(await client.next())).toEqual({
      params: { room: 'lobby' },
      query: { x: '1' },
      agent: 'test',
      url: '/rooms/lobby?x=1'
    })
    expect(isSame).toBe(true)
  })

  test('a synchronous handler closes with 1000 when it returns', async () => {
    const { ws } = await startServer((app) => {
      app.webSocket('/ws', (ws) => void ws.writeText('bye'))
    })
    const client = await connect(ws('/ws'))
    expect(await client.next()).toBe('bye')
    expect(await client.close()).toEqual({ code: 1000, reason: 'handler returned' })
  })

  test('an added route is a Fastify route', async () => {
    const { app } = await startServer((app) => {
      app.webSocket('/ws', echo)
    })
    expect(app.hasRoute({ method: 'GET', url: '/ws' })).toBe(true)
    expect(app.printRoutes()).toContain('ws (GET, HEAD)')
  })

  test('a duplicate path is refused by Fastify', async () => {
    await startServer((app) => {
      app.webSocket('/ws', echo)
      expect(() => app.webSocket('/ws', echo)).toThrow(expect.objectContaining({ code: 'FST_ERR_DUPLICATED_ROUTE' }))
    })
  })

  test('a route cannot be added after the server listens', async () => {
    const { app } = await startServer(() => {})
    expect(() => app.webSocket('/late', echo)).toThrow(
      expect.objectContaining({ code: 'FST_ERR_INSTANCE_ALREADY_LISTENING' })
    )
  })
})

describe('a handler that fails', () => {
  test.each([
    [
      'throws',
      () => {
        throw new Error('secret detail')
      }
    ],
    [
      'rejects',
      async () => {
        throw new Error('secret detail')
      }
    ]
  ])('%s: the error is logged once, and the client gets only 1011', async (_how, handler) => {
    const { ws, logs } = await startServer((app) => {
      app.webSocket('/ws', handler)
    })
    expect(await (await connect(ws('/ws'))).close()).toEqual({ code: 1011, reason: 'internal error' })
    expect(logs.filter(({ level }) => level >= 40)).toEqual([
      expect.objectContaining({ level: 50, err: expect.objectContaining({ message: 'secret detail' }) })
    ])
  })

  test.each([undefined, null, 'a string', 42])(
    'throws %p: the connection closes with 1011, and the server keeps running',
    async (thrown) => {
      const { ws } = await startServer((app) => {
        app.webSocket('/ws', () => {
          throw thrown
        })
        app.webSocket('/echo', echo)
      })
      expect((await (await connect(ws('/ws'))).close()).code).toBe(1011)
      expect(await refusal(ws('/echo'))).toBe(101)
    }
  )

  test('an error with its own close code closes with that code, and with its reason if it has one', async () => {
    const { ws } = await startServer((app) => {
      app.webSocket('/plain', () => {
        throw Object.assign(new Error('detail for the log'), { closeCode: 1008 })
      })
      app.webSocket('/reason', () => {
        throw Object.assign(new Error('x'), { closeCode: 4001, reason: 'no such room' })
      })
      app.webSocket('/json', async (ws) => void (await ws.readJSON()))
    })
    expect(await (await connect(ws('/plain'))).close()).toEqual({ code: 1008, reason: '' })
    expect(await (await connect(ws('/reason'))).close()).toEqual({ code: 4001, reason: 'no such room' })
    const client = await connect(ws('/json'))
    client.socket.send('{')
    expect((await client.close()).code).toBe(1007)
  })

  test.each([1005, 1006, 1015, 999, 5000, 1.5, NaN, '1008'])(
    'a close code that cannot be sent (%p) becomes 1011',
    async (closeCode) => {
      const { ws } = await startServer((app) => {
        app.webSocket('/ws', () => {
          throw Object.assign(new Error('x'), { closeCode })
        })
      })
      expect((await (await connect(ws('/ws'))).close()).code).toBe(1011)
    }
  )

  test('does not log an error if the client goes away', async () => {
    let failedWith: unknown
    const { ws, logs } = await startServer((app) => {
      app.webSocket('/ws', async (ws) => {
        try {
          await ws.readMessage()
        } catch (error) {
          failedWith = error
          throw error
        }
      })
    })
    const client = await connect(ws('/ws'))
    client.socket.terminate()
    await eventually(() => failedWith !== undefined, 'the read to end')
    expect(failedWith).toBeInstanceOf(CloseError)
    expect(failedWith).toMatchObject({ closeCode: 1006, wasClean: false })
    expect(logs.filter(({ level }) => level >= 40)).toEqual([])
  })

  test('unawaited calls that fail do not affect the server', async () => {
    const { ws, logs } = await startServer((app) => {
      app.webSocket('/gone', async (ws) => {
        await ws.readMessage().catch(() => {})
        void ws.writeText('to nobody')
        void ws.writeJSON({ to: 'nobody' })
        void ws.writeMessage(7 as 1, 'no such type')
        void ws.ping('x'.repeat(200))
        void ws.close(1)
        void ws.readMessage()
        void ws.readJSON()
      })
      app.webSocket('/echo', echo)
    })
    const client = await connect(ws('/gone'))
    client.socket.terminate()
    await client.close()
    const other = await connect(ws('/echo'))
    other.socket.send('alive')
    expect(await other.next()).toBe('alive')
    expect(logs.filter(({ level }) => level >= 40)).toEqual([])
  })
})

describe('hooks before the upgrade', () => {
  const kinds = ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const

  test('all kinds of hooks of the parents, the instance and the route run in order', async () => {
    const { ws } = await startServer(async (app) => {
      for (const kind of kinds) app.addHook(kind as 'onRequest', mark(`root ${kind}`))
      await app.register(async (child) => {
        for (const kind of kinds) child.addHook(kind as 'onRequest', mark(`child ${kind}`))
        const options = Object.fromEntries(kinds.map((kind) => [kind, [mark(`route ${kind}`)]]))
        child.webSocket('/ws', async (ws, request) => ws.writeJSON(request.trace), options)
      })
    })
    const expected = kinds.flatMap((kind) => [`root ${kind}`, `child ${kind}`, `route ${kind}`])
    expect(JSON.parse(await (await connect(ws('/ws'))).next())).toEqual(expected)
  })

  test.each(kinds.flatMap((kind) => [401, 403, 429].map((status) => [kind, status] as const)))(
    '%s can refuse with %i',
    async (kind, status) => {
      const handler = jest.fn()
      const { ws } = await startServer((app) => {
        app.webSocket('/ws', handler, {
          [kind]: async (_request: FastifyRequest, reply: FastifyReply) => reply.code(status).send({ refused: kind })
        })
      })
      expect(await refusal(ws('/ws'))).toBe(status)
      expect(handler).not.toHaveBeenCalled()
    }
  )

  test('a refusal is an ordinary reply, with its headers and its body', async () => {
    const { port } = await startServer((app) => {
      app.webSocket('/ws', echo, {
        preHandler: async (_request, reply) =>
          reply.code(401).header('www-authenticate', 'Bearer').send({ error: 'who are you?' })
      })
    })
    const request = httpRequest({ port, path: '/ws', headers: upgradeHeaders() }).end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    expect(response.statusCode).toBe(401)
    expect(response.headers['www-authenticate']).toBe('Bearer')
    expect(JSON.parse(Buffer.concat(await response.toArray()).toString())).toEqual({ error: 'who are you?' })
  })

  test('a hook can pass or fail with a callback, or throw', async () => {
    const { ws } = await startServer((app) => {
      app.webSocket('/callback', echo, {
        preHandler: (_request, _reply, done) => done(Object.assign(new Error('no'), { statusCode: 402 }))
      })
      app.webSocket('/throws', echo, {
        preHandler: async () => {
          throw new Error('no')
        }
      })
      app.webSocket('/passes', echo, { preHandler: (_request, _reply, done) => void setImmediate(done) })
    })
    expect(await refusal(ws('/callback'))).toBe(402)
    expect(await refusal(ws('/throws'))).toBe(500)
    expect(await refusal(ws('/passes'))).toBe(101)
  })

  test("the instance's error handler answers, as for any request", async () => {
    const { ws } = await startServer((app) => {
      app.setErrorHandler((_error, _request, reply) => reply.code(418).send())
      app.webSocket('/ws', echo, {
        preHandler: async () => {
          throw new Error('no')
        }
      })
    })
    expect(await refusal(ws('/ws'))).toBe(418)
  })

  test('hooks of one route do not run for another', async () => {
    const { ws } = await startServer(async (app) => {
      await app.register(
        async (api) => {
          api.addHook('preHandler', async (_request, reply) => reply.code(401).send())
          api.webSocket('/chat', echo)
        },
        { prefix: '/api/v1' }
      )
      app.webSocket('/chat', echo)
    })
    expect(await refusal(ws('/api/v1/chat'))).toBe(401)
    expect(await refusal(ws('/chat'))).toBe(101)
  })

  test('does not change the given options', async () => {
    const options: WebSocketRouteOptions = Object.freeze({
      preHandler: Object.freeze([async () => {}]) as unknown as [],
      config: Object.freeze({})
    })
    const { ws } = await startServer((app) => {
      app.webSocket('/a', echo, options)
      app.webSocket('/b', options, echo)
    })
    expect(await refusal(ws('/a'))).toBe(101)
    expect(await refusal(ws('/b'))).toBe(101)
  })
})

describe("Fastify's route options", () => {
  test('schema: invalid params, query or headers get 400, and valid ones are coerced', async () => {
    const { ws } = await startServer((app) => {
      app.webSocket(
        '/rooms/:id',
        async (ws, request) => ws.writeJSON({ params: request.params, query: request.query }),
        {
          schema: {
            params: { type: 'object', properties: { id: { type: 'integer' } } },
            querystring: {
              type: 'object',
              required: ['limit'],
              properties: { limit: { type: 'integer', maximum: 10 } }
            },
            headers: { type: 'object', required: ['x-client'] }
          }
        }
      )
    })
    const headers = { 'x-client': 'test' }
    expect(await refusal(ws('/rooms/lobby?limit=1'), headers)).toBe(400)
    expect(await refusal(ws('/rooms/7?limit=11'), headers)).toBe(400)
    expect(await refusal(ws('/rooms/7'), headers)).toBe(400)
    expect(await refusal(ws('/rooms/7?limit=1'))).toBe(400)
    const client = await connect(ws('/rooms/7?limit=1'), [], { headers })
    expect(JSON.parse(await client.next())).toEqual({ params: { id: 7 }, query: { limit: 1 } })
  })

  test('constraints: host and version choose the route', async () => {
    const { ws } = await startServer((app) => {
      app.webSocket('/host', answer('a'), { constraints: { host: 'a.example.com' } })
      app.webSocket('/host', answer('b'), { constraints: { host: 'b.example.com' } })
      app.webSocket('/version', answer('1'), { constraints: { version: '1.0.0' } })
      app.webSocket('/version', answer('2'), { constraints: { version: '2.0.0' } })
    })
    const get = async (path: string, headers: Record<string, string>) =>
      (await connect(ws(path), [], { headers })).next()
    expect(await get('/host', { host: 'a.example.com' })).toBe('a')
    expect(await get('/host', { host: 'b.example.com' })).toBe('b')
    expect(await get('/version', { 'accept-version': '1.x' })).toBe('1')
    expect(await get('/version', { 'accept-version': '2.x' })).toBe('2')
    expect(await refusal(ws('/host'))).toBe(404)
    expect(await refusal(ws('/version'), { 'accept-version': '3.x' })).toBe(404)
  })

  test('config: is available on the request', async () => {
    const { ws } = await startServer((app) => {
      app.webSocket('/ws', async (ws, request) => ws.writeJSON(request.routeOptions.config), {
        config: { role: 'admin' }
      })
    })
    expect(JSON.parse(await (await connect(ws('/ws'))).next())).toMatchObject({ role: 'admin', url: '/ws' })
  })

  test('logLevel: applies to the requests of the route', async () => {
    const { ws, logs } = await startServer((app) => {
      app.webSocket('/silent', { logLevel: 'error' }, (ws) => {
        ws.context().log.info('from the handler')
        ws.context().log.error('serious')
      })
    })
    await (await connect(ws('/silent'))).close()
    expect(logs.map(({ msg }) => msg)).toContain('serious')
    expect(logs.map(({ msg }) => msg)).not.toContain('from the handler')
  })

  test('parametric, regular and wildcard paths', async () => {
    const { ws } = await startServer((app) => {
      app.webSocket('/users/:id', params)
      app.webSocket(String.raw`/files/:name(^\d+$).json`, params)
      app.webSocket('/static/*', params)
    })
    const get = async (path: string) => JSON.parse(await (await connect(ws(path))).next()) as unknown
    expect(await get('/users/%C3%A4nn')).toEqual(['/users/:id', { id: 'änn' }])
    expect(await get('/files/12.json')).toEqual([String.raw`/files/:name(^\d+$).json`, { name: '12' }])
    expect(await get('/static/a/b?c')).toEqual(['/static/*', { '*': 'a/b' }])
    expect(await refusal(ws('/files/x.json'))).toBe(404)
  })

  test('prefix: works for nested groups and for an empty path', async () => {
    const { ws } = await startServer(async (app) => {
      await app.register(
        async (api) => {
          api.webSocket('/', echo)
          await api.register(
            async (v1) => {
              v1.webSocket('/chat', echo)
            },
            { prefix: '/v1' }
          )
        },
        { prefix: '/api' }
      )
    })
    expect(await refusal(ws('/api'))).toBe(101)
    expect(await refusal(ws('/api/'))).toBe(101)
    expect(await refusal(ws('/api/v1/chat'))).toBe(101)
    expect(await refusal(ws('/chat'))).toBe(404)
  })
})

describe('a request that is not an upgrade', () => {
  test('gets 426 with the protocol in Upgrade', async () => {
    const { port } = await startServer((app) => {
      app.webSocket('/ws', echo)
    })
    const request = httpRequest({ port, path: '/ws' }).end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    expect(response.statusCode).toBe(426)
    // RFC 9110, 7.8: a sender of Upgrade must also send it as an option of Connection.
    expect(response.headers.upgrade).toBe('websocket')
    expect(response.headers.connection?.toLowerCase()).toContain('upgrade')
    expect(JSON.parse(Buffer.concat(await response.toArray()).toString())).toMatchObject({
      statusCode: 426,
      code: 'FST_BLAZE_WS_UPGRADE_REQUIRED'
    })
  })

  test('is answered by routeOptions.handler if there is one, and upgrades still work', async () => {
    const { ws, http } = await startServer((app) => {
      app.webSocket('/both', echo, { handler: async (request) => ({ plain: request.method }) })
      app.webSocket('/reply', { handler: (_request, reply) => void reply.code(201).send('sent') }, echo)
    })
    expect(await (await fetch(http('/both'))).json()).toEqual({ plain: 'GET' })
    expect((await fetch(http('/reply'))).status).toBe(201)
    const client = await connect(ws('/both'))
    client.socket.send('x')
    expect(await client.next()).toBe('x')
  })

  test('HEAD answers like GET, without a body', async () => {
    const { http } = await startServer((app) => {
      app.webSocket('/ws', echo)
      app.webSocket('/both', echo, { handler: async () => 'twelve bytes' })
    })
    const refused = await fetch(http('/ws'), { method: 'HEAD' })
    expect(refused.status).toBe(426)
    expect(refused.headers.get('upgrade')).toBe('websocket')
    const answered = await fetch(http('/both'), { method: 'HEAD' })
    expect([answered.status, answered.headers.get('content-length'), await answered.text()]).toEqual([200, '12', ''])
  })

  test('runs its hooks, but not checkOrigin', async () => {
    const checkOrigin = jest.fn(() => false)
    const { http } = await startServer((app) => {
      app.webSocketWithConfig(
        '/ws',
        echo,
        { checkOrigin },
        { preHandler: async (request, reply) => (request.ws ? undefined : reply.code(402).send()) }
      )
      app.webSocketWithConfig('/open', echo, { checkOrigin })
    })
    expect((await fetch(http('/ws'))).status).toBe(402)
    expect((await fetch(http('/open'))).status).toBe(426)
    expect(checkOrigin).not.toHaveBeenCalled()
  })

  test('other methods get 404, as on any GET route', async () => {
    const { http } = await startServer((app) => {
      app.webSocket('/ws', echo)
      app.post('/ws', async () => 'posted')
    })
    expect(await (await fetch(http('/ws'), { method: 'POST' })).text()).toBe('posted')
    expect((await fetch(http('/ws'), { method: 'PUT' })).status).toBe(404)
  })

  test('a 426 keeps the keep-alive connection open for the next request', async () => {
    const { port } = await startServer((app) => {
      app.webSocket('/ws', echo)
    })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const get = async (): Promise<ClientRequest> => {
      const request = httpRequest({ port, path: '/ws', agent }).end()
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      await response.toArray()
      return request
    }
    await get()
    expect((await get()).reusedSocket).toBe(true)
    agent.destroy()
  })
})

describe('invalid route arguments', () => {
  let app: FastifyInstance
  beforeEach(async () => {
    app = Fastify()
    await app.register(blazeWs)
  })
  afterEach(() => app.close())

  const invalid: [string, () => unknown, RegExp][] = [
    ['no path', () => app.webSocket(undefined as never, echo), /path must be a string, got undefined/],
    ['a path that is a function', () => app.webSocket(echo as never, echo), /path must be a string, got a function/],
    ['no handler', () => app.webSocket('/ws', undefined as never), /handler of \/ws must be a function, got undefined/],
    ['options only', () => app.webSocket('/ws', {} as never), /handler of \/ws must be a function, got undefined/],
    [
      'a handler that is a string',
      () => app.webSocket('/ws', {}, 'echo' as never),
      /handler of \/ws must be a function, got "echo"/
    ],
    [
      'a generator function',
      () => app.webSocket('/ws', async function* () {} as never),
      /handler of \/ws is a generator function/
    ],
    [
      'options that are null',
      () => app.webSocket('/ws', echo, null as never),
      /options of \/ws must be an object, got null/
    ],
    [
      'options that are a string',
      () => app.webSocket('/ws', echo, 'x' as never),
      /options of \/ws must be an object, got "x"/
    ],
    [
      'two handlers',
      () => app.webSocket('/ws', echo, echo as never),
      /options of \/ws must be an object, got a function/
    ],
    [
      'options that are an array',
      () => app.webSocket('/ws', echo, [] as never),
      /options of \/ws must be an object, got an array/
    ],
    [
      'a config that is a number',
      () => app.webSocketWithConfig('/ws', echo, 1 as never),
      /"config": must be an object, got 1/
    ],
    [
      'options.handler that is not a function',
      () => app.webSocket('/ws', echo, { handler: 1 as never }),
      /options\.handler of \/ws must be a function, got 1/
    ],
    ...['method', 'url', 'path', 'websocket', 'wsHandler'].map((key): [string, () => unknown, RegExp] => [
      `the option ${key}`,
      () => app.webSocket('/ws', echo, { [key]: 'GET' }),
      new RegExp(`"${key}" is no option of /ws`)
    ])
  ]
  test.each(invalid)('%s', (_what, add, message) => {
    expect(add).toThrow(TypeError)
    expect(add).toThrow(
      expect.objectContaining({
        code: expect.stringMatching(/^FST_BLAZE_WS_INVALID_(ROUTE|OPTION)$/),
        message: expect.stringMatching(message)
      })
    )
  })
})

function upgradeHeaders(): Record<string, string> {
  return {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ=='
  }
}
