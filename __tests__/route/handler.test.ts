import { once } from 'node:events'
import { CloseError, type WebSocketConnection } from '../../src/index.ts'
import { RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, type LogLine, startServer } from '../support/server.ts'

const unhandled: unknown[] = []
const note = (reason: unknown): void => void unhandled.push(reason)

beforeAll(() => {
  process.on('unhandledRejection', note)
  process.on('uncaughtException', note)
})

afterEach(async () => {
  await closeServers()
  await new Promise((resolve) => setTimeout(resolve, 5))
  if (unhandled.length > 0) throw new Error(`unhandled: ${String(unhandled.splice(0)[0])}`)
})

afterAll(() => {
  process.off('unhandledRejection', note)
  process.off('uncaughtException', note)
})

/** The log lines about failed handlers. */
function failures(logs: LogLine[]): LogLine[] {
  return logs.filter(({ msg }) => msg === 'websocket handler failed')
}

type Handler = (ws: WebSocketConnection) => void | Promise<void>

async function serve(handler: Handler, config = {}): Promise<{ port: number; url: string; logs: LogLine[] }> {
  const { port, ws, logs } = await startServer((app) => {
    app.webSocketWithConfig('/ws', handler, config)
    app.webSocket('/healthy', async (ws) => {
      for await (const { type, data } of ws) await ws.writeMessage(type, data)
    })
  })
  return { port, url: ws('/ws'), logs }
}

test.each<[string, Handler, number, string]>([
  ['returns at once', () => {}, 1000, 'handler returned'],
  ['returns a value', (() => 5) as unknown as Handler, 1000, 'handler returned'],
  ['resolves', async () => {}, 1000, 'handler returned'],
  [
    'throws',
    () => {
      throw new Error('a secret of ours')
    },
    1011,
    'internal error'
  ],
  [
    'rejects',
    async () => {
      throw new Error('a secret of ours')
    },
    1011,
    'internal error'
  ],
  [
    'rejects with nothing',
    async () => {
      throw undefined
    },
    1011,
    'internal error'
  ],
  [
    'rejects with a string',
    async () => {
      throw 'text'
    },
    1011,
    'internal error'
  ],
  [
    'rejects with its own close code',
    async () => {
      throw Object.assign(new Error('not you'), { closeCode: 1008, reason: 'not you' })
    },
    1008,
    'not you'
  ],
  [
    'rejects with an application close code',
    async () => {
      throw Object.assign(new Error('x'), { closeCode: 4400 })
    },
    4400,
    ''
  ],
  [
    'rejects with a code that cannot be sent',
    async () => {
      throw Object.assign(new Error('x'), { closeCode: 1005 })
    },
    1011,
    'internal error'
  ],
  [
    'rejects with the CloseError of another connection',
    async () => {
      throw new CloseError({ code: 1000, reason: 'chosen by the client of that one', wasClean: true })
    },
    1000,
    ''
  ]
])('a handler that %s', async (_name, handler, code, reason) => {
  const { url, logs } = await serve(handler)
  const client = await connect(url)
  expect(await client.close()).toEqual({ code, reason })
  await eventually(
    () =>
      failures(logs).length === (code === 1000 && _name !== 'rejects with the CloseError of another connection' ? 0 : 1)
  )
})

test('bad JSON that the handler does not catch closes with 1007', async () => {
  const { url, logs } = await serve(async (ws) => {
    for (;;) await ws.writeJSON(await ws.readJSON())
  })
  const client = await connect(url)
  client.socket.send('{')
  expect((await client.close()).code).toBe(1007)
  expect(failures(logs)).toHaveLength(1)
})

test.each<[string, (client: RawClient) => void]>([
  ['is reset', (client) => client.reset()],
  ['ends', (client) => void client.socket.end()]
])('a client that %s does not make a handler that reads, writes or waits fail', async (_name, leave) => {
  let settled = 0
  const handlers: Handler[] = [
    async (ws) => void (await ws.readMessage()),
    async (ws) => void (await ws.readJSON()),
    async (ws) => {
      for (;;) {
        await ws.writeText('tick')
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
    async (ws) => void (await once(ws.socket, 'never', { signal: ws.signal })),
    async (ws) => {
      await new Promise((_resolve, reject) =>
        ws.signal.addEventListener('abort', () => reject(ws.signal.reason as Error))
      )
    }
  ]
  const { port, ws, logs } = await startServer((app) => {
    for (const [i, handler] of handlers.entries()) {
      app.webSocket(`/${i}`, async (connection) => {
        try {
          await handler(connection)
        } finally {
          settled++
        }
      })
    }
  })
  expect(ws('/')).toContain('ws://')
  for (const i of handlers.keys()) leave(await new RawClient(port).open(`/${i}`))
  await eventually(() => settled === handlers.length)
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect(failures(logs)).toEqual([])
})

test('unawaited writes before and after the close cause no unhandled rejection', async () => {
  let connection: WebSocketConnection | undefined
  const { url } = await serve(async (ws) => {
    connection = ws
    for (let i = 0; i < 100; i++) void ws.writeText('x'.repeat(10_000))
    void ws.writeJSON(1n)
    void ws.close(1)
    void ws.ping('x'.repeat(200))
  })
  const client = await connect(url)
  await client.close()
  expect(client.messages).toHaveLength(100)
  await eventually(() => connection?.closeInfo !== undefined)
  for (let i = 0; i < 100; i++) void connection?.writeText('too late')
  void connection?.close()
  void connection?.closeGracefully(10)
  connection?.terminate()
})

test('a handler that never returns blocks no other connection', async () => {
  const { port, url } = await serve(() => new Promise(() => {}))
  await connect(url)
  const healthy = await connect(`ws://127.0.0.1:${port}/healthy`)
  healthy.socket.send('echo')
  expect(await healthy.next()).toBe('echo')
})

test('a handler that catches the close and returns is not logged as failed', async () => {
  const { url, logs } = await serve(async (ws) => {
    try {
      await ws.readMessage()
    } catch {
      // The client has left.
    }
  })
  const client = await connect(url)
  client.socket.terminate()
  await client.close()
  expect(failures(logs)).toEqual([])
})

test('logs a handler that fails after the connection has ended', async () => {
  const { url, logs } = await serve(async (ws) => {
    for await (const _message of ws);
    throw new Error('while tidying up')
  })
  const client = await connect(url)
  client.socket.close(1000)
  await eventually(() => failures(logs).length === 1)
  expect(failures(logs)[0]).toMatchObject({ err: { message: 'while tidying up' } })
})

test('state: ids are unique, locals are kept, and headers and query are readable', async () => {
  const ids = new Set<string>()
  const { url } = await serve(async (ws) => {
    ids.add(ws.id)
    expect(ws.id).toBe(ws.id)
    const before = ws.getLocal('nothing')
    ws.setLocal('__proto__', { polluted: true })
    ws.setLocal('count', 1)
    const context = ws.context()
    await ws.writeJSON({
      before: before ?? null,
      count: ws.getLocal<number>('count'),
      polluted: ({} as { polluted?: boolean }).polluted ?? null,
      agent: ws.userAgent(),
      custom: ws.header('X-CUSTOM'),
      missing: ws.header('missing'),
      proto: ws.header('__proto__'),
      query: [context.query('a'), context.query('missing'), context.query('__proto__'), context.query('list')],
      param: context.param('missing'),
      local: context.locals('nothing') ?? null,
      sameContext: context === ws.context(),
      shuttingDown: context.isShuttingDown(),
      aborted: context.shutdownSignal.aborted,
      hasLog: context.log === ws.request.log,
      remote: /^127\.0\.0\.1:\d+$/.test(ws.remoteAddr()),
      local_: ws.localAddr() === `127.0.0.1:${ws.request.raw.socket.localPort}`,
      protocol: ws.protocol,
      buffered: ws.bufferedAmount
    })
  })
  const client = await connect(`${url}?a=1&list=x&list=y`, [], {
    headers: { 'User-Agent': 'tester', 'X-Custom': 'yes' }
  })
  expect(JSON.parse(await client.next())).toEqual({
    before: null,
    count: 1,
    polluted: null,
    agent: 'tester',
    custom: 'yes',
    missing: '',
    proto: '',
    query: ['1', '', '', 'x'],
    param: '',
    local: null,
    sameContext: true,
    shuttingDown: false,
    aborted: false,
    hasLog: true,
    remote: true,
    local_: true,
    protocol: '',
    buffered: 0
  })
  await (await connect(url)).close()
  expect(ids.size).toBe(2)
})
