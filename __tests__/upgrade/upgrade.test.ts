import { once } from 'node:events'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import cookie from '@fastify/cookie'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance } from 'fastify'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { closeServers, connect, startServer } from '../support/server.ts'
import { echo } from './support.ts'

afterEach(closeServers)

const addEcho = (app: FastifyInstance): void => void app.webSocket('/ws', echo)

interface Answer {
  status: number
  headers: Map<string, string>
}

/** The answer to a handshake with these headers; empty headers are omitted. */
async function answer(
  port: number,
  headers: Record<string, string> = {},
  { path = '/ws', method = 'GET' } = {}
): Promise<Answer> {
  const client = new RawClient(port)
  client.handshake(path, headers, undefined, method)
  const head = await client.head()
  client.reset()
  return head
}

/** The headers of a 101, each with all its values. */
async function headersOf101(port: number, path: string): Promise<NodeJS.Dict<string[]>> {
  const request = httpRequest({
    port,
    path,
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ=='
    }
  }).end()
  const [response, socket] = (await once(request, 'upgrade')) as [IncomingMessage, IncomingMessage['socket']]
  socket.destroy()
  return response.headersDistinct
}

describe('around the handshake', () => {
  test('an origin check that outlasts handlerTimeout completes no handshake after the 503', async () => {
    let answer: (isAllowed: boolean) => void = () => {}
    const handler = jest.fn()
    const { port } = await startServer(
      (app) =>
        void app.webSocketWithConfig(
          '/ws',
          handler,
          { checkOrigin: () => new Promise((resolve) => (answer = resolve)) },
          { handlerTimeout: 50 }
        )
    )
    const client = new RawClient(port)
    client.handshake('/ws')
    expect((await client.head()).status).toBe(503)
    answer(true)
    if (!client.isEnded) await once(client.socket, 'close')
    expect(handler).not.toHaveBeenCalled()
  })

  test('a response listener that throws after the 101 does not end the connection', async () => {
    const { ws, logs } = await startServer((app) => {
      app.addHook('onRequest', async (_request, reply) => {
        reply.raw.on('close', () => {
          throw new Error('a bug in a tracer')
        })
      })
      addEcho(app)
    })
    const client = await connect(ws('/ws'))
    client.socket.send('hello')
    expect(await client.next()).toBe('hello')
    expect(logs.filter(({ level }) => level >= 50).map(({ msg }) => msg)).toEqual([
      'a listener of the close event of a response failed'
    ])
  })
})

describe('the handshake', () => {
  test('answers with the accept key of RFC 6455, 1.3', async () => {
    const { port } = await startServer(addEcho)
    const { status, headers } = await answer(port, { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' })
    expect(status).toBe(101)
    expect(headers.get('sec-websocket-accept')).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
    expect(headers.get('upgrade')?.toLowerCase()).toBe('websocket')
    expect(headers.get('connection')?.toLowerCase()).toBe('upgrade')
    expect(headers.has('sec-websocket-protocol')).toBe(false)
    expect(headers.has('sec-websocket-extensions')).toBe(false)
  })

  test('accepts header names and values in any case, and Connection as a list', async () => {
    const { port } = await startServer(addEcho)
    expect((await answer(port, { Upgrade: 'WebSocket', Connection: 'keep-alive, UPGRADE' })).status).toBe(101)
  })

  test.each([
    '',
    'short',
    'dGhlIHNhbXBsZSBub25jZQ',
    `${'A'.repeat(23)}=`,
    `${'A'.repeat(24)}==`,
    '!'.repeat(22) + '=='
  ])('refuses Sec-WebSocket-Key %j with 400', async (key) => {
    const { port } = await startServer(addEcho)
    expect((await answer(port, { 'Sec-WebSocket-Key': key })).status).toBe(400)
  })

  test.each(['', '0', '8', '12', '14', 'x', '13, 8'])('refuses Sec-WebSocket-Version %j with 426', async (version) => {
    const { port } = await startServer(addEcho)
    expect((await answer(port, { 'Sec-WebSocket-Version': version })).status).toBe(426)
  })

  test('treats Upgrade: h2c as a plain request, which gets 426', async () => {
    const { port } = await startServer(addEcho)
    expect((await answer(port, { Upgrade: 'h2c' })).status).toBe(426)
  })

  test('an upgrade by POST, to an HTTP route or to no route runs no WebSocket handler', async () => {
    const handler = jest.fn()
    const { port, ws } = await startServer((app) => {
      addEcho(app)
      app.webSocket('/never', handler)
      app.post('/post', async () => 'posted')
      app.get('/http', async () => 'http')
    })
    expect((await answer(port, {}, { path: '/never', method: 'POST' })).status).toBe(404)
    expect((await answer(port, {}, { path: '/nowhere' })).status).toBe(404)
    expect((await answer(port, {}, { path: '/post', method: 'POST' })).status).not.toBe(101)
    // As in @fastify/websocket: accepted, and closed at once.
    const http = await connect(ws('/http'))
    expect((await http.close()).code).toBe(1005)
    expect(handler).not.toHaveBeenCalled()
  })

  test('a refused handshake explains itself in a JSON body', async () => {
    const { port } = await startServer(addEcho)
    const request = httpRequest({
      port,
      path: '/ws',
      headers: { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' }
    }).end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    expect(JSON.parse(Buffer.concat(await response.toArray()).toString())).toMatchObject({
      statusCode: 400,
      code: 'FST_BLAZE_WS_BAD_HANDSHAKE',
      message: expect.stringContaining('Sec-WebSocket-Key')
    })
  })

  test('frames in the same segment as the request are not lost', async () => {
    const { port } = await startServer((app) => {
      app.webSocket('/ws', echo, { preHandler: (_request, _reply, done) => void setImmediate(done) })
    })
    const client = await new RawClient(port).open(
      '/ws',
      {},
      Buffer.concat([clientFrame(1, 'one'), clientFrame(1, 'two')])
    )
    expect((await client.frame()).payload.toString()).toBe('one')
    expect((await client.frame()).payload.toString()).toBe('two')
    client.reset()
  })
})

describe('headers of the 101', () => {
  test('include those set by hooks, with every value of a list', async () => {
    const { port } = await startServer((app) => {
      app.addHook('onRequest', async (_request, reply) => void reply.header('x-one', 'root'))
      app.webSocket('/ws', echo, {
        preHandler: async (_request, reply) => {
          reply.header('x-two', 2).header('set-cookie', 'a=1').header('set-cookie', 'b=2; HttpOnly')
          reply.raw.setHeader('x-raw', 'raw')
        }
      })
    })
    expect(await headersOf101(port, '/ws')).toMatchObject({
      'x-one': ['root'],
      'x-two': ['2'],
      'x-raw': ['raw'],
      'set-cookie': ['a=1', 'b=2; HttpOnly']
    })
  })

  test('never leak from one request to another', async () => {
    const { port } = await startServer((app) => {
      app.webSocket('/:name', echo, {
        preHandler: async (request, reply) => {
          await new Promise(setImmediate)
          reply.header('x-name', (request.params as { name: string }).name)
        }
      })
    })
    const answers = await Promise.all(['a', 'b', 'c'].map((name) => headersOf101(port, `/${name}`)))
    expect(answers.map((headers) => headers['x-name'])).toEqual([['a'], ['b'], ['c']])
  })

  test('cannot override those of the handshake', async () => {
    const { port, ws } = await startServer((app) => {
      app.webSocket('/ws', echo, {
        preHandler: async (_request, reply) =>
          void reply.headers({
            connection: 'close',
            upgrade: 'h2c',
            'content-length': 5,
            'content-type': 'text/plain',
            'transfer-encoding': 'chunked',
            'sec-websocket-accept': 'wrong',
            'sec-websocket-protocol': 'nobody-asked',
            'sec-websocket-extensions': 'permessage-deflate'
          })
      })
    })
    const headers = await headersOf101(port, '/ws')
    expect(headers).toMatchObject({
      connection: ['Upgrade'],
      upgrade: ['websocket'],
      'sec-websocket-accept': ['s3pPLMBiTxaQ9kYGzzhZRbK+xOo=']
    })
    for (const name of [
      'content-length',
      'content-type',
      'transfer-encoding',
      'sec-websocket-protocol',
      'sec-websocket-extensions'
    ]) {
      expect(headers).not.toHaveProperty(name)
    }
    const client = await connect(ws('/ws'))
    client.socket.send('x')
    expect(await client.next()).toBe('x')
  })

  test('include a cookie serialized by @fastify/cookie', async () => {
    const { port } = await startServer(async (app) => {
      await app.register(cookie)
      app.webSocket('/ws', echo, {
        preHandler: async (_request, reply) =>
          void reply.header('set-cookie', app.serializeCookie('a', '1', { path: '/' }))
      })
    })
    expect((await headersOf101(port, '/ws'))['set-cookie']).toEqual(['a=1; Path=/'])
  })
})

describe('subprotocols', () => {
  test("the server's first subprotocol that the client offers is chosen", async () => {
    const { ws } = await startServer((app) => {
      app.webSocketWithConfig('/ws', async (ws) => ws.writeText(ws.protocol), { subprotocols: ['v3', 'v2', 'v1'] })
    })
    const client = await connect(ws('/ws'), ['v1', 'other', 'v2'])
    expect(client.socket.protocol).toBe('v2')
    expect(await client.next()).toBe('v2')
  })

  test('a client that offers none, or only unknown ones, gets none', async () => {
    const { port, ws } = await startServer((app) => {
      app.webSocketWithConfig('/ws', async (ws) => ws.writeJSON(ws.protocol), { subprotocols: ['v1'] })
    })
    expect(await (await connect(ws('/ws'))).next()).toBe('""')
    const { status, headers } = await answer(port, { 'Sec-WebSocket-Protocol': 'v9' })
    expect([status, headers.has('sec-websocket-protocol')]).toEqual([101, false])
  })

  test('a route without subprotocols chooses none', async () => {
    const { port } = await startServer(addEcho)
    expect((await answer(port, { 'Sec-WebSocket-Protocol': 'v1' })).headers.has('sec-websocket-protocol')).toBe(false)
  })

  test.each(['v1,,v2', ',v1', 'v 1', 'v1,v1'])('an invalid offer (%j) gets 400', async (offer) => {
    const { port } = await startServer((app) => {
      app.webSocketWithConfig('/ws', echo, { subprotocols: ['v1'] })
    })
    expect((await answer(port, { 'Sec-WebSocket-Protocol': offer })).status).toBe(400)
  })
})

test.each([
  [';;', 400],
  ['permessage-deflate;', 400],
  ['permessage-deflate; server_max_window_bits=99', 101],
  ['permessage-deflate; x', 101]
])('a malformed extension offer fails, an unacceptable one is declined: %j, %p', async (offer, status) => {
  const { port } = await startServer(addEcho)
  expect((await answer(port, { 'Sec-WebSocket-Extensions': offer })).status).toBe(status)
})

// Plugins add hooks to a route in onRoute, and so after ours.
test('the 101 has the headers set by a preHandler that was added in onRoute', async () => {
  const { port } = await startServer(async (app) => {
    await app.register(rateLimit, { hook: 'preHandler', max: 10 })
    app.webSocket('/ws', echo)
  })
  const client = new RawClient(port)
  client.handshake('/ws')
  const { status, headers } = await client.head()
  client.reset()
  expect(status).toBe(101)
  expect(headers.get('x-ratelimit-remaining')).toBe('9')
})

test('checkOrigin runs after hooks added in onRoute: a request over the limit gets 429, not 403', async () => {
  let asked = 0
  const { port } = await startServer(async (app) => {
    await app.register(rateLimit, { hook: 'preHandler', max: 0 })
    app.webSocketWithConfig('/ws', echo, {
      checkOrigin: () => {
        asked++
        return false
      }
    })
  })
  const client = new RawClient(port)
  client.handshake('/ws')
  expect((await client.head()).status).toBe(429)
  client.reset()
  expect(asked).toBe(0)
})

// RFC 6455, 4.4 and RFC 9110, 15.5.22: 426 names the version and the protocol.
test('a wrong version is answered with the supported one', async () => {
  const { port } = await startServer((app) => {
    app.webSocket('/ws', echo)
  })
  const client = new RawClient(port)
  client.handshake('/ws', { 'Sec-WebSocket-Version': '14' })
  const { status, headers } = await client.head()
  client.reset()
  expect(status).toBe(426)
  expect(headers.get('sec-websocket-version')).toBe('13')
  expect(headers.get('upgrade')).toBe('websocket')
})

// A plain Fastify route also answers 500 here.
test("a hook's header that would split the response gets 500 and does not end the process", async () => {
  const { port } = await startServer((app) => {
    app.webSocket('/ws', () => {}, {
      preHandler: async (_request, reply) => void reply.header('x-echo', 'a\r\nx-injected: 1')
    })
  })
  const client = new RawClient(port)
  client.handshake('/ws')
  expect((await client.head()).status).toBe(500)
})
