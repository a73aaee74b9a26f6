// Bugs found by adversarial testing, each as it was found.
import { once } from 'node:events'
import { BinaryMessage, type WebSocketConnection, WebSocketHub } from '../../src/index.ts'
import { Frame } from '../../src/connection/write/frame.ts'
import { SendQueue } from '../../src/connection/write/send-queue.ts'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer, TestClient } from '../support/server.ts'
import { cert, key } from '../support/tls.ts'

const unhandled: unknown[] = []
const note = (reason: unknown): void => void unhandled.push(reason)

beforeAll(() => {
  for (const event of ['unhandledRejection', 'uncaughtException', 'warning']) process.on(event, note)
})

afterAll(() => {
  for (const event of ['unhandledRejection', 'uncaughtException', 'warning']) process.off(event, note)
})

afterEach(async () => {
  await closeServers()
  await new Promise((resolve) => setTimeout(resolve, 5))
  if (unhandled.length > 0) throw new Error(`unhandled: ${String(unhandled.splice(0)[0])}`)
})

type Handler = (ws: WebSocketConnection) => unknown

/** A server with one route, and the connection of its first client. */
async function open(
  config: object,
  handler?: Handler
): Promise<{ port: number; url: string; hub: WebSocketHub; connection: Promise<WebSocketConnection> }> {
  let tell: (ws: WebSocketConnection) => void = () => {}
  const connection = new Promise<WebSocketConnection>((resolve) => {
    tell = resolve
  })
  const {
    app,
    port,
    ws: url
  } = await startServer((instance) => {
    instance.webSocketWithConfig(
      '/ws',
      async (ws) => {
        tell(ws)
        if (handler !== undefined) await handler(ws)
        else if (!ws.signal.aborted) await once(ws.signal, 'abort')
      },
      config
    )
  })
  return { port, url: url('/ws'), hub: app.wsHub, connection }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('over TLS, where writes are confirmed late, a reading client does not count as slow', async () => {
  const { app, port } = await startServer(
    (instance) => {
      instance.webSocket('/ws', async (ws) => {
        instance.wsHub.register(ws)
        for await (const { data } of ws) instance.wsHub.broadcast(data)
      })
    },
    { fastify: { https: { key, cert } } as never }
  )
  const client = new TestClient(`wss://127.0.0.1:${port}/ws`, [], { rejectUnauthorized: false })
  await once(client.socket, 'open')
  for (let i = 0; i < 2_000; i++) client.socket.send(`m${i}`)
  await client.until(() => client.messages.length === 2_000 || client.closed !== undefined)
  expect(client.closed).toBeUndefined()
  expect(client.messages.map(({ data }) => data)).toEqual(Array.from({ length: 2_000 }, (_, i) => `m${i}`))
  expect(app.wsHub.stats().drops).toBe(0)
})

test('sent frames leave a send queue that never becomes empty', () => {
  const queue = new SendQueue()
  for (let i = 0; i < 100_000; i++) {
    queue.push(new Frame().fill(1, Buffer.from(`${i}`)))
    if (i >= 100) queue.shift(queue.batch(1))
  }
  expect(queue.length).toBe(100)
  expect(queue.frames.length).toBeLessThan(400)
  queue.shift(queue.batch(1_000_000))
  expect([queue.length, queue.bytes, queue.frames.length]).toEqual([0, 0, 0])
})

test.each([[true], [false]])(
  'bytes may change after an awaited write, even with a large writeBufferSize (compression: %p)',
  async (perMessageDeflate) => {
    const { url } = await open({ writeBufferSize: 1024 * 1024 }, async (ws) => {
      const bytes = Buffer.alloc(40_000)
      for (let i = 0; i < 200; i++) {
        bytes.fill(i)
        await ws.writeBinary(bytes)
      }
    })
    const client = await connect(url, [], { perMessageDeflate })
    await client.close()
    const seen = client.messages.map(({ data }) => [data.charCodeAt(0), data.charCodeAt(39_999), data.length])
    expect(seen).toEqual(Array.from({ length: 200 }, (_, i) => [i, i, 40_000]))
  }
)

test('a burst that is slow to compress does not disconnect a healthy client', async () => {
  const { url, hub, connection } = await open({ sendQueueSize: 4 })
  const client = await connect(url)
  hub.register(await connection)
  for (let i = 0; i < 300; i++) hub.broadcast('x'.repeat(20_000) + i)
  await client.until(() => client.messages.length === 300 || client.closed !== undefined)
  expect(client.messages.map(({ data }) => data.slice(20_000))).toEqual(Array.from({ length: 300 }, (_, i) => `${i}`))
})

test('bufferedAmount returns to 0 after delayed compression', async () => {
  const { url, connection } = await open({})
  const client = await connect(url)
  const ws = await connection
  for (let i = 0; i < 1_000; i++) {
    expect(ws.writeAsync('y'.repeat(30_000))).toBe(true)
    await client.until(() => client.messages.length > i - 40)
  }
  await client.until(() => client.messages.length === 1_000)
  await eventually(() => ws.bufferedAmount === 0)
})

test('closing the underlying socket with an invalid code throws at the call', async () => {
  const { url } = await open({}, async (ws) => {
    void ws.writeText('F'.repeat(30_000))
    expect(() => ws.socket.close(9_999)).toThrow(RangeError)
    await ws.writeText('still open')
  })
  const client = await connect(url)
  expect((await client.close()).code).toBe(1000)
  expect(client.messages.at(-1)?.data).toBe('still open')
})

test('two concurrent next() calls of an iterator cause no unhandled rejection', async () => {
  const { url } = await open({}, async (ws) => {
    const messages = ws[Symbol.asyncIterator]()
    void messages.next()
    void messages.next()
    await once(ws.signal, 'abort')
  })
  const client = await connect(url)
  client.socket.close(1000)
  await client.close()
})

test('an async hub listener that rejects causes no unhandled rejection', async () => {
  const { url, hub, connection } = await open({})
  hub.on('register', async () => {
    throw new Error('later')
  })
  await connect(url)
  expect(hub.register(await connection)).toBe(true)
  await turn()
})

test('a handler that throws an object with throwing getters closes with 1011', async () => {
  const { url } = await open({}, () => {
    throw new Proxy(
      {},
      {
        get: () => {
          throw new Error('in a getter')
        }
      }
    )
  })
  expect((await (await connect(url)).close()).code).toBe(1011)
})

test('a write dropped by the slow consumer policy rejects', async () => {
  const { port, hub, connection } = await open({ sendQueueSize: 1, writeTimeout: 0 })
  const client = await new RawClient(port).open('/ws')
  const ws = await connection
  hub.register(ws)
  client.socket.pause()
  for (;;) {
    void ws.writeBinary(Buffer.alloc(1024 * 1024))
    await turn()
    if (ws.bufferedAmount > 1024 * 1024) break
  }
  const important = ws.writeText('IMPORTANT')
  for (let i = 0; i < 5; i++) {
    await turn()
    hub.broadcast(`${i}`)
  }
  await expect(important).rejects.toMatchObject({ closeCode: 1013 })
})

test('a listener that unregisters a connection while it joins leaves no room behind', async () => {
  const { url, hub, connection } = await open({})
  hub.on('register', (ws) => hub.unregister(ws))
  await connect(url)
  expect(hub.join(await connection, 'room')).toBe(false)
  expect(hub.getRooms()).toEqual([])
})

test('a broadcast from a listener follows the broadcast that triggered it, for every recipient', async () => {
  const { url, hub, port } = await open({ sendQueueSize: 1, writeTimeout: 0 }, async (ws) => {
    hubOf.register(ws)
    for await (const _message of ws);
  })
  const hubOf = hub
  const first = await connect(url)
  const slow = await new RawClient(port).open('/ws')
  await eventually(() => hub.getClientCount() === 2)
  const last = await connect(url)
  await eventually(() => hub.getClientCount() === 3)
  hub.on('unregister', () => hub.broadcast('left'))
  slow.socket.pause()
  for (let i = 0; hub.getClientCount() === 3 && i < 1_000; i++) {
    hub.broadcast(Buffer.alloc(256 * 1024), { type: BinaryMessage })
    await turn()
  }
  hub.broadcast('end')
  for (const client of [first, last]) await client.until(() => client.messages.at(-1)?.data === 'end')
  expect(first.messages.map(({ data }) => data.slice(0, 5))).toEqual(last.messages.map(({ data }) => data.slice(0, 5)))
  expect(first.messages.at(-2)?.data).toBe('left')
})

test('messages sent directly on the underlying socket do not block later writes', async () => {
  const { port, connection } = await open({ writeTimeout: 500 })
  const client = await new RawClient(port).open('/ws')
  const ws = await connection
  client.socket.pause()
  for (let i = 0; i < 12; i++) {
    void ws.writeBinary(Buffer.alloc(512 * 1024))
    await turn()
    ws.socket.send(Buffer.alloc(512 * 1024))
  }
  client.socket.resume()
  await ws.writeText('last')
  for (;;) if ((await client.frame()).payload.toString() === 'last') break
})

test('messages waiting for compression count as unsent', async () => {
  const { url, connection } = await open({})
  await connect(url)
  const ws = await connection
  for (let i = 0; i < 300; i++) void ws.writeBinary(Buffer.alloc(1_000_000, i))
  expect(ws.bufferedAmount).toBeLessThan(20 * 1024 * 1024)
  expect(ws.isClosed()).toBe(true)
})

test.each([
  ['ends', (client: TestClient) => client.socket.close(1000)],
  ['resets', (client: TestClient) => client.socket.terminate()]
])('compressed messages that have arrived are read, even if the client %s meanwhile', async (_name, leave) => {
  let start: () => void = () => {}
  const started = new Promise<void>((resolve) => {
    start = resolve
  })
  let count = 0
  const { url, connection } = await open({ pingInterval: 50 }, async (ws) => {
    await started
    for await (const _message of ws) count++
  })
  const client = await connect(url, [], { perMessageDeflate: { threshold: 0 } })
  const sent = Array.from(
    { length: 60 },
    () => new Promise((resolve) => client.socket.send('z'.repeat(100_000), resolve))
  )
  await Promise.all(sent)
  const ws = await connection
  await eventually(() => ws.socket.isPaused)
  leave(client)
  await new Promise((resolve) => setTimeout(resolve, 200))
  start()
  await eventually(() => ws.closeInfo !== undefined)
  await eventually(() => count === 60, `60 messages, ${count} so far`)
})

test('a close is bounded in time even without a writeTimeout', async () => {
  const { port, connection } = await open({ writeTimeout: 0 })
  const client = await new RawClient(port).open('/ws')
  const ws = await connection
  client.socket.pause()
  for (let i = 0; i < 12; i++) void ws.writeBinary(Buffer.alloc(1024 * 1024))
  await ws.close()
  expect(ws.closeInfo).toMatchObject({ code: 1000, wasClean: false })
})

test('one signal may abort the reads of many connections', async () => {
  const { url } = await open({}, async (ws) => {
    for (let i = 0; i < 20; i++) void ws.readMessage({ signal: ws.context().shutdownSignal }).catch(() => {})
    for (let i = 0; i < 20; i++) ws.signal.addEventListener('abort', () => {})
    await once(ws.signal, 'abort')
  })
  const clients = await Promise.all(Array.from({ length: 20 }, () => connect(url)))
  for (const client of clients) client.socket.terminate()
  const pings = new RawClient(Number(new URL(url).port))
  await pings.open('/ws')
  pings.socket.write(clientFrame(9, 'x'))
  expect((await pings.frame()).opcode).toBe(10)
})

test('the HTTP response of an upgrade closes with the 101, before the handler runs', async () => {
  const seen: string[] = []
  const { ws } = await startServer((instance) => {
    instance.addHook(
      'onRequest',
      async (_request, reply) => void reply.raw.once('close', () => seen.push('response closed'))
    )
    instance.webSocket('/ws', async (connection) => {
      seen.push('handler runs')
      await connection.writeText('hello')
    })
  })
  const client = await connect(ws('/ws'))
  expect(await client.next()).toBe('hello')
  await client.close()
  expect(seen).toEqual(['response closed', 'handler runs'])
})
