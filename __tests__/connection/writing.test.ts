import { randomBytes } from 'node:crypto'
import {
  BinaryMessage,
  CloseMessage,
  type MessageType,
  PingMessage,
  PongMessage,
  TextMessage,
  type WebSocketConnection
} from '../../src/index.ts'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

/** A server whose handler passes its connection to the test and keeps it open. */
async function open(config = {}): Promise<{ port: number; url: string; next: () => Promise<WebSocketConnection> }> {
  const waiting: ((ws: WebSocketConnection) => void)[] = []
  const { port, ws } = await startServer((app) => {
    app.webSocketWithConfig(
      '/ws',
      async (ws) => {
        waiting.shift()?.(ws)
        await new Promise<void>((resolve) => ws.signal.addEventListener('abort', () => resolve()))
      },
      config
    )
  })
  return { port, url: ws('/ws'), next: () => new Promise((resolve) => waiting.push(resolve)) }
}

async function pair(config = {}): Promise<{ client: RawClient; connection: WebSocketConnection }> {
  const { port, next } = await open(config)
  const opened = next()
  const client = await new RawClient(port).open('/ws')
  return { client, connection: await opened }
}

test('all kinds of writes arrive, in order with pings', async () => {
  const { client, connection } = await pair()
  void connection.writeText('text ✓')
  void connection.ping('are you there')
  void connection.writeBinary(new Uint8Array([1, 2, 3]))
  void connection.writeBinary(new Uint8Array([4]).buffer)
  void connection.pong(Buffer.from('unasked'))
  void connection.writeJSON({ a: [1, null] })
  expect(connection.writeAsync('async')).toBe(true)
  void connection.writeMessage(TextMessage, Buffer.from('bytes as text'))
  await connection.writeMessage(BinaryMessage, 'text as bytes')
  const frames = []
  for (let i = 0; i < 9; i++) frames.push(await client.frame())
  expect(frames.map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([
    [1, 'text ✓'],
    [9, 'are you there'],
    [2, '\u0001\u0002\u0003'],
    [2, '\u0004'],
    [10, 'unasked'],
    [1, '{"a":[1,null]}'],
    [1, 'async'],
    [1, 'bytes as text'],
    [2, 'text as bytes']
  ])
})

test.each([0, 1, 125, 126, 65_535, 65_536, 1_000_000])('a payload of %d bytes is framed correctly', async (length) => {
  const { client, connection } = await pair()
  const payload = Buffer.alloc(length, 'ä')
  const written = connection.writeBinary(payload)
  const frame = await client.frame()
  await written
  expect(frame).toMatchObject({ fin: true, rsv1: false, opcode: 2 })
  expect(frame.payload.equals(payload)).toBe(true)
})

test('a long message whose header came in an earlier chunk can be echoed', async () => {
  const { port } = await startServer((app) => {
    app.webSocket('/ws', async (ws) => {
      for await (const { type, data } of ws) await ws.writeMessage(type, data)
    })
  })
  const client = new RawClient(port)
  await client.open('/ws')
  const frame = clientFrame(BinaryMessage, Buffer.alloc(10_000, 'x'))
  for (const at of [1, 7, 8, 9]) {
    // The pong shows that the server has read the first part.
    client.socket.write(Buffer.concat([clientFrame(PingMessage), frame.subarray(0, at)]))
    expect((await client.frame()).opcode).toBe(PongMessage)
    client.socket.write(frame.subarray(at))
    expect((await client.frame()).payload).toEqual(Buffer.alloc(10_000, 'x'))
  }
})

test('all writes of one tick go to the socket in a single write', async () => {
  const { client, connection } = await pair()
  const writes: number[] = []
  const raw = connection.request.raw.socket
  const write = raw.write.bind(raw)
  raw.write = (chunk: Uint8Array) => {
    writes.push(chunk.length)
    return write(chunk)
  }
  for (let i = 0; i < 16; i++) await connection.writeText('x'.repeat(64))
  for (let i = 0; i < 16; i++) await client.frame()
  expect(writes).toEqual([16 * 66])
})

test('the caller may reuse its buffer after a write resolves, and right after writeAsync returns', async () => {
  const { client, connection } = await pair()
  const bytes = Buffer.from('first')
  await connection.writeBinary(bytes)
  bytes.fill('x')
  connection.writeAsync(bytes.fill('y'), BinaryMessage)
  bytes.fill('z')
  expect((await client.frame()).payload.toString()).toBe('first')
  expect((await client.frame()).payload.toString()).toBe('yyyyy')
})

test('a write waits while the client does not read, and continues when it does', async () => {
  const { client, connection } = await pair({ writeBufferSize: 1024 })
  client.socket.pause()
  let written = 0
  const writing = (async () => {
    for (; written < 400; written++) await connection.writeBinary(Buffer.alloc(64 * 1024))
  })()
  let seen = -1
  await eventually(async () => {
    seen = written
    await new Promise((resolve) => setTimeout(resolve, 50))
    return written === seen
  }, 'the socket being full')
  expect(written).toBeLessThan(400)
  expect(connection.bufferedAmount).toBeLessThan(256 * 1024)
  client.socket.resume()
  await writing
  expect(written).toBe(400)
})

test('writeAsync queues sendQueueSize messages for a client that does not read, and counts the dropped ones', async () => {
  const { client, connection } = await pair({ sendQueueSize: 8 })
  client.socket.pause()
  const message = Buffer.alloc(64 * 1024)
  await eventually(() => !connection.writeAsync(message, BinaryMessage), 'a full queue')
  expect(connection.dropped).toBe(1)
  expect(connection.writeAsync('one more')).toBe(false)
  expect(connection.dropped).toBe(2)
  client.socket.resume()
  await eventually(() => connection.bufferedAmount === 0, 'the queue to be sent')
  expect(connection.writeAsync('now')).toBe(true)
})

test('a burst of writeAsync in one tick reaches a reading client, even if its send queue is small', async () => {
  const { client, connection } = await pair({ sendQueueSize: 4 })
  for (let i = 0; i < 1_000; i++) expect(connection.writeAsync(`message ${i}`)).toBe(true)
  for (let i = 0; i < 1_000; i++) expect((await client.frame()).payload.toString()).toBe(`message ${i}`)
})

test('closes with 1013 after more than 16 MiB of unawaited writes to a client that does not read', async () => {
  const { client, connection } = await pair({ writeTimeout: 0 })
  client.socket.pause()
  const message = Buffer.alloc(1024 * 1024)
  let last = Promise.resolve()
  for (let i = 0; i < 64; i++) last = connection.writeBinary(message)
  await expect(last).rejects.toMatchObject({ closeCode: 1013 })
  expect(connection.isClosed()).toBe(true)
  client.socket.resume()
  expect(await client.closeCode()).toBe(1013)
})

test('after the close, writes reject with a CloseError that has the close code, and writeAsync returns false', async () => {
  const { client, connection } = await pair()
  client.socket.write(clientFrame(8, Buffer.concat([Buffer.from([0x0f, 0xa0]), Buffer.from('bye')])))
  expect(await client.closeCode()).toBe(4000)
  client.socket.end()
  await eventually(() => connection.closeInfo !== undefined, 'the connection to end')
  for (const write of [
    connection.writeText('x'),
    connection.writeJSON(1),
    connection.ping(),
    connection.writeBinary(Buffer.alloc(1))
  ]) {
    await expect(write).rejects.toMatchObject({ code: 'FST_BLAZE_WS_CLOSED', closeCode: 4000, reason: 'bye' })
  }
  expect(connection.writeAsync('x')).toBe(false)
  expect(connection.dropped).toBe(1)
})

test('a pending write rejects when the connection is lost', async () => {
  const { client, connection } = await pair()
  client.socket.pause()
  let last = Promise.resolve()
  for (let i = 0; i < 12; i++) last = connection.writeBinary(Buffer.alloc(1024 * 1024))
  await eventually(() => connection.bufferedAmount > 0, 'the socket being full')
  client.reset()
  await expect(last).rejects.toMatchObject({ closeCode: 1006, wasClean: false })
})

function cycle(): object {
  const value: Record<string, unknown> = {}
  return Object.assign(value, { value })
}

test.each<[string, (ws: WebSocketConnection) => Promise<void>, RegExp]>([
  ['writeText(1)', (ws) => ws.writeText(1 as never), /"text": must be a string, got 1/],
  ['writeBinary("x")', (ws) => ws.writeBinary('x' as never), /"bytes": must be a Uint8Array/],
  [
    'writeBinary(null)',
    (ws) => ws.writeBinary(null as never),
    /"data": must be a string, a Uint8Array or an ArrayBuffer, got null/
  ],
  ['writeMessage(3)', (ws) => ws.writeMessage(3 as MessageType, 'x'), /"type": must be TextMessage/],
  ['writeMessage(Close)', (ws) => ws.writeMessage(CloseMessage, 'x'), /"type": must be TextMessage/],
  ['writeMessage(Text, not UTF-8)', (ws) => ws.writeMessage(TextMessage, Buffer.from([0xff])), /"data": is not UTF-8/],
  ['writeJSON(undefined)', (ws) => ws.writeJSON(undefined), /"value": has no JSON form/],
  ['writeJSON(1n)', (ws) => ws.writeJSON(1n), /"value": has no JSON form: .*BigInt/],
  [
    'writeJSON(a cycle)',
    (ws) => ws.writeJSON(cycle()),
    /"value": has no JSON form: Converting circular structure to JSON$/
  ]
])('%s rejects with a TypeError, and the connection stays usable', async (_name, write, message) => {
  const { client, connection } = await pair()
  const error = await write(connection).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(TypeError)
  expect(error).toMatchObject({ code: 'FST_BLAZE_WS_INVALID_ARGUMENT', message: expect.stringMatching(message) })
  await connection.writeText('fine')
  expect((await client.frame()).payload.toString()).toBe('fine')
})

test('writeJSON rejects with the error that a custom toJSON throws', async () => {
  const { connection } = await pair()
  const error = new Error('not for everybody')
  await expect(
    connection.writeJSON({
      toJSON: () => {
        throw error
      }
    })
  ).rejects.toBe(error)
})

test('writeAsync throws a TypeError for data that can never be sent', async () => {
  const { connection } = await pair()
  expect(() => connection.writeAsync(5 as never)).toThrow(TypeError)
  expect(() => connection.writeAsync(new Uint8Array([0xc3]))).toThrow(/not UTF-8/)
  expect(() => connection.writeAsync('x', PingMessage)).toThrow(TypeError)
  expect(connection.writeAsync(new Uint8Array([0xc3]), BinaryMessage)).toBe(true)
})

test('control frames carry at most 125 bytes', async () => {
  const { client, connection } = await pair()
  await connection.ping(Buffer.alloc(125, 1))
  expect((await client.frame()).payload.length).toBe(125)
  await expect(connection.ping(Buffer.alloc(126))).rejects.toThrow(RangeError)
  await expect(connection.pong('ä'.repeat(63))).rejects.toThrow(
    /"data" is out of range: a control frame takes at most 125 bytes, got 126/
  )
  await connection.writeMessage(PingMessage, 'as a message')
  await connection.writeMessage(PongMessage, 'too')
  expect([(await client.frame()).opcode, (await client.frame()).opcode]).toEqual([9, 10])
})

test('answers pings, and keeps only the newest pong for a client that does not read', async () => {
  const { client, connection } = await pair({ maxControlFrames: 0 })
  client.socket.write(clientFrame(9, 'hello'))
  expect(await client.frame()).toMatchObject({ opcode: 10, payload: Buffer.from('hello') })
  client.socket.pause()
  while (connection.bufferedAmount === 0) {
    void connection.writeBinary(Buffer.alloc(1024 * 1024))
    await new Promise((resolve) => setImmediate(resolve))
  }
  const before = connection.bufferedAmount
  const frames = Array.from({ length: 5_000 }, (_, i) => clientFrame(9, `ping ${i}`))
  await new Promise((resolve) => client.socket.write(Buffer.concat(frames), resolve))
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(connection.bufferedAmount).toBeLessThan(before + 1_000)
  client.socket.resume()
  for (;;) {
    const { opcode, payload } = await client.frame()
    if (opcode === 10 && payload.toString() === 'ping 4999') break
  }
})

test('compressed and plain messages keep their order, even if compression takes a while', async () => {
  const { url, next } = await open({ compressionThreshold: 100 })
  const opened = next()
  const client = await connect(url)
  const connection = await opened
  const texts = Array.from({ length: 60 }, (_, i) => `${i} `.repeat([1, 100, 20_000][i % 3] as number))
  for (const text of texts) void connection.writeText(text)
  void connection.close(1000)
  await client.close()
  expect(client.messages.map(({ data }) => data)).toEqual(texts)
})

test('sends uncompressed messages if the client asks for a window of 256 bytes, which zlib does not support', async () => {
  const { port, next } = await open({ compressionThreshold: 0 })
  const opened = next()
  const client = await new RawClient(port).open('/ws', {
    'Sec-WebSocket-Extensions': 'permessage-deflate; server_max_window_bits=8'
  })
  const connection = await opened
  await connection.writeText('x'.repeat(2_000))
  expect(await client.frame()).toMatchObject({ rsv1: false, payload: Buffer.alloc(2_000, 'x') })
})

test('messages sent on the bare socket keep their order with earlier writes', async () => {
  const { client, connection } = await pair()
  void connection.writeText('first')
  connection.socket.send('second')
  connection.socket.send('third', { compress: true })
  connection.socket.send('fourth', () => {})
  connection.socket.ping('fifth')
  connection.socket.pong('sixth')
  void connection.writeText('seventh')
  const payloads = []
  for (let i = 0; i < 7; i++) payloads.push((await client.frame()).payload.toString())
  expect(payloads).toEqual(['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh'])
})

test('messages of about the size up to which payloads are copied arrive unchanged, alone and together', async () => {
  const { client, connection } = await pair()
  const payloads = Array.from({ length: 30 }, (_, i) => randomBytes(4_085 + i))
  for (const payload of payloads) await connection.writeBinary(payload)
  for (const payload of payloads) void connection.writeBinary(payload)
  for (const payload of payloads) void connection.writeBinary(Buffer.concat([payload, payload]))
  const expected = [...payloads, ...payloads, ...payloads.map((payload) => Buffer.concat([payload, payload]))]
  for (const payload of expected) {
    const frame = await client.frame()
    expect(frame.opcode).toBe(2)
    expect(frame.payload.equals(payload)).toBe(true)
  }
})
