import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { WebSocketConnection } from '../../src/index.ts'
import { RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

const echo = async (ws: WebSocketConnection): Promise<void> => {
  for await (const { type, data } of ws) await ws.writeMessage(type, data)
}

describe('ws.expireAt', () => {
  const serve = (expire: (ws: WebSocketConnection) => void) =>
    startServer((app) => {
      app.webSocket('/ws', async (ws) => {
        expire(ws)
        await echo(ws)
      })
    })

  test.each([
    ['a Date', () => new Date(Date.now() + 200)],
    ['milliseconds', () => Date.now() + 200]
  ])('closes with 4401 at %s', async (_what, time) => {
    const { ws } = await serve((connection) => connection.expireAt(time()))
    const client = await connect(ws('/ws'))
    client.socket.send('hello')
    expect(await client.next()).toBe('hello')
    expect(await client.close()).toEqual({ code: 4401, reason: 'expired' })
  })

  test('closes at once if the time is already past', async () => {
    const { ws } = await serve((connection) => connection.expireAt(new Date(0)))
    expect((await (await connect(ws('/ws'))).close()).code).toBe(4401)
  })

  test('a later call with Infinity keeps the connection open; an invalid time throws', async () => {
    const errors: unknown[] = []
    const { ws } = await serve((connection) => {
      connection.expireAt(Date.now() + 200)
      connection.expireAt(Infinity)
      for (const wrong of ['tomorrow', new Date('x'), Number.NaN, null, undefined, {}]) {
        try {
          connection.expireAt(wrong as never)
        } catch (error) {
          errors.push((error as { code?: string }).code)
        }
      }
    })
    const client = await connect(ws('/ws'))
    const timer = setInterval(() => client.socket.send('x'), 100)
    await client.until(() => client.messages.length === 15 || client.closed !== undefined)
    clearInterval(timer)
    expect(client.closed).toBeUndefined()
    expect(errors).toEqual(Array.from({ length: 6 }, () => 'FST_BLAZE_WS_INVALID_ARGUMENT'))
  })

  test('closes when the wall clock jumps past the time', async () => {
    const { ws } = await serve((connection) => connection.expireAt(Date.now() + 60_000))
    const client = await connect(ws('/ws'))
    const real = Date.now
    const spy = jest.spyOn(Date, 'now').mockImplementation(() => real() + 61_000)
    expect((await client.close()).code).toBe(4401)
    spy.mockRestore()
  })

  test('works with @fastify/jwt: a fresh token extends the connection, and it closes when the token expires', async () => {
    interface Claims {
      exp: number
    }
    const { app, ws } = await startServer(async (app) => {
      await app.register(jwt, { secret: 'a secret of the tests' })
      app.webSocket(
        '/ws',
        { onRequest: async (request) => void (await request.jwtVerify()) },
        async (connection, request) => {
          connection.expireAt((request.user as unknown as Claims).exp * 1000)
          for await (const { data } of connection) {
            connection.expireAt(app.jwt.verify<Claims>(data.toString()).exp * 1000)
            await connection.writeText('extended')
          }
        }
      )
    })
    const token = (seconds: number): string => app.jwt.sign({ name: 'ann' }, { expiresIn: `${seconds}s` })
    const headers = { authorization: `Bearer ${token(1)}` }
    const [lazy, eager] = await Promise.all([connect(ws('/ws'), [], { headers }), connect(ws('/ws'), [], { headers })])
    eager.socket.send(token(3600))
    expect(await eager.next()).toBe('extended')
    expect(await lazy.close()).toEqual({ code: 4401, reason: 'expired' })
    expect(eager.closed).toBeUndefined()
  })
})

describe('hub.disconnect', () => {
  const serve = async () => {
    const server = await startServer((app) => {
      app.webSocket('/:user', async (ws, request) => {
        const { user } = request.params as { user: string }
        app.wsHub.join(ws, `user:${user}`)
        ws.setLocal('user', user)
        await echo(ws)
      })
    })
    const { wsHub } = server.app
    const join = async (user: string) => {
      const count = wsHub.getClientCount()
      const client = await connect(server.ws(`/${user}`))
      await eventually(() => wsHub.getClientCount() === count + 1)
      return client
    }
    return { ...server, hub: wsHub, join }
  }

  test('closes all connections in the room of one user, and no others', async () => {
    const { hub, join } = await serve()
    const [first, second, other] = [await join('42'), await join('42'), await join('43')]
    expect(hub.disconnect('user:42', 4001, 'banned')).toBe(2)
    // They leave at once: later broadcasts do not reach them.
    expect([hub.getClientCount(), hub.getRooms()]).toEqual([1, ['user:43']])
    for (const client of [first, second]) expect(await client.close()).toEqual({ code: 4001, reason: 'banned' })
    other.socket.send('still here')
    expect(await other.next()).toBe('still here')
  })

  test('accepts rooms, a filter or connections; the default code is 1008; an unknown room closes none', async () => {
    const { hub, join } = await serve()
    const clients = new Map<string, Awaited<ReturnType<typeof join>>>()
    for (const user of ['a', 'b', 'c', 'd', 'e']) clients.set(user, await join(user))
    const closeOf = (user: string) => clients.get(user)?.close()
    expect(hub.disconnect(['user:a', 'user:nobody', 'user:a'])).toBe(1)
    expect(await closeOf('a')).toEqual({ code: 1008, reason: 'disconnected' })
    expect(hub.disconnect((ws) => ws.getLocal('user') === 'b', 1000)).toBe(1)
    expect(await closeOf('b')).toEqual({ code: 1000, reason: 'disconnected' })
    const [c] = hub.getClients('user:c') as [WebSocketConnection]
    expect(hub.disconnect(c)).toBe(1)
    expect(hub.disconnect(c)).toBe(0)
    expect(hub.disconnect(hub.getClients(), 4000, 'x'.repeat(200))).toBe(2)
    expect(await closeOf('d')).toEqual({ code: 4000, reason: 'x'.repeat(123) })
    expect(hub.disconnect([])).toBe(0)
  })

  test('an invalid argument throws before any connection is closed', async () => {
    const { hub, join } = await serve()
    await join('a')
    for (const target of [undefined, null, 42, {}, '', ['user:a', 42], () => 'yes', async () => true]) {
      expect(() => hub.disconnect(target as never)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^FST_BLAZE_WS_/) })
      )
    }
    expect(() => hub.disconnect(undefined as never)).toThrow(
      '"target": must be a room, the id of a connection, a WebSocketConnection, an array of these, or a function (ws) => boolean, got undefined'
    )
    for (const code of [999, 1005, 1006, 2999, 5000, 'x'])
      expect(() => hub.disconnect('user:a', code as never)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^FST_BLAZE_WS_/) })
      )
    expect(hub.getClientCount()).toBe(1)
  })
})

describe('request.refuseWebSocket', () => {
  type Hook = 'onRequest' | 'preParsing' | 'preValidation' | 'preHandler'
  const refuse = async (request: FastifyRequest): Promise<void> => request.refuseWebSocket(4401, 'token expired')

  test.each([true, false])(
    'in checkOrigin that returns %s: the client gets the close code, no handler runs and no error is logged',
    async (isAllowed) => {
      let handled = 0
      const { ws, logs } = await startServer((app) => {
        app.webSocketWithConfig('/sync', () => void handled++, {
          checkOrigin: (request) => (request.refuseWebSocket(4401), isAllowed)
        })
        app.webSocketWithConfig('/async', () => void handled++, {
          checkOrigin: (request) => refuse(request).then(() => isAllowed)
        })
      })
      for (const path of ['/sync', '/async']) expect((await (await connect(ws(path))).close()).code).toBe(4401)
      expect(handled).toBe(0)
      expect(logs.filter(({ level }) => level >= 40)).toEqual([])
    }
  )

  const serve = (setUp: (app: FastifyInstance, later: jest.Mock, handler: jest.Mock) => void, options = {}) => {
    const later = jest.fn(async () => {})
    const handler = jest.fn(echo)
    return startServer((app) => setUp(app, later, handler), options).then((server) => ({ ...server, later, handler }))
  }

  test.each<Hook>(['onRequest', 'preParsing', 'preValidation', 'preHandler'])(
    'in %s: the client gets the code and the reason, and no later hook or handler runs',
    async (hook) => {
      const { ws, app, later, handler, logs } = await serve((app, later, handler) => {
        app.webSocket('/ws', { [hook]: [refuse, later] }, handler)
      })
      const client = await connect(ws('/ws'))
      expect(await client.close()).toEqual({ code: 4401, reason: 'token expired' })
      expect([later.mock.calls.length, handler.mock.calls.length]).toEqual([0, 0])
      expect(app.wsHub.getClientCount()).toBe(0)
      expect(logs.filter(({ level }) => level >= 40)).toEqual([])
    }
  )

  test('in a hook that still calls its callback, and in a hook added before the plugin', async () => {
    const { ws, later } = await serve(
      (app, later, handler) => {
        const hook = (request: FastifyRequest, _reply: unknown, done: () => void): void => {
          request.refuseWebSocket(4403)
          done()
        }
        app.webSocket('/callback', { onRequest: [hook as never, later] }, handler)
        app.webSocket('/early', { preHandler: later }, handler)
      },
      {
        before: (app: FastifyInstance) =>
          void app.addHook('onRequest', async (request) =>
            request.url === '/early' ? request.refuseWebSocket(4404, 'early') : undefined
          )
      }
    )
    expect(await (await connect(ws('/callback'))).close()).toEqual({ code: 4403, reason: '' })
    expect(await (await connect(ws('/early'))).close()).toEqual({ code: 4404, reason: 'early' })
    expect(later).not.toHaveBeenCalled()
  })

  test('selects the subprotocol of the route, so that a browser sees the close code, even if a hook sets headers', async () => {
    const { ws } = await startServer(async (app) => {
      await app.register(cookie)
      const onRequest = async (request: FastifyRequest, reply: { header(name: string, value: string): unknown }) => {
        reply.header('x-why', 'because')
        request.refuseWebSocket()
      }
      app.webSocketWithConfig('/ws', echo, { subprotocols: ['chat'] }, { onRequest: onRequest as never })
    })
    const client = await connect(ws('/ws'), ['other', 'chat'])
    expect(client.socket.protocol).toBe('chat')
    expect(await client.close()).toEqual({ code: 1008, reason: '' })
  })

  test('refuses a { websocket: true } route and a path without a route', async () => {
    const { ws } = await startServer((app) => {
      app.addHook('onRequest', refuse)
      app.get('/plain', { websocket: true }, (socket) => socket.send('welcome'))
    })
    for (const path of ['/plain', '/nowhere']) expect((await (await connect(ws(path))).close()).code).toBe(4401)
  })

  test('a plain request gets 426, a broken handshake 400, and an invalid close code 500', async () => {
    const { http, ws, port } = await startServer((app) => {
      app.webSocket('/ws', { onRequest: refuse }, echo)
      app.webSocket('/wrong', { onRequest: async (request) => request.refuseWebSocket(1006) }, echo)
    })
    expect((await fetch(http('/ws'))).status).toBe(426)
    const raw = new RawClient(port)
    raw.handshake('/ws', { 'Sec-WebSocket-Key': 'short' })
    expect((await raw.head()).status).toBe(400)
    await expect(connect(ws('/wrong'))).rejects.toThrow('500')
  })

  test('throws after the handshake', async () => {
    const errors: unknown[] = []
    const { ws } = await startServer((app) => {
      app.webSocket('/ws', async (connection, request) => {
        try {
          request.refuseWebSocket(4401)
        } catch (error) {
          errors.push((error as { code?: string }).code)
        }
        await echo(connection)
      })
    })
    const client = await connect(ws('/ws'))
    client.socket.send('open')
    expect(await client.next()).toBe('open')
    expect(errors).toEqual(['FST_BLAZE_WS_NOT_UPGRADING'])
  })

  test('drops a client that does not close, and app.close() does not wait for it', async () => {
    const { app, port } = await serve(
      (app, _later, handler) => void app.webSocket('/ws', { onRequest: refuse }, handler)
    )
    const client = await new RawClient(port).open('/ws')
    expect(await client.closeCode()).toBe(4401)
    await eventually(() => client.isEnded)
    await app.close()
  })
})
