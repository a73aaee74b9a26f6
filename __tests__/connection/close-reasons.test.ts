import { deflateRawSync } from 'node:zlib'
import type { WebSocket } from 'ws'
import { WebSocketHub, type WebSocketConnection } from '../../src/index.ts'
import { read } from '../docs/support/markdown.ts'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer, type TestServer } from '../support/server.ts'

afterEach(closeServers)

// The close code and the reason are all that a client learns about why it was closed.

const hub = new WebSocketHub()
const deflated = (text: string | Buffer): Buffer => deflateRawSync(text, { finishFlush: 2 }).subarray(0, -4)

/** A server with a route for each way to close a connection. */
function serve(): Promise<TestServer> {
  return startServer((app) => {
    const reading = async (ws: WebSocketConnection): Promise<void> => {
      for await (const message of ws) void message
    }
    app.webSocket('/returns', () => {})
    app.webSocket('/throws', () => {
      throw new Error('SELECT password FROM users')
    })
    app.webSocket('/json', (ws) => ws.readJSON())
    app.webSocket('/room', async (ws) => app.wsHub.join(ws, (await ws.readMessage()).data.toString()))
    app.webSocket('/key', async (ws) =>
      app.wsHub.presence.set(ws, 'room', null, { key: (await ws.readMessage()).data.toString() })
    )
    app.webSocket('/info', async (ws) => app.wsHub.presence.set(ws, 'room', (await ws.readMessage()).data.toString()))
    app.webSocket('/unregistered', (ws) => {
      hub.register(ws)
      hub.unregister(ws)
      return reading(ws)
    })
    app.webSocket('/disconnected', (ws) => {
      hub.register(ws)
      hub.disconnect(ws)
      return reading(ws)
    })
    app.webSocketWithConfig('/reads', reading, { maxMessageSize: 1000, maxFragments: 2, compressionThreshold: 0 })
    app.webSocket('/socket', (ws) => {
      ws.socket.close(1008)
      return reading(ws)
    })
  })
}

type Row = [path: string, frames: Buffer[], code: number, reason: string]
const frame = (text: string): Buffer[] => [clientFrame(1, text)]
const ROWS: Row[] = [
  ['/returns', [], 1000, 'handler returned'],
  ['/throws', [], 1011, 'internal error'],
  ['/json', frame('{"password": secret'), 1007, 'invalid JSON'],
  ['/json', frame('{"__proto__":{"x":1}}'), 1007, 'invalid JSON'],
  ['/json', [clientFrame(2, Buffer.from([0xff]))], 1007, 'invalid JSON'],
  ['/room', frame('x'.repeat(257)), 1008, 'invalid room name'],
  ['/room', frame(''), 1008, 'invalid room name'],
  ['/key', frame('x'.repeat(257)), 1008, 'invalid presence key'],
  ['/info', frame('x'.repeat(9000)), 1008, 'invalid presence info'],
  ['/unregistered', [], 1000, 'unregistered'],
  ['/disconnected', [], 1008, 'disconnected'],
  ['/reads', [clientFrame(1, 'x', { masked: false })], 1002, 'protocol error'],
  ['/reads', [clientFrame(3, 'x')], 1002, 'protocol error'],
  ['/reads', [clientFrame(8, Buffer.from([0x03, 0xed]))], 1002, 'protocol error'],
  ['/reads', [clientFrame(1, Buffer.from([0xc3, 0x28]))], 1007, 'invalid UTF-8'],
  ['/reads', [clientFrame(1, Buffer.from('garbage'), { rsv: 4 })], 1007, 'invalid compressed data'],
  [
    '/reads',
    [clientFrame(1, 'a', { fin: false }), clientFrame(0, 'b', { fin: false }), clientFrame(0, 'c')],
    1008,
    'too many fragments'
  ],
  ['/reads', [clientFrame(1, 'x'.repeat(1001))], 1009, 'message too big'],
  ['/reads', [clientFrame(1, deflated(Buffer.alloc(5000)), { rsv: 4 })], 1009, 'message too big'],
  // If the application or the client gives no reason, the reason is empty.
  ['/socket', [], 1008, ''],
  ['/reads', [clientFrame(8, Buffer.from([0x03, 0xf0]))], 1008, ''],
  ['/reads', [clientFrame(8)], 1005, '']
]

test.each(ROWS)('%s with %p closes with %i %p', async (path, frames, code, reason) => {
  const { port } = await serve()
  const client = await new RawClient(port).open(path, { 'sec-websocket-extensions': 'permessage-deflate' })
  client.socket.write(Buffer.concat(frames))
  let payload: Buffer | undefined
  while (payload === undefined) {
    const next = await client.frame()
    if (next.opcode === 8) payload = next.payload
  }
  expect(payload.length < 2 ? 1005 : payload.readUInt16BE(0)).toBe(code)
  expect(payload.toString('utf8', 2)).toBe(reason)
})

test('a server and a hub that shut down give that as the reason', async () => {
  const own = new WebSocketHub()
  const { app, ws } = await startServer((instance) => {
    const waiting = (ws: WebSocketConnection): Promise<void> =>
      new Promise((resolve) => ws.signal.addEventListener('abort', () => resolve()))
    instance.webSocket('/hub', (ws) => (own.register(ws), waiting(ws)))
    instance.webSocket('/server', async (ws) => void (await ws.readMessage()))
  })
  const [inHub, onServer] = [await connect(ws('/hub')), await connect(ws('/server'))]
  await own.shutdown(1_000)
  expect(await inHub.close()).toEqual({ code: 1001, reason: 'hub shutting down' })
  await app.close()
  expect(await onServer.close()).toEqual({ code: 1001, reason: 'server shutting down' })
})

test('a client that does not answer the shutdown is dropped, and the log has the reason', async () => {
  const { app, port, logs } = await startServer(
    (instance) => {
      instance.webSocket('/ws', async (ws) => void (await ws.readMessage()))
    },
    { shutdown: { grace: 10, timeout: 50 } }
  )
  await new RawClient(port).open('/ws')
  await app.close()
  await eventually(() => logs.some(({ msg }) => msg === 'websocket closed'))
  expect(logs.find(({ msg }) => msg === 'websocket closed')).toMatchObject({
    code: 1001,
    reason: 'server shutting down',
    wasClean: false
  })
})

test('docs/errors.md lists every reason', () => {
  const page = read('docs/errors.md')
  const reasons = new Set([
    ...ROWS.map((row) => row[3]).filter((reason) => reason !== ''),
    'server shutting down',
    'hub shutting down'
  ])
  for (const reason of reasons) expect(page).toContain(`\`${reason}\``)
})

test('a socket of @fastify/websocket closes as before, without a reason', async () => {
  const { port } = await startServer((app) => {
    app.get('/plain', { websocket: true }, (socket: WebSocket) => void socket.on('error', () => {}))
  })
  const client = await new RawClient(port).open('/plain')
  client.socket.write(clientFrame(3, 'x'))
  expect((await client.frame()).payload).toEqual(Buffer.from([0x03, 0xea]))
})
