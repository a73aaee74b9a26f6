import fc from 'fast-check'
import { CloseCode, type RateLimit, type WebSocketConnection } from '../../src/index.ts'
import { TokenBucket } from '../../src/connection/read/token-bucket.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

type Handler = (ws: WebSocketConnection) => Promise<void>

const readers: [string, Handler][] = [
  [
    'for await',
    async (ws) => {
      for await (const { type, data } of ws) await ws.writeMessage(type, data)
    }
  ],
  [
    'readMessage',
    async (ws) => {
      for (;;) {
        const { type, data } = await ws.readMessage()
        await ws.writeMessage(type, data)
      }
    }
  ]
]

const serve = (rateLimit: RateLimit, handler: Handler, config = {}) =>
  startServer((app) => void app.webSocketWithConfig('/ws', handler, { rateLimit, ...config }))

const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `message ${i}`)

describe.each(readers)("'pause', read by %s", (_how, handler) => {
  test('delivers every message in order, at the configured rate', async () => {
    const { ws } = await serve({ messages: 100, burst: 10 }, handler, { readBufferSize: 200 })
    const client = await connect(ws('/ws'))
    const start = performance.now()
    for (const text of numbered(60)) client.socket.send(text)
    await client.until(() => client.messages.length >= 60)
    expect(client.messages.map(({ data }) => data)).toEqual(numbered(60))
    // 50 messages over the burst, at 100 per second.
    expect(performance.now() - start).toBeGreaterThan(400)
  })

  test('reads the waiting messages after the client has left', async () => {
    const got: string[] = []
    const { ws } = await serve({ messages: 0.001, burst: 1 }, async (connection) => {
      await handler({
        readMessage: () => connection.readMessage(),
        [Symbol.asyncIterator]: () => connection[Symbol.asyncIterator](),
        writeMessage: async (_type: number, data: Buffer) => void got.push(data.toString())
      } as unknown as WebSocketConnection)
    })
    const client = await connect(ws('/ws'))
    for (const text of numbered(20)) client.socket.send(text)
    await eventually(() => got.length === 1)
    client.socket.close(1000)
    await eventually(() => got.length === 20)
    expect(got).toEqual(numbered(20))
  })
})

test('bytes: a message larger than the limit passes, and the next one waits until the bytes are refilled', async () => {
  const { ws } = await serve({ messages: 1000, bytes: 20_000 }, (readers[0] as [string, Handler])[1])
  const client = await connect(ws('/ws'))
  const start = performance.now()
  for (let i = 0; i < 3; i++) client.socket.send('x'.repeat(25_000))
  await client.until(() => client.messages.length === 3)
  expect(performance.now() - start).toBeGreaterThan(1000)
})

test("'close': closes with 1008 and does not read the messages over the limit", async () => {
  const got: string[] = []
  const { ws } = await serve({ messages: 1, burst: 3, onLimit: 'close' }, async (connection) => {
    for await (const { data } of connection) got.push(data.toString())
  })
  const client = await connect(ws('/ws'))
  for (const text of numbered(10)) client.socket.send(text)
  expect(await client.close()).toEqual({ code: CloseCode.PolicyViolation, reason: 'rate limit exceeded' })
  expect(got).toEqual(numbered(3))
})

test('onLimit: is called with the connection and drops the message; if it throws, the error is only logged', async () => {
  let calls = 0
  const onLimit = (ws: { writeText(text: string): Promise<void> }): void => {
    calls++
    if (calls === 1) throw new Error('sync')
    if (calls === 2) return void 0
    void ws.writeText('Rate limit exceeded')
  }
  const { ws, logs } = await serve({ messages: 0.001, burst: 2, onLimit }, (readers[0] as [string, Handler])[1])
  const client = await connect(ws('/ws'))
  for (const text of numbered(5)) client.socket.send(text)
  await client.until(() => client.messages.length === 3)
  expect(client.messages.map(({ data }) => data)).toEqual(['message 0', 'message 1', 'Rate limit exceeded'])
  expect(calls).toBe(3)
  expect(logs.filter(({ msg }) => msg === 'onLimit of a rateLimit failed')).toHaveLength(1)
  expect(client.closed).toBeUndefined()
})

test('onLimit: a rejected promise is logged and does not end the process', async () => {
  const { ws, logs } = await serve(
    { messages: 0.001, burst: 1, onLimit: async () => Promise.reject(new Error('async')) },
    (readers[0] as [string, Handler])[1]
  )
  const client = await connect(ws('/ws'))
  for (const text of numbered(3)) client.socket.send(text)
  await eventually(() => logs.filter(({ msg }) => msg === 'onLimit of a rateLimit failed').length === 2)
  expect(await client.next()).toBe('message 0')
})

test('a token bucket never exceeds its size at once or its rate over time, and recovers from debt', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.1, max: 1000, noNaN: true }),
      fc.integer({ min: 1, max: 100 }),
      fc.array(fc.record({ pause: fc.integer({ min: -50, max: 2000 }), want: fc.integer({ min: 1, max: 50 }) }), {
        maxLength: 50
      }),
      (perSecond, size, steps) => {
        const bucket = new TokenBucket(perSecond, size, 0)
        let time = 0
        let passed = 0
        let taken = 0
        for (const { pause, want } of steps) {
          time += pause
          passed += Math.max(0, pause)
          for (let i = 0; i < want && bucket.hasAny(time); i++) {
            bucket.take(1)
            taken++
          }
          expect(taken).toBeLessThanOrEqual(size + (passed * perSecond) / 1000 + 0.001)
        }
      }
    )
  )
})
