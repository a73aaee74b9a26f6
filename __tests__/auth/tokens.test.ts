import jwt from '@fastify/jwt'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { memoryTicketStore, type TicketStore, webSocketTickets } from 'fastify-blaze-ws/tickets'
import { bearerSubprotocol, redactRequest, redactUrl, type WebSocketConnection } from '../../src/index.ts'
import { RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

const echo = async (ws: WebSocketConnection): Promise<void> => {
  for await (const { type, data } of ws) await ws.writeMessage(type, data)
}

/** The answer of a server to an upgrade request. */
async function answerTo(
  port: number,
  path: string,
  headers: Record<string, string> = {}
): Promise<{ status: number; headers: Map<string, string> }> {
  const client = new RawClient(port)
  client.handshake(path, headers)
  return client.head()
}

describe('bearerSubprotocol', () => {
  const serve = () =>
    startServer(async (app: FastifyInstance) => {
      await app.register(jwt, { secret: 'a secret of the tests' })
      const verify = async (request: FastifyRequest): Promise<void> => void (await request.jwtVerify())
      const handler = async (ws: WebSocketConnection, request: FastifyRequest): Promise<void> => {
        request.log.info({ headers: request.headers['sec-websocket-protocol'], raw: request.raw.rawHeaders }, 'in')
        await ws.writeJSON({ user: request.user, protocol: ws.protocol })
      }
      app.webSocketWithConfig('/ws', handler, { subprotocols: ['chat'] }, { onRequest: [bearerSubprotocol(), verify] })
      app.webSocketWithConfig(
        '/key',
        handler,
        { subprotocols: ['chat'] },
        { onRequest: [bearerSubprotocol({ prefix: 'key-' })] }
      )
    })

  test('accepts a token from a browser, and neither selects, echoes nor logs it', async () => {
    const { app, ws, port, logs } = await serve()
    const token = app.jwt.sign({ name: 'ann' })
    for (const offer of [
      ['chat', `bearer.${token}`],
      [`bearer.${token}`, 'chat']
    ]) {
      const client = await connect(ws('/ws'), offer)
      expect(JSON.parse(await client.next())).toMatchObject({ user: { name: 'ann' }, protocol: 'chat' })
    }
    const { status, headers } = await answerTo(port, '/ws', { 'Sec-WebSocket-Protocol': `chat, bearer.${token}` })
    expect([status, headers.get('sec-websocket-protocol')]).toEqual([101, 'chat'])
    await eventually(() => logs.some(({ msg }) => msg === 'websocket closed'))
    expect(logs.some(({ msg }) => msg === 'in')).toBe(true)
    expect(JSON.stringify(logs)).not.toContain(token.slice(-20))
  })

  test('refuses a missing token, a wrong token, and a token without another subprotocol', async () => {
    const { app, port } = await serve()
    const token = app.jwt.sign({ name: 'ann' })
    expect((await answerTo(port, '/ws', { 'Sec-WebSocket-Protocol': 'chat' })).status).toBe(401)
    expect((await answerTo(port, '/ws')).status).toBe(401)
    expect((await answerTo(port, '/ws', { 'Sec-WebSocket-Protocol': `chat, bearer.${token}x` })).status).toBe(401)
    expect((await answerTo(port, '/ws', { 'Sec-WebSocket-Protocol': `bearer.${token}` })).status).toBe(400)
  })

  test('keeps an existing authorization header, accepts another prefix, rejects wrong options', async () => {
    const { app, ws, port } = await serve()
    const good = app.jwt.sign({ name: 'ann' })
    const headers = { authorization: 'Bearer wrong' }
    expect((await answerTo(port, '/ws', { ...headers, 'Sec-WebSocket-Protocol': `chat, bearer.${good}` })).status).toBe(
      401
    )
    expect(JSON.parse(await (await connect(ws('/key'), ['chat', 'key-1234'])).next())).toEqual({
      user: null,
      protocol: 'chat'
    })
    for (const options of [{ prefix: '' }, { prefix: 1 }, { name: 'x' }, 'x']) {
      expect(() => bearerSubprotocol(options as never)).toThrow(
        expect.objectContaining({ code: 'FST_BLAZE_WS_INVALID_OPTION' })
      )
    }
  })
})

describe('tickets', () => {
  interface User {
    user: number
  }
  const serve = (options = {}) =>
    startServer((app) => {
      const tickets = webSocketTickets<User>(options)
      app.decorateRequest('ticket')
      app.post('/ticket', async () => ({ ticket: await tickets.issue({ user: 42 }) }))
      app.webSocket(
        '/ws',
        { preValidation: async (request) => void Object.assign(request, { ticket: await tickets.spend(request) }) },
        async (ws) => {
          await ws.writeJSON(ws.context().locals('ticket'))
          await echo(ws)
        }
      )
    })
  const issue = async (url: string): Promise<string> =>
    ((await (await fetch(url, { method: 'POST' })).json()) as { ticket: string }).ticket

  test('a ticket opens only one connection', async () => {
    const { ws, http, port } = await serve()
    const ticket = await issue(http('/ticket'))
    expect(ticket).toMatch(/^[\w-]{22}\.[\w-]{43}$/)
    const client = await connect(ws(`/ws?ticket=${ticket}`))
    expect(JSON.parse(await client.next())).toEqual({ user: 42 })
    expect((await answerTo(port, `/ws?ticket=${ticket}`)).status).toBe(401)
  })

  test('if many clients spend a ticket at once, one gets in', async () => {
    const { http, port } = await serve()
    const ticket = await issue(http('/ticket'))
    const answers = await Promise.all(Array.from({ length: 20 }, () => answerTo(port, `/ws?ticket=${ticket}`)))
    expect(answers.filter(({ status }) => status === 101)).toHaveLength(1)
  })

  test.each([
    '',
    '?ticket=',
    '?ticket=x',
    '?ticket=a&ticket=b',
    '?ticket[]=x',
    '?ticket=%00',
    `?ticket=${'x'.repeat(22)}.${'y'.repeat(43)}`,
    `?ticket=${'x'.repeat(5000)}`
  ])('a malformed ticket gets 401: %p', async (query) => {
    const { port } = await serve()
    expect((await answerTo(port, `/ws${query}`)).status).toBe(401)
  })

  test('a wrong secret is refused, and spends the ticket', async () => {
    const { http, port } = await serve()
    const ticket = await issue(http('/ticket'))
    const [id] = ticket.split('.')
    expect((await answerTo(port, `/ws?ticket=${id}.${'x'.repeat(43)}`)).status).toBe(401)
    expect((await answerTo(port, `/ws?ticket=${ticket}`)).status).toBe(401)
  })

  test('a ticket expires even if the store still has it', async () => {
    const { http, port } = await serve({ ttl: 1000 })
    const ticket = await issue(http('/ticket'))
    const real = Date.now
    const spy = jest.spyOn(Date, 'now').mockImplementation(() => real() + 1001)
    expect((await answerTo(port, `/ws?ticket=${ticket}`)).status).toBe(401)
    spy.mockRestore()
  })

  test('a custom store never sees the secret, and a failing store gives a 500', async () => {
    const kept = new Map<string, unknown>()
    const inner = memoryTicketStore()
    const store: TicketStore = {
      put: async (id, record, ttl) => {
        kept.set(id, { record, ttl })
        await inner.put(id, record, ttl)
      },
      take: async (id) => inner.take(id)
    }
    const tickets = webSocketTickets<User>({ store, ttl: 5000 })
    const ticket = await tickets.issue({ user: 1 })
    const [id = '', secret = ''] = ticket.split('.')
    expect(kept.get(id)).toEqual({
      record: { hash: expect.any(String), data: '{"user":1}', expiresAt: expect.any(Number) },
      ttl: 5000
    })
    expect(JSON.stringify(kept.get(id))).not.toContain(secret)
    expect(await tickets.spend(ticket)).toEqual({ user: 1 })
    const { port } = await serve({
      store: { put: () => {}, take: () => Promise.reject(new Error('the store is away')) }
    })
    expect((await answerTo(port, `/ws?ticket=${'x'.repeat(22)}.${'y'.repeat(43)}`)).status).toBe(500)
  })

  test('the memory store is bounded, and drops expired tickets', () => {
    const store = memoryTicketStore({ max: 100 })
    const record = (expiresAt: number) => ({ hash: '', data: '', expiresAt })
    for (let i = 0; i < 1000; i++) void store.put(`${i}`, record(Date.now() + 60_000), 60_000)
    expect([store.take('899'), store.take('900')]).toEqual([undefined, expect.anything()])
    void store.put('old', record(Date.now() - 1), 1)
    expect(() => memoryTicketStore({ max: 0 })).toThrow('memoryTicketStore.max')
  })

  test.each([{ ttl: 0 }, { ttl: '1' }, { store: {} }, { store: null }, { parameter: '' }, { secret: 'x' }, null])(
    'throws for wrong options: %p',
    (options) => {
      expect(() => webSocketTickets(options as never)).toThrow(
        expect.objectContaining({ code: 'FST_BLAZE_WS_INVALID_OPTION' })
      )
    }
  )

  test('issue rejects data without a JSON form', async () => {
    for (const data of [undefined, 1n]) {
      await expect(webSocketTickets().issue(data)).rejects.toMatchObject({
        code: 'FST_BLAZE_WS_INVALID_ARGUMENT',
        message: expect.stringMatching(/"data": has no JSON form/)
      })
    }
  })
})

describe('logs', () => {
  test('one summary line for each connection when it closes', async () => {
    const { ws, logs } = await startServer((app) => void app.webSocket('/room/:id', echo))
    const client = await connect(ws('/room/7?token=secret-of-ann'), [], {
      headers: { authorization: 'Bearer secret-of-ann', cookie: 'sid=secret-of-ann' }
    })
    client.socket.send('hello')
    await client.next()
    client.socket.close(4000, 'bye\r\n\u001b[31mred')
    await eventually(() => logs.some(({ msg }) => msg === 'websocket closed'))
    const lines = logs.filter(({ msg }) => msg === 'websocket closed')
    expect(lines).toEqual([
      expect.objectContaining({
        level: 30,
        id: expect.any(String),
        reqId: expect.any(String),
        route: '/room/:id',
        code: 4000,
        reason: 'bye\r\n\u001b[31mred',
        wasClean: true,
        duration: expect.any(Number),
        messagesIn: 1,
        bytesIn: 5,
        messagesOut: 1,
        bytesOut: expect.any(Number),
        dropped: 0
      })
    ])
    expect(JSON.stringify(lines)).not.toContain('secret')
  })

  test('input from a client cannot start a new log line, and broadcasts count as messages out', async () => {
    const written: string[] = []
    const { ws, app } = await startServer(
      (app) => {
        app.webSocket('/ws', async (ws) => {
          app.wsHub.register(ws)
          await echo(ws)
        })
      },
      { fastify: { logger: { level: 'info', stream: { write: (line: string) => void written.push(line) } } } }
    )
    const client = await connect(ws('/ws'), [], { headers: { 'user-agent': 'x\u0080\u009b31m' } })
    await eventually(() => app.wsHub.getClientCount() === 1)
    for (let i = 0; i < 5; i++) app.wsHub.broadcast(`message ${i}`)
    await client.until(() => client.messages.length === 5)
    client.socket.close(4000, '\n{"level":60}')
    await eventually(() => written.some((line) => line.includes('websocket closed')))
    const line = written.find((one) => one.includes('websocket closed')) ?? ''
    expect(line.trimEnd().split('\n')).toHaveLength(1)
    expect(JSON.parse(line)).toMatchObject({ messagesIn: 0, messagesOut: 5, reason: '\n{"level":60}' })
  })

  test.each([
    ['/ws', '/ws'],
    ['/ws?room=a', '/ws?room=a'],
    ['/ws?token=abc&room=a', '/ws?token=[redacted]&room=a'],
    ['/ws?room=a&ACCESS_TOKEN=abc=def', '/ws?room=a&ACCESS_TOKEN=[redacted]'],
    ['/ws?%74oken=abc', '/ws?%74oken=[redacted]'],
    ['/ws?%zz=abc', '/ws?%zz=[redacted]'],
    ['/ws?api-key=1&monkey=2&ticket', '/ws?api-key=[redacted]&monkey=2&ticket=[redacted]'],
    ['/ws?a?token=1', '/ws?a?token=1']
  ])('redactUrl: %s', (url, expected) => {
    expect(redactUrl(url)).toBe(expected)
  })

  test('redactRequest redacts URLs when used as the request serializer', async () => {
    const written: string[] = []
    const stream = { write: (line: string) => void written.push(line) }
    const { ws } = await startServer((app) => void app.webSocket('/ws', echo), {
      fastify: { logger: { level: 'info', stream, serializers: { req: redactRequest } } }
    })
    await connect(ws('/ws?ticket=secret-of-ann&room=a'))
    const line = JSON.parse(written.find((one) => one.includes('incoming request')) ?? '{}') as { req?: unknown }
    expect(line.req).toMatchObject({ method: 'GET', url: '/ws?ticket=[redacted]&room=a', remoteAddress: '127.0.0.1' })
    expect(written.join('')).not.toContain('secret-of-ann')
  })
})
