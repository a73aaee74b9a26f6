import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { constants, deflateRawSync } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import { isCloseError, type WebSocketConfig, type WebSocketConnection } from '../../src/index.ts'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer, type TestServer } from '../support/server.ts'
import { cert, key } from '../support/tls.ts'

afterEach(closeServers)

// Messages before the client's close frame, or before an invalid frame, are answered before the server's close frame.

const CLOSE_1000 = clientFrame(8, Buffer.from([0x03, 0xe8]))
/** Longer than any test: a test that waits for this timeout fails. */
const LONG = 60_000
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const texts = (count: number): string[] => Array.from({ length: count }, (_, i) => `message ${i}`)
const frames = (count: number): Buffer[] => texts(count).map((text) => clientFrame(1, text))

/** A promise and the function that resolves it. */
function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

interface Route extends TestServer {
  url: string
  /** All opened connections, in order. */
  connections: WebSocketConnection[]
}

async function route(
  handler: (ws: WebSocketConnection, app: FastifyInstance) => unknown,
  config: Partial<WebSocketConfig> = {},
  options = {}
): Promise<Route> {
  const connections: WebSocketConnection[] = []
  const server = await startServer((app) => {
    app.webSocketWithConfig(
      '/ws',
      async (ws) => {
        connections.push(ws)
        await handler(ws, app)
      },
      { closeTimeout: LONG, pingInterval: 0, ...config }
    )
  }, options)
  return { ...server, url: server.ws('/ws'), connections }
}

/** The texts that a raw client gets before the close frame, and its close code. */
async function answers(client: RawClient): Promise<{ texts: string[]; code: number }> {
  const got: string[] = []
  for (;;) {
    const { opcode, payload } = await client.frame()
    if (opcode === 8) return { texts: got, code: payload.length === 0 ? 1005 : payload.readUInt16BE(0) }
    if (opcode < 8) got.push(payload.toString())
  }
}

async function closed(ws: WebSocketConnection | undefined): Promise<WebSocketConnection['closeInfo']> {
  await eventually(() => ws?.closeInfo !== undefined, 'the connection to end')
  return ws?.closeInfo
}

const ECHOES: Record<string, (ws: WebSocketConnection, app: FastifyInstance) => Promise<void>> = {
  async 'for await'(ws) {
    for await (const { data } of ws) await ws.writeText(data.toString())
  },
  async 'for await, with work to do'(ws) {
    for await (const { data } of ws) {
      await turn()
      await ws.writeText(data.toString())
    }
  },
  async readMessage(ws) {
    for (;;) await ws.writeText((await ws.readMessage()).data.toString())
  },
  async 'readMessage, writes not awaited'(ws) {
    for (;;) void ws.writeText((await ws.readMessage()).data.toString())
  },
  async writeAsync(ws) {
    for await (const { data } of ws) {
      await turn()
      expect(ws.writeAsync(data.toString())).toBe(true)
    }
  },
  async 'the hub'(ws, app) {
    app.wsHub.register(ws)
    for await (const { data } of ws) {
      await turn()
      app.wsHub.broadcast(data.toString())
    }
  },
  async 'a handler that waits before it reads'(ws) {
    await new Promise((resolve) => setTimeout(resolve, 30))
    for await (const { data } of ws) await ws.writeText(data.toString())
  },
  async 'a handler that stops reading at the last message'(ws) {
    for (let i = 0; i < 10; i++) {
      const { data } = await ws.readMessage()
      await turn()
      await ws.writeText(data.toString())
    }
  }
}

describe('a client sends ten messages and closes', () => {
  test.each(Object.keys(ECHOES))('%s: all answers arrive, in every run', async (name) => {
    const { url, connections } = await route(ECHOES[name] as () => unknown)
    for (let run = 0; run < 10; run++) {
      const client = await connect(url)
      for (const text of texts(10)) client.socket.send(text)
      client.socket.close(1000, 'done')
      expect(await client.close()).toEqual({ code: 1000, reason: 'done' })
      expect(client.messages.map(({ data }) => data)).toEqual(texts(10))
    }
    for (const ws of connections) expect(await closed(ws)).toEqual({ code: 1000, reason: 'done', wasClean: true })
  })

  test.each([
    ['compressed', { perMessageDeflate: { threshold: 0 } }, {}],
    ['compressed, with a short queue', { perMessageDeflate: { threshold: 0 } }, { readBufferSize: 0 }],
    ['with a short queue', { perMessageDeflate: false }, { readBufferSize: 0 }],
    ['with compressed answers', { perMessageDeflate: { threshold: 0 } }, { compressionThreshold: 0 }]
  ])('%s', async (_name, options, config) => {
    const { url } = await route(ECHOES['for await, with work to do'] as () => unknown, config)
    const client = await connect(url, [], options)
    for (const text of texts(100)) client.socket.send(text)
    client.socket.close()
    expect((await client.close()).code).toBe(1005)
    expect(client.messages.map(({ data }) => data)).toEqual(texts(100))
  })

  test('with large answers that the client reads slowly', async () => {
    const large = randomBytes(300_000).toString('hex')
    const { url } = await route(async (ws) => {
      for await (const _message of ws) await ws.writeText(large)
    })
    const client = await connect(url)
    for (const text of texts(10)) client.socket.send(text)
    client.socket.close(1000)
    client.socket.pause()
    await turn()
    client.socket.resume()
    expect((await client.close()).code).toBe(1000)
    expect(client.messages.map(({ data }) => data.length)).toEqual(texts(10).map(() => large.length))
  })

  test('and ends its side of TCP in the same packet', async () => {
    const { port, connections } = await route(ECHOES['for await, with work to do'] as () => unknown)
    const client = await new RawClient(port).open('/ws')
    ;(client.socket as Socket & { allowHalfOpen: boolean }).allowHalfOpen = true
    client.socket.end(Buffer.concat([...frames(10), CLOSE_1000]))
    expect(await answers(client)).toEqual({ texts: texts(10), code: 1000 })
    expect(await closed(connections[0])).toEqual({ code: 1000, reason: '', wasClean: true })
  })

  test('compressed, and ends TCP in the same packet: the handler gets every message, and closeInfo matches the close frame', async () => {
    const { port, connections } = await route(ECHOES['for await'] as () => unknown)
    const client = await new RawClient(port).open('/ws', { 'Sec-WebSocket-Extensions': 'permessage-deflate' })
    const deflate = (text: string): Buffer =>
      deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
    client.socket.end(
      Buffer.concat([
        ...texts(10).map((text) => clientFrame(1, deflate(text), { rsv: 4 })),
        clientFrame(8, Buffer.from('\x0f\xa1bye', 'latin1'))
      ])
    )
    expect(await closed(connections[0])).toMatchObject({ code: 4001, reason: 'bye' })
    expect(connections[0]?.session.messagesIn).toBe(10)
  })

  test('over TLS', async () => {
    const { url } = await route(
      ECHOES['for await, with work to do'] as () => unknown,
      {},
      { fastify: { https: { cert, key } } }
    )
    const client = await connect(url.replace('ws:', 'wss:'), [], { rejectUnauthorized: false })
    for (const text of texts(10)) client.socket.send(text)
    client.socket.close(1000)
    expect((await client.close()).code).toBe(1000)
    expect(client.messages.map(({ data }) => data)).toEqual(texts(10))
  })

  test('under a rate limit that makes messages wait', async () => {
    const { port } = await route(ECHOES['for await'] as () => unknown, { rateLimit: { messages: 100, burst: 1 } })
    const client = await new RawClient(port).open('/ws')
    client.socket.write(Buffer.concat([...frames(10), CLOSE_1000]))
    expect(await answers(client)).toEqual({ texts: texts(10), code: 1000 })
  })

  test('in one TCP packet with the opening handshake', async () => {
    const { port } = await route(ECHOES['for await, with work to do'] as () => unknown)
    const client = await new RawClient(port).open('/ws', {}, Buffer.concat([...frames(10), CLOSE_1000]))
    expect(await answers(client)).toEqual({ texts: texts(10), code: 1000 })
  })
})

describe('while the close waits for answers', () => {
  /** A client that has sent a message and its close frame, and a handler that has read the message and waits for `go`. */
  async function held(
    config: Partial<WebSocketConfig> = {},
    act: (ws: WebSocketConnection) => unknown = () => {}
  ): Promise<Omit<Route, 'ws'> & { client: RawClient; ws: WebSocketConnection; go: () => void }> {
    const { promise, resolve } = deferred()
    const server = await route(async (ws, app) => {
      app.wsHub.register(ws)
      await ws.readMessage()
      await promise
      await act(ws)
    }, config)
    const client = await new RawClient(server.port).open('/ws')
    client.socket.write(Buffer.concat([clientFrame(1, 'a'), CLOSE_1000]))
    await eventually(() => server.connections[0]?.session.closeState.isDeferred === true, 'the close to be deferred')
    return { ...server, client, ws: server.connections[0] as WebSocketConnection, go: resolve }
  }

  test('the connection stays open for writes and for the hub', async () => {
    const { client, ws, app, go } = await held()
    expect(ws.isClosed()).toBe(false)
    expect(ws.closeInfo).toBeUndefined()
    expect(ws.signal.aborted).toBe(false)
    await ws.writeText('write')
    expect(ws.writeAsync('writeAsync')).toBe(true)
    expect(app.wsHub.getClientCount()).toBe(1)
    expect(app.wsHub.broadcast('hub')).toBe(1)
    ws.socket.send('socket')
    expect((await client.frame()).payload.toString()).toBe('write')
    go()
    expect(await answers(client)).toEqual({ texts: ['writeAsync', 'hub', 'socket'], code: 1000 })
    expect(await closed(ws)).toEqual({ code: 1000, reason: '', wasClean: true })
    expect(app.wsHub.getClientCount()).toBe(0)
  })

  test.each<[string, (ws: WebSocketConnection) => unknown]>([
    ['settles', () => {}],
    ['fails', () => Promise.reject(new Error('on purpose'))],
    ['closes', (ws) => ws.close(4000, 'mine')],
    ['closes the bare socket', (ws) => ws.socket.close(4000, 'mine')],
    ['closes gracefully', (ws) => ws.closeGracefully(LONG)],
    ['reads again', (ws) => ws.readMessage()],
    ['reads again, with a signal', (ws) => ws.readMessage({ signal: new AbortController().signal })],
    [
      'iterates',
      async (ws) => {
        for await (const _message of ws) throw new Error('nothing is left')
      }
    ]
  ])("if the handler %s, the handshake completes with the client's code", async (_what, act) => {
    const { client, ws, go } = await held({}, async (ws) => {
      void ws.writeText('last words')
      await act(ws)
    })
    go()
    expect(await answers(client)).toEqual({ texts: ['last words'], code: 1000 })
    expect(await closed(ws)).toEqual({ code: 1000, reason: '', wasClean: true })
  })

  test('terminate drops the connection', async () => {
    const { client, ws } = await held()
    ws.terminate()
    expect(await closed(ws)).toEqual({ code: 1000, reason: '', wasClean: false })
    await expect(client.frame()).rejects.toThrow('ended')
  })

  test('the connection ends at once if the client resets it', async () => {
    const { client, ws, go } = await held()
    client.reset()
    expect(await closed(ws)).toEqual({ code: 1000, reason: '', wasClean: false })
    await expect(ws.writeText('too late')).rejects.toMatchObject({ closeCode: 1000 })
    go()
  })

  test('messages after the close frame of the client are ignored', async () => {
    const { client, ws, go } = await held()
    const flood = Buffer.concat(Array.from({ length: 1_000 }, () => clientFrame(1, 'x'.repeat(1_000))))
    for (let i = 0; i < 20; i++) await new Promise((resolve) => client.socket.write(flood, resolve))
    expect(ws.session.messagesIn).toBe(1)
    expect(ws.session.readQueue.unreadBytes).toBe(0)
    go()
    expect((await answers(client)).code).toBe(1000)
  })

  test('after closeTimeout the close frame goes out, and reads and writes reject', async () => {
    const read = deferred()
    const { client, ws } = await held({ closeTimeout: 80 }, () => read.promise)
    expect(await answers(client)).toEqual({ texts: [], code: 1000 })
    expect(await closed(ws)).toEqual({ code: 1000, reason: '', wasClean: true })
    expect(isCloseError(await ws.writeText('too late').catch((error: unknown) => error), 1000)).toBe(true)
    expect(isCloseError(await ws.readMessage().catch((error: unknown) => error), 1000)).toBe(true)
    read.resolve()
  })

  test('pings and readTimeout do not end it early, but maxLifetime does', async () => {
    const { client, ws } = await held({ pingInterval: 10, readTimeout: 50, pongTimeout: 50, maxLifetime: 300 })
    expect(await answers(client)).toEqual({ texts: [], code: 1000 })
    expect(await closed(ws)).toMatchObject({ code: 1000, wasClean: true })
  })

  test('the shutdown waits only for the grace time, as for other handlers', async () => {
    const { promise, resolve } = deferred()
    const { port, app, connections } = await route(
      async (ws) => {
        await ws.readMessage()
        await promise
      },
      {},
      { shutdown: { grace: 50, timeout: LONG, message: 'good-bye' } }
    )
    const client = await new RawClient(port).open('/ws')
    client.socket.write(Buffer.concat([clientFrame(1, 'a'), CLOSE_1000]))
    await eventually(() => connections[0]?.session.closeState.isDeferred === true)
    const end = app.close()
    expect((await answers(client)).code).toBe(1000)
    await end
    expect(connections[0]?.closeInfo).toEqual({ code: 1000, reason: '', wasClean: true })
    resolve()
  })

  test('the shutdown releases messages that the rate limit holds back', async () => {
    const { port, app, connections } = await route(
      ECHOES['for await'] as () => unknown,
      { rateLimit: { messages: 0.01, burst: 1 } },
      { shutdown: { grace: LONG, timeout: LONG } }
    )
    const client = await new RawClient(port).open('/ws')
    client.socket.write(Buffer.concat([...frames(5), CLOSE_1000]))
    await eventually(() => connections[0]?.session.closeState.isDeferred === true)
    await app.close()
    expect(await answers(client)).toEqual({ texts: texts(5), code: 1000 })
  })

  test("the hub still drops a slow client, which keeps the client's close code", async () => {
    const { client, ws, app } = await held({ sendQueueSize: 2, writeBufferSize: 0 })
    client.socket.pause()
    const chunk = 'x'.repeat(1_000_000)
    let rounds = 0
    while (!ws.isClosed() && rounds++ < 200) {
      app.wsHub.broadcast(chunk)
      await turn()
    }
    expect(ws.isClosed()).toBe(true)
    expect(app.wsHub.stats().slowDisconnects).toBe(1)
    client.socket.resume()
    expect((await closed(ws))?.code).toBe(1000)
  })
})

describe('a handler with nothing to answer does not delay the closing handshake', () => {
  test.each<[string, (ws: WebSocketConnection) => unknown]>([
    ['it never reads', (ws) => new Promise((resolve) => ws.signal.addEventListener('abort', resolve))],
    ['it waits for a message', (ws) => ws.readMessage()],
    [
      'it gave up waiting',
      async (ws) => {
        await ws.readMessage({ signal: AbortSignal.timeout(10) }).catch(() => {})
        await ws.writeText('gave up')
        await new Promise((resolve) => ws.signal.addEventListener('abort', resolve))
      }
    ]
  ])('%s', async (name, handler) => {
    const { url, connections } = await route(handler)
    const client = await connect(url)
    if (name.includes('gave up')) await client.next()
    client.socket.close(4001)
    expect((await client.close()).code).toBe(4001)
    expect(await closed(connections[0])).toMatchObject({ code: 4001, wasClean: true })
  })

  test('but if it leaves messages unread, the close waits until closeTimeout, and it can still read them', async () => {
    const read: string[] = []
    const { port, connections } = await route(
      async (ws) => {
        await new Promise((resolve) => ws.signal.addEventListener('abort', resolve))
        for await (const { data } of ws) read.push(data.toString())
      },
      { closeTimeout: 80 }
    )
    const client = await new RawClient(port).open('/ws')
    client.socket.write(Buffer.concat([...frames(10), CLOSE_1000]))
    expect(await answers(client)).toEqual({ texts: [], code: 1000 })
    expect(await closed(connections[0])).toMatchObject({ code: 1000, wasClean: true })
    await eventually(() => read.length === 10)
    expect(read).toEqual(texts(10))
  })
})

describe('valid messages followed by an invalid one in one packet', () => {
  const deflated = deflateRawSync(Buffer.alloc(100_000), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
  const COMPRESSED = { 'Sec-WebSocket-Extensions': 'permessage-deflate' }
  const config = { maxMessageSize: 1_000, maxFragments: 2 }

  test.each<[string, Buffer[], number, Partial<WebSocketConfig>?, Record<string, string>?]>([
    ['an unmasked frame', [clientFrame(1, 'x', { masked: false })], 1002],
    ['a reserved opcode', [clientFrame(3, 'x')], 1002],
    ['text that is not UTF-8', [clientFrame(1, Buffer.from([0xff]))], 1007],
    [
      'too many fragments',
      [clientFrame(1, 'x', { fin: false }), clientFrame(0, 'x', { fin: false }), clientFrame(0, 'x')],
      1008
    ],
    ['a message that is too large', [clientFrame(1, 'x'.repeat(1_001))], 1009],
    ['a message that is too large after inflation', [clientFrame(2, deflated, { rsv: 4 })], 1009, {}, COMPRESSED],
    ['a message that cannot be inflated', [clientFrame(2, 'no deflate', { rsv: 4 })], 1007, {}, COMPRESSED],
    ['a message over the rate limit', frames(2), 1008, { rateLimit: { messages: 0.01, burst: 10, onLimit: 'close' } }],
    ['too many pings', Array.from({ length: 6 }, () => clientFrame(9)), 1008, { maxControlFrames: 5 }]
  ])('%s: all answers leave before the close frame', async (_what, bad, code, more = {}, headers = {}) => {
    const { port, connections } = await route(ECHOES['for await, with work to do'] as () => unknown, {
      ...config,
      ...more
    })
    const client = await new RawClient(port).open('/ws', headers)
    client.socket.write(Buffer.concat([...frames(10), ...bad, clientFrame(1, 'never read'), CLOSE_1000]))
    expect(await answers(client)).toEqual({ texts: texts(10), code })
    client.socket.end()
    expect((await closed(connections[0]))?.code).toBe(code)
    expect(connections[0]?.session.messagesIn).toBeLessThanOrEqual(11)
  })

  test('if the handler does not return, the close waits until closeTimeout', async () => {
    const { promise, resolve } = deferred()
    const { port } = await route(
      async (ws) => {
        await ws.readMessage()
        await promise
      },
      { closeTimeout: 80, rateLimit: { messages: 0.01, burst: 1, onLimit: 'close' } }
    )
    const client = await new RawClient(port).open('/ws')
    client.socket.write(Buffer.concat(frames(200)))
    expect((await answers(client)).code).toBe(1008)
    resolve()
  })
})

describe('closeInfo.wasClean after a refused message', () => {
  const deflated = deflateRawSync(Buffer.alloc(3_000_000), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
  const refused: [string, Buffer, number][] = [
    ['a message that is too large', clientFrame(2, Buffer.alloc(3_000_000)), 1009],
    ['a message with a 16-bit length', clientFrame(2, Buffer.alloc(60_000)), 1009],
    ['a message that is too large after inflation', clientFrame(2, deflated, { rsv: 4 }), 1009],
    ['a text message that is not UTF-8', clientFrame(1, Buffer.from([0xff, 0xfe])), 1007]
  ]

  async function refuse(
    bytes: Buffer,
    isCompressed: boolean
  ): Promise<{ client: RawClient; ws: WebSocketConnection; code: number }> {
    const { port, connections } = await route(ECHOES['for await'] as () => unknown, {
      maxMessageSize: 50_000,
      closeTimeout: 500
    })
    const client = await new RawClient(port).open(
      '/ws',
      isCompressed ? { 'Sec-WebSocket-Extensions': 'permessage-deflate' } : {}
    )
    ;(client.socket as Socket & { allowHalfOpen: boolean }).allowHalfOpen = true
    client.socket.write(bytes)
    return { client, ws: connections[0] as WebSocketConnection, code: await client.closeCode() }
  }

  describe.each(refused)('%s', (_what, frame, code) => {
    test.each([
      ['true if the client answers', [CLOSE_1000], true],
      [
        'true if other frames come before the answer',
        [clientFrame(9, 'ping'), clientFrame(2, Buffer.alloc(70_000)), clientFrame(1, 'x'.repeat(300)), CLOSE_1000],
        true
      ],
      ['false if the client only ends TCP', [], false],
      ['false if the client sends invalid frames', [Buffer.alloc(1_000, 0xff), CLOSE_1000], false]
    ])('%s', async (_expected, answer, wasClean) => {
      const { client, ws, code: got } = await refuse(frame, code === 1009)
      expect(got).toBe(code)
      client.socket.end(Buffer.concat(answer))
      expect(await closed(ws)).toEqual({ code, reason: code === 1009 ? 'message too big' : 'invalid UTF-8', wasClean })
    })
  })

  test('true for a client of ws', async () => {
    const { url, connections } = await route(ECHOES['for await'] as () => unknown, { maxMessageSize: 1_000 })
    const client = await connect(url, [], { perMessageDeflate: false })
    client.socket.send(Buffer.alloc(5_000_000))
    expect((await client.close()).code).toBe(1009)
    expect(await closed(connections[0])).toEqual({ code: 1009, reason: 'message too big', wasClean: true })
  })

  test('true if the rest of the message and the later frames arrive in small pieces', async () => {
    const { port, connections } = await route(ECHOES['for await'] as () => unknown, { maxMessageSize: 1_000 })
    const client = await new RawClient(port).open('/ws')
    client.socket.setNoDelay(true)
    const bytes = Buffer.concat([clientFrame(2, Buffer.alloc(2_000)), clientFrame(1, 'between'), CLOSE_1000])
    for (let at = 0; at < bytes.length; at += 7)
      await new Promise((resolve) => client.socket.write(bytes.subarray(at, at + 7), resolve))
    expect(await client.closeCode()).toBe(1009)
    expect(await closed(connections[0])).toEqual({ code: 1009, reason: 'message too big', wasClean: true })
  })

  test('false if the message does not end before closeTimeout', async () => {
    const { port, connections } = await route(ECHOES['for await'] as () => unknown, {
      maxMessageSize: 1_000,
      closeTimeout: 100
    })
    const client = await new RawClient(port).open('/ws')
    ;(client.socket as Socket & { allowHalfOpen: boolean }).allowHalfOpen = true
    client.socket.write(clientFrame(2, '', { length: 2 ** 40 }))
    const chunk = Buffer.alloc(100_000)
    const pour = setInterval(() => client.socket.writable && client.socket.write(chunk), 5)
    expect(await client.closeCode()).toBe(1009)
    expect(await closed(connections[0])).toEqual({ code: 1009, reason: 'message too big', wasClean: false })
    clearInterval(pour)
  })
})
