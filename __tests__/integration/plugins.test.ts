import { once } from 'node:events'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { WebSocketConnection } from '../../src/index.ts'
import { closeServers, connect, startServer } from '../support/server.ts'

// The plugins that guard an application's HTTP routes guard its WebSocket routes in the same way.

afterEach(closeServers)

const echo = async (ws: WebSocketConnection): Promise<void> => {
  for await (const { type, data } of ws) await ws.writeMessage(type, data)
}

const UPGRADE = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ=='
}

/** The answer to a handshake, accepted or not. */
async function handshake(port: number, path: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const request = httpRequest({ port, path, headers: { ...UPGRADE, ...headers } }).end()
  const [response, socket] = (await Promise.race([once(request, 'response'), once(request, 'upgrade')])) as [
    IncomingMessage,
    IncomingMessage['socket']?
  ]
  if (socket === undefined) response.resume()
  else socket.destroy()
  return response
}

describe('@fastify/jwt', () => {
  interface Claims {
    name: string
  }
  const verify = async (request: FastifyRequest): Promise<void> => void (await request.jwtVerify())

  test('a valid bearer token gives the handler its claims; a missing or wrong token gets 401', async () => {
    const { app, port, ws } = await startServer(async (app) => {
      await app.register(jwt, { secret: 'a secret of the tests' })
      app.webSocket('/ws', { onRequest: verify }, async (ws, request) => {
        await ws.writeJSON({
          user: (request.user as unknown as Claims).name,
          locals: ws.context().locals<Claims>('user')?.name
        })
      })
    })
    const token = app.jwt.sign({ name: 'ann' })
    const client = await connect(ws('/ws'), [], { headers: { authorization: `Bearer ${token}` } })
    expect(JSON.parse(await client.next())).toEqual({ user: 'ann', locals: 'ann' })

    const refused = await handshake(port, '/ws')
    expect(refused.statusCode).toBe(401)
    expect((await handshake(port, '/ws', { authorization: `Bearer ${token.slice(0, -2)}xx` })).statusCode).toBe(401)
    const expired = app.jwt.sign({ name: 'ann' }, { expiresIn: 1, clockTimestamp: 1_000_000 } as object)
    expect((await handshake(port, '/ws', { authorization: `Bearer ${expired}` })).statusCode).toBe(401)
  })

  test('a token in a signed cookie, as browsers send it, is verified in the preHandler of a group', async () => {
    const { app, port, ws } = await startServer(async (app) => {
      await app.register(cookie, { secret: 'another secret of the tests' })
      await app.register(jwt, { secret: 'a secret of the tests', cookie: { cookieName: 'token', signed: true } })
      await app.register(
        async (group) => {
          group.addHook('preHandler', verify)
          group.webSocket('/chat', async (ws, request) => ws.writeText((request.user as unknown as Claims).name))
        },
        { prefix: '/api/v1' }
      )
    })
    const value = app.signCookie(app.jwt.sign({ name: 'bob' }))
    const client = await connect(ws('/api/v1/chat'), [], {
      headers: { cookie: `theme=dark; token=${encodeURIComponent(value)}` }
    })
    expect(await client.next()).toBe('bob')
    expect((await handshake(port, '/api/v1/chat')).statusCode).toBe(401)
    expect((await handshake(port, '/api/v1/chat', { cookie: 'token=forged.value' })).statusCode).toBe(401)
  })
})

describe('@fastify/cookie', () => {
  test('cookies of the request are parsed', async () => {
    const { ws } = await startServer(async (app) => {
      await app.register(cookie)
      app.webSocket('/ws', async (ws, request) => ws.writeJSON(request.cookies))
    })
    const client = await connect(ws('/ws'), [], { headers: { cookie: 'a=1; b=%C3%A4' } })
    expect(JSON.parse(await client.next())).toEqual({ a: '1', b: 'ä' })
  })

  test('cookies set on a refusal are sent', async () => {
    const { port } = await startServer(async (app) => {
      await app.register(cookie)
      app.webSocket('/ws', echo, {
        preHandler: async (_request, reply) => reply.setCookie('seen', 'yes').code(401).send()
      })
    })
    const { statusCode, headers } = await handshake(port, '/ws')
    expect(statusCode).toBe(401)
    expect(headers['set-cookie']?.[0]).toContain('seen=yes')
  })
})

describe('@fastify/rate-limit', () => {
  const limited = async (app: FastifyInstance, options: object): Promise<void> => {
    await app.register(rateLimit, { max: 2, timeWindow: '1 minute', ...options })
    app.webSocket('/ws', echo)
  }

  test('upgrades count, and those over the limit get 429 with Retry-After', async () => {
    const { port } = await startServer((app) => limited(app, {}))
    const answers = []
    for (let i = 0; i < 3; i++) answers.push(await handshake(port, '/ws'))
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([101, 101, 429])
    expect(answers.map(({ headers }) => headers['x-ratelimit-remaining'])).toEqual(['1', '0', '0'])
    expect(Number(answers[2]?.headers['retry-after'])).toBeGreaterThan(0)
  })

  test.each(['onRequest', 'preParsing', 'preValidation', 'preHandler'])('works in the hook %s', async (hook) => {
    const { port } = await startServer((app) => limited(app, { hook }))
    const answers = []
    for (let i = 0; i < 3; i++) answers.push((await handshake(port, '/ws')).statusCode)
    expect(answers).toEqual([101, 101, 429])
  })

  test('a route can have its own limit in its config', async () => {
    const { port } = await startServer(async (app) => {
      await app.register(rateLimit, { global: false })
      app.webSocket('/limited', echo, { config: { rateLimit: { max: 1, timeWindow: 60_000 } } })
      app.webSocket('/free', echo)
    })
    const statuses = async (path: string) => [
      (await handshake(port, path)).statusCode,
      (await handshake(port, path)).statusCode
    ]
    expect(await statuses('/limited')).toEqual([101, 429])
    expect(await statuses('/free')).toEqual([101, 101])
  })

  test('a hook of the route can limit per user', async () => {
    const { port } = await startServer(async (app) => {
      await app.register(rateLimit, { global: false })
      app.webSocket('/ws', echo, {
        preHandler: app.rateLimit({ max: 1, keyGenerator: (request) => String(request.headers['x-user']) })
      })
    })
    expect((await handshake(port, '/ws', { 'x-user': 'ann' })).statusCode).toBe(101)
    expect((await handshake(port, '/ws', { 'x-user': 'ann' })).statusCode).toBe(429)
    expect((await handshake(port, '/ws', { 'x-user': 'bob' })).statusCode).toBe(101)
  })
})

test('all plugins work together, in the order they are added', async () => {
  const order: string[] = []
  const { app, port, ws } = await startServer(async (app) => {
    await app.register(cookie)
    await app.register(jwt, { secret: 'a secret of the tests', cookie: { cookieName: 'token', signed: false } })
    await app.register(rateLimit, { max: 3 })
    app.webSocketWithConfig(
      '/ws',
      async (ws, request) => ws.writeJSON(request.user),
      {
        checkOrigin: () => {
          order.push('checkOrigin')
          return true
        }
      },
      {
        preValidation: async (request: FastifyRequest, _reply: FastifyReply) => {
          order.push('jwt')
          await request.jwtVerify()
        }
      }
    )
  })
  expect((await handshake(port, '/ws')).statusCode).toBe(401)
  const client = await connect(ws('/ws'), [], { headers: { cookie: `token=${app.jwt.sign({ name: 'ann' })}` } })
  expect(JSON.parse(await client.next())).toMatchObject({ name: 'ann' })
  expect(order).toEqual(['jwt', 'jwt', 'checkOrigin'])
  expect((await handshake(port, '/ws')).statusCode).toBe(401)
  expect((await handshake(port, '/ws')).statusCode).toBe(429)
})
