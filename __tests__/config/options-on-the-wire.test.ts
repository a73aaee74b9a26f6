import { randomBytes } from 'node:crypto'
import { constants, inflateRawSync } from 'node:zlib'
import type { WebSocketConfig, WebSocketConnection } from '../../src/index.ts'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer, type TestClient } from '../support/server.ts'

// Most keys are set to different values on routes of one server. Comparing the routes shows that each value takes effect,
// and that no route uses the value of another.

afterEach(closeServers)

const KiB = 1024
const MiB = 1024 * KiB

/** For data that must fill the socket: compressed, zeros would shrink to almost nothing. */
const PLAIN = { perMessageDeflate: false }

const echo = async (ws: WebSocketConnection): Promise<void> => {
  for await (const { type, data } of ws) await ws.writeMessage(type, data)
}

interface Routes {
  port: number
  ws(path: string): string
  /** The connections by route name. */
  connections: Map<string, WebSocketConnection>
}

/** A server with a route for each configuration, which keeps the last connection of each route. */
async function serve(
  routes: Record<string, Partial<WebSocketConfig>>,
  handler: (ws: WebSocketConnection) => Promise<unknown> = echo
): Promise<Routes> {
  const connections = new Map<string, WebSocketConnection>()
  const { port, ws } = await startServer((app) => {
    for (const [name, config] of Object.entries(routes)) {
      app.webSocketWithConfig(
        `/${name}`,
        async (ws) => {
          connections.set(name, ws)
          await handler(ws)
        },
        config
      )
    }
  })
  return { port, ws, connections }
}

/** Waits until a number stops changing, where no event announces it. */
async function settled(read: () => number): Promise<number> {
  let last = read()
  for (let same = 0; same < 20; same++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    if (read() !== last) same = 0
    last = read()
  }
  return last
}

/** Fills a connection whose client does not read, far beyond the buffers of the kernel. */
async function stall(ws: WebSocketConnection, client: TestClient): Promise<void> {
  client.socket.pause()
  void ws.writeBinary(Buffer.alloc(32 * MiB))
  await settled(() => ws.bufferedAmount)
}

/** Compresses well, but not to almost nothing. */
const text = Array.from({ length: 20_000 }, (_, i) => (Math.imul(i, 2_654_435_761) >>> (i % 7)).toString(36)).join(' ')

test('readBufferSize: above it the server stops reading, and no message is lost', async () => {
  let release = (): void => {}
  const released = new Promise<void>((resolve) => (release = resolve))
  const count = 512
  const received = new Map<WebSocketConnection, number[]>()
  const { port } = await serve({ small: { readBufferSize: KiB }, large: { readBufferSize: 64 * MiB } }, async (ws) => {
    await released
    const numbers: number[] = []
    received.set(ws, numbers)
    while (numbers.length < count) numbers.push((await ws.readMessage()).data.readUInt32BE(0))
  })
  const send = async (path: string): Promise<{ client: RawClient; taken: () => number }> => {
    const client = await new RawClient(port).open(path)
    for (let i = 0; i < count; i++) {
      const message = Buffer.alloc(64 * KiB)
      message.writeUInt32BE(i)
      client.socket.write(clientFrame(2, message))
    }
    return { client, taken: () => client.socket.bytesWritten - client.socket.writableLength }
  }
  const small = await send('/small')
  const large = await send('/large')
  await eventually(() => large.client.socket.writableLength === 0, 'the server to take 32 MiB')
  // The rest that it took is in the buffers of the kernel.
  expect(await settled(small.taken)).toBeLessThan(large.taken() / 2)
  expect(small.client.socket.writableLength).toBeGreaterThan(0)
  release()
  await small.client.closeCode()
  await large.client.closeCode()
  const expected = Array.from({ length: count }, (_, i) => i)
  expect([...received.values()]).toEqual([expected, expected])
})

test('writeBufferSize: writes wait while more bytes are unsent', async () => {
  const message = randomBytes(64 * KiB)
  const { ws, connections } = await serve(
    { small: { writeBufferSize: KiB }, large: { writeBufferSize: 4 * MiB } },
    async (ws) => {
      for (let i = 0; i < 512; i++) await ws.writeBinary(message)
    }
  )
  for (const [path, size] of [
    ['small', KiB],
    ['large', 4 * MiB]
  ] as const) {
    const client = await connect(ws(`/${path}`))
    client.socket.pause()
    const unsent = await settled(() => connections.get(path)?.bufferedAmount ?? 0)
    expect(unsent).toBeGreaterThan(size)
    expect(unsent).toBeLessThanOrEqual(size + 2 * message.length)
    client.socket.resume()
    expect((await client.close()).code).toBe(1000)
    expect(client.messages).toHaveLength(512)
  }
})

test('writeBufferSize: with a large value, a client of a handler that awaits its writes is not closed as too slow', async () => {
  const { ws, connections } = await serve({ huge: { writeBufferSize: 32 * MiB } }, async (ws) => {
    for (let i = 0; i < 80; i++) await ws.writeBinary(Buffer.alloc(MiB))
  })
  const client = await connect(ws('/huge'), [], PLAIN)
  client.socket.pause()
  await settled(() => connections.get('huge')?.bufferedAmount ?? 0)
  client.socket.resume()
  expect((await client.close()).code).toBe(1000)
  expect(client.messages).toHaveLength(80)
})

test('readTimeout: closes a silent client with 1008, and 0 waits forever', async () => {
  const { ws } = await serve({ short: { readTimeout: 200 }, long: { readTimeout: 60_000 }, never: { readTimeout: 0 } })
  const [short, long, never] = await Promise.all(['/short', '/long', '/never'].map((path) => connect(ws(path))))
  expect(await short?.close()).toMatchObject({ code: 1008 })
  for (const client of [long, never]) {
    client?.socket.send('still here')
    expect(await client?.next()).toBe('still here')
  }
})

test('readTimeout: a trickling message does not reset it', async () => {
  const { port } = await serve({ ws: { readTimeout: 300 } })
  const client = await new RawClient(port).open('/ws')
  const frame = clientFrame(1, 'x'.repeat(10_000))
  let sent = 0
  const timer = setInterval(() => client.socket.write(frame.subarray(sent, ++sent)), 20)
  expect(await client.closeCode()).toBe(1008)
  clearInterval(timer)
  expect(sent).toBeLessThan(frame.length)
  client.reset()
})

test('writeTimeout: a write that is not flushed ends the connection, and 0 waits forever', async () => {
  const outcomes = new Map<string, unknown>()
  const { ws } = await serve({ short: { writeTimeout: 300 }, never: { writeTimeout: 0 } }, async (ws) => {
    const outcome = await ws.writeBinary(Buffer.alloc(32 * MiB)).catch((error: unknown) => error)
    outcomes.set(ws.request.url, outcome)
  })
  const [short, never] = [await connect(ws('/short'), [], PLAIN), await connect(ws('/never'), [], PLAIN)]
  short.socket.pause()
  never.socket.pause()
  await eventually(() => outcomes.has('/short'), 'the write to time out')
  expect(outcomes.get('/short')).toMatchObject({ code: 'FST_BLAZE_WS_CLOSED', closeCode: 1006 })
  expect(outcomes.has('/never')).toBe(false)
  never.socket.resume()
  expect((await never.next()).length).toBe(32 * MiB)
  await never.close()
  expect(outcomes.get('/never')).toBeUndefined()
  short.socket.resume()
  expect((await short.close()).code).toBe(1006)
})

test('pingInterval: sends pings at this interval, and 0 sends none', async () => {
  const { ws } = await serve({ often: { pingInterval: 50 }, none: { pingInterval: 0 } })
  const [often, none] = [await connect(ws('/often')), await connect(ws('/none'))]
  const pings = { often: 0, none: 0 }
  often.socket.on('ping', () => pings.often++)
  none.socket.on('ping', () => pings.none++)
  await eventually(() => pings.often >= 5, 'five pings')
  none.socket.send('x')
  await none.next()
  expect(pings.none).toBe(0)
})

test('pongTimeout: an unanswered ping drops the connection', async () => {
  const { port, connections } = await serve({
    short: { pingInterval: 50, pongTimeout: 200 },
    long: { pingInterval: 50, pongTimeout: 60_000 },
    never: { pingInterval: 50, pongTimeout: 0 }
  })
  // A raw client answers no pings.
  const [short, long, never] = await Promise.all(
    ['/short', '/long', '/never'].map((path) => new RawClient(port).open(path))
  )
  await expect(short?.closeCode()).rejects.toThrow('the server has ended the connection')
  await eventually(() => connections.get('short')?.closeInfo !== undefined, 'the connection to be closed')
  expect(connections.get('short')?.closeInfo).toMatchObject({ code: 1006, wasClean: false })
  expect([connections.get('long')?.isClosed(), connections.get('never')?.isClosed()]).toEqual([false, false])
  long?.reset()
  never?.reset()
})

describe('maxMessageSize', () => {
  const routes = { small: { maxMessageSize: 1000 }, large: { maxMessageSize: 100_000 } }

  test('in one frame: a message of exactly this size is accepted, one byte more closes with 1009', async () => {
    const { ws } = await serve(routes)
    for (const [path, size] of [
      ['/small', 1000],
      ['/large', 100_000]
    ] as const) {
      const client = await connect(ws(path), [], PLAIN)
      client.socket.send('x'.repeat(size))
      expect(await client.next()).toHaveLength(size)
      client.socket.send('x'.repeat(size + 1))
      expect((await client.close()).code).toBe(1009)
    }
  })

  test('in fragments', async () => {
    const { port } = await serve(routes)
    for (const [path, size] of [
      ['/small', 1000],
      ['/large', 100_000]
    ] as const) {
      const client = await new RawClient(port).open(path)
      const fragments = (rest: number): Buffer =>
        Buffer.concat([clientFrame(2, Buffer.alloc(size - 500), { fin: false }), clientFrame(0, Buffer.alloc(rest))])
      client.socket.write(fragments(500))
      expect((await client.frame()).payload).toHaveLength(size)
      client.socket.write(fragments(501))
      expect(await client.closeCode()).toBe(1009)
      client.reset()
    }
  })

  test('after inflation', async () => {
    const { ws } = await serve(routes)
    for (const [path, size] of [
      ['/small', 1000],
      ['/large', 100_000]
    ] as const) {
      const client = await connect(ws(path), [], { perMessageDeflate: { threshold: 0 } })
      client.socket.send('x'.repeat(size))
      expect(await client.next()).toHaveLength(size)
      client.socket.send('x'.repeat(size + 1))
      expect((await client.close()).code).toBe(1009)
    }
  })

  test('counts bytes, not characters, and each message by itself', async () => {
    const { ws } = await serve(routes)
    const client = await connect(ws('/small'))
    for (let i = 0; i < 5; i++) client.socket.send('ä'.repeat(500))
    for (let i = 0; i < 5; i++) expect(await client.next()).toHaveLength(500)
    client.socket.send(`${'ä'.repeat(500)}x`)
    expect((await client.close()).code).toBe(1009)
  })
})

describe('compressionLevel', () => {
  const offers = [
    'permessage-deflate',
    'permessage-deflate; client_max_window_bits',
    'permessage-deflate; server_no_context_takeover; client_max_window_bits=10',
    'permessage-deflate; server_max_window_bits=10'
  ]

  test.each(offers)(
    'compression is negotiated without context takeover on either side, for the offer %j',
    async (offer) => {
      const { port } = await serve({ ws: { compressionLevel: 6 }, none: { compressionLevel: 0 } })
      const extension = async (path: string): Promise<string | undefined> => {
        const client = new RawClient(port)
        client.handshake(path, { 'Sec-WebSocket-Extensions': offer })
        const { status, headers } = await client.head()
        expect(status).toBe(101)
        client.reset()
        return headers.get('sec-websocket-extensions')
      }
      expect((await extension('/ws'))?.split(/; ?/)).toEqual(
        expect.arrayContaining(['permessage-deflate', 'server_no_context_takeover', 'client_no_context_takeover'])
      )
      expect(await extension('/none')).toBeUndefined()
    }
  )

  test('applies per route: 9 sends fewer bytes than 1, and 0 sends plain frames', async () => {
    const { port } = await serve(
      { one: { compressionLevel: 1 }, nine: { compressionLevel: 9 }, none: { compressionLevel: 0 } },
      (ws) => ws.writeText(text)
    )
    const frame = async (path: string) => {
      const client = await new RawClient(port).open(path, { 'Sec-WebSocket-Extensions': 'permessage-deflate' })
      const frame = await client.frame()
      client.reset()
      return frame
    }
    const [one, nine, none] = [await frame('/one'), await frame('/nine'), await frame('/none')]
    expect([one.rsv1, nine.rsv1, none.rsv1]).toEqual([true, true, false])
    expect(nine.payload.length).toBeLessThan(one.payload.length)
    expect(one.payload.length).toBeLessThan(none.payload.length)
    for (const { payload } of [one, nine]) {
      expect(inflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH }).toString()).toBe(text)
    }
    expect(none.payload.toString()).toBe(text)
  })

  test('every message is its own stream: the same text gives the same bytes', async () => {
    const { port } = await serve({ ws: {} }, async (ws) => {
      await ws.writeText(text)
      await ws.writeText(text)
    })
    const client = await new RawClient(port).open('/ws', { 'Sec-WebSocket-Extensions': 'permessage-deflate' })
    const first = await client.frame()
    expect(first.payload.equals((await client.frame()).payload)).toBe(true)
    client.reset()
  })

  test('a client that does not offer compression gets plain frames', async () => {
    const { port } = await serve({ ws: {} }, (ws) => ws.writeText(text))
    const client = await new RawClient(port).open('/ws')
    const { rsv1, payload } = await client.frame()
    expect([rsv1, payload.toString()]).toEqual([false, text])
    client.reset()
  })
})

test('compressionThreshold: shorter messages go out plain', async () => {
  const { port } = await serve(
    { all: { compressionThreshold: 0 }, some: { compressionThreshold: 100 }, byDefault: {} },
    async (ws) => {
      for (const size of [99, 100, 1023, 1024]) await ws.writeText('x'.repeat(size))
      await ws.writeText('ä'.repeat(50))
    }
  )
  const compressed = async (path: string): Promise<boolean[]> => {
    const client = await new RawClient(port).open(path, { 'Sec-WebSocket-Extensions': 'permessage-deflate' })
    const frames = []
    for (let i = 0; i < 5; i++) frames.push((await client.frame()).rsv1)
    client.reset()
    return frames
  }
  expect(await compressed('/all')).toEqual([true, true, true, true, true])
  // The last one has 50 characters and 100 bytes.
  expect(await compressed('/some')).toEqual([false, true, true, true, true])
  expect(await compressed('/byDefault')).toEqual([false, false, false, true, false])
})

test('checkOrigin: applies only to its own route', async () => {
  const { ws } = await serve({
    a: { checkOrigin: (request) => request.headers.origin === 'https://a.example' },
    b: { checkOrigin: async (request) => request.headers.origin === 'https://b.example' }
  })
  const open = (path: string, origin: string) => connect(ws(path), [], { headers: { origin } })
  await open('/a', 'https://a.example')
  await open('/b', 'https://b.example')
  await expect(open('/a', 'https://b.example')).rejects.toThrow('403')
  await expect(open('/b', 'https://a.example')).rejects.toThrow('403')
})

test("subprotocols: the server's order decides, for each route", async () => {
  const { ws } = await serve({
    a: { subprotocols: ['v2', 'v1'] },
    b: { subprotocols: ['v1', 'v2'] },
    c: { subprotocols: ['v3'] }
  })
  const chosen = async (path: string): Promise<string> => (await connect(ws(path), ['v1', 'v2', 'v3'])).socket.protocol
  expect([await chosen('/a'), await chosen('/b'), await chosen('/c')]).toEqual(['v2', 'v1', 'v3'])
})

test('sendQueueSize: that many messages wait, and the next one is dropped', async () => {
  const { ws, connections } = await serve({ few: { sendQueueSize: 5 }, many: { sendQueueSize: 50 } })
  for (const [path, size] of [
    ['few', 5],
    ['many', 50]
  ] as const) {
    const client = await connect(ws(`/${path}`), [], PLAIN)
    const connection = connections.get(path) as WebSocketConnection
    await stall(connection, client)
    const taken = Array.from({ length: size + 3 }, (_, i) => connection.writeAsync(`message ${i}`))
    expect(taken).toEqual(taken.map((_, i) => i < size))
    expect(connection.dropped).toBe(3)
    client.socket.resume()
    await client.until(() => client.messages.length === 1 + size)
    expect(client.messages.slice(1).map(({ data }) => data)).toEqual(
      Array.from({ length: size }, (_, i) => `message ${i}`)
    )
  }
})

test('slowConsumer: each route has its own policy in the same hub', async () => {
  const connections = new Map<string, WebSocketConnection>()
  const policies: Record<string, WebSocketConfig['slowConsumer']> = {
    disconnect: 'disconnect',
    dropNewest: 'dropNewest',
    dropOldest: 'dropOldest',
    coalesce: { coalesce: (data) => Number(data) % 3 }
  }
  const { app, ws } = await startServer((app) => {
    for (const [name, slowConsumer] of Object.entries(policies)) {
      app.webSocketWithConfig(
        `/${name}`,
        async (ws) => {
          connections.set(name, ws)
          app.wsHub.register(ws)
          await echo(ws)
        },
        { slowConsumer, sendQueueSize: 5 }
      )
    }
  })
  const clients = new Map<string, TestClient>()
  for (const name of Object.keys(policies)) {
    const client = await connect(ws(`/${name}`), [], PLAIN)
    clients.set(name, client)
    await stall(connections.get(name) as WebSocketConnection, client)
  }
  for (let i = 1; i <= 20; i++) {
    app.wsHub.broadcast(String(i))
    // A burst in one turn would not count as slow.
    await new Promise(setImmediate)
  }
  const rest = async (name: string, last: string): Promise<string[]> => {
    const client = clients.get(name) as TestClient
    client.socket.resume()
    await client.until(() => client.messages.at(-1)?.data === last)
    return client.messages.slice(1).map(({ data }) => data)
  }
  expect(await rest('dropNewest', '5')).toEqual(['1', '2', '3', '4', '5'])
  expect(await rest('dropOldest', '20')).toEqual(['16', '17', '18', '19', '20'])
  expect(await rest('coalesce', '20')).toEqual(['18', '19', '20'])
  clients.get('disconnect')?.socket.resume()
  expect((await clients.get('disconnect')?.close())?.code).toBe(1013)
  expect(app.wsHub.getClientCount()).toBe(3)
})

test("the plugin's config applies to every route", async () => {
  const { ws, port } = await startServer(
    async (app) => {
      app.webSocket('/plain', echo)
      app.webSocketWithConfig('/own', echo, { maxMessageSize: 200 })
      await app.register(async (child) => child.webSocket('/child', echo))
    },
    {
      config: {
        maxMessageSize: 100,
        compressionLevel: 0,
        subprotocols: ['v1'],
        checkOrigin: (request) => request.headers.origin === 'https://a.example'
      }
    }
  )
  const open = (path: string) => connect(ws(path), ['v1'], { origin: 'https://a.example' })
  for (const [path, size] of [
    ['/plain', 100],
    ['/child', 100],
    ['/own', 200]
  ] as const) {
    const client = await open(path)
    expect([client.socket.protocol, client.socket.extensions]).toEqual(['v1', ''])
    client.socket.send(Buffer.alloc(size))
    expect(await client.next()).toHaveLength(size)
    client.socket.send(Buffer.alloc(size + 1))
    expect((await client.close()).code).toBe(1009)
    const raw = new RawClient(port)
    raw.handshake(path)
    expect((await raw.head()).status).toBe(403)
    raw.reset()
  }
})

test('an open connection keeps the values of its route after a connection of another route closes', async () => {
  const { ws } = await serve({ large: { maxMessageSize: 100_000 }, small: { maxMessageSize: 10 } })
  const large = await connect(ws('/large'))
  const small = await connect(ws('/small'))
  small.socket.send('x'.repeat(11))
  expect((await small.close()).code).toBe(1009)
  large.socket.send('x'.repeat(100_000))
  expect(await large.next()).toHaveLength(100_000)
  large.socket.send(Buffer.from([1, 2, 3]))
  await large.until(() => large.messages.length === 1)
  expect(large.messages[0]?.isBinary).toBe(true)
})
