import { once } from 'node:events'
import { pipeline } from 'node:stream/promises'
import { createWebSocketStream, type WebSocket } from 'ws'
import type { WebSocketConfig, WebSocketConnection } from '../../src/index.ts'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer, type TestServer } from '../support/server.ts'

afterEach(closeServers)

// Applications pass `ws.socket` to libraries that expect a socket of `ws` and do not know this package.

const CLOSE_1000 = clientFrame(8, Buffer.from([0x03, 0xe8]))
const LONG = 60_000
const texts = (count: number): string[] => Array.from({ length: count }, (_, i) => `message ${i}`)
const frames = (count: number): Buffer[] => texts(count).map((text) => clientFrame(1, text))
const closes = (socket: WebSocket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()))

interface Route extends TestServer {
  url: string
  connections: WebSocketConnection[]
}

/** A route that passes the bare socket to `use` and waits until the socket closes. */
async function route(
  use: (socket: WebSocket, ws: WebSocketConnection) => unknown,
  config: Partial<WebSocketConfig> = {}
): Promise<Route> {
  const connections: WebSocketConnection[] = []
  const server = await startServer(
    (app) => {
      app.webSocketWithConfig(
        '/ws',
        async (ws) => {
          connections.push(ws)
          const closed = closes(ws.socket)
          await use(ws.socket, ws)
          await closed
        },
        { closeTimeout: LONG, ...config }
      )
    },
    { shutdown: { grace: 50 } }
  )
  return { ...server, url: server.ws('/ws'), connections }
}

async function* ticks(): AsyncGenerator<string> {
  for (;;) {
    yield 'tick'
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

const LISTENERS: Record<string, (socket: WebSocket) => void> = {
  on: (socket) => void socket.on('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary })),
  addListener: (socket) =>
    void socket.addListener('message', (data, isBinary) => socket.send(data as Buffer, { binary: isBinary })),
  prependListener: (socket) =>
    void socket.prependListener('message', (data: Buffer, isBinary: boolean) =>
      socket.send(data, { binary: isBinary })
    ),
  addEventListener: (socket) => socket.addEventListener('message', ({ data }) => socket.send(data as Buffer)),
  'addEventListener with an object': (socket) =>
    socket.addEventListener('message', { handleEvent: ({ data }: { data: Buffer }) => socket.send(data) } as never),
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- this form is under test
  onmessage: (socket) => void (socket.onmessage = ({ data }) => socket.send(data as Buffer)),
  'once, again and again': (socket) => {
    const next = (): void =>
      void socket.once('message', (data, isBinary) => {
        socket.send(data as Buffer, { binary: isBinary })
        next()
      })
    next()
  },
  createWebSocketStream: (socket) => {
    const stream = createWebSocketStream(socket)
    stream.on('error', () => {})
    stream.pipe(stream)
  }
}

describe.each(Object.keys(LISTENERS))('a listener added with %s', (name) => {
  const use = LISTENERS[name] as (socket: WebSocket) => void

  test.each([
    ['', {}, { perMessageDeflate: false }],
    [', compressed', {}, { perMessageDeflate: { threshold: 0 } }],
    [', with an empty read queue', { readBufferSize: 0 }, { perMessageDeflate: false }],
    [', compressed, with an empty read queue', { readBufferSize: 0 }, { perMessageDeflate: { threshold: 0 } }]
  ])('gets every message%s, and the close', async (_title, config, options) => {
    const { url, connections } = await route(use, config)
    const client = await connect(url, [], options)
    const sent = texts(2_000).map((text) => `${text} ${'.'.repeat(50)}`)
    const got = (): string => client.messages.map(({ data }) => data).join('')
    for (const text of sent) client.socket.send(text)
    // How much a stream has buffered when the close frame arrives is not predictable.
    if (name === 'createWebSocketStream') await client.until(() => got().length === sent.join('').length)
    client.socket.close(1000)
    expect((await client.close()).code).toBe(1000)
    expect(got() === sent.join('')).toBe(true)
    await eventually(() => connections[0]?.closeInfo !== undefined)
    expect(connections[0]?.closeInfo).toEqual({ code: 1000, reason: '', wasClean: true })
  })

  test('gets messages that arrived before it was added', async () => {
    const { port } = await route(async (socket) => {
      await new Promise((resolve) => setTimeout(resolve, 30))
      use(socket)
    })
    const client = await new RawClient(port).open('/ws', {}, Buffer.concat(frames(500)))
    const got: string[] = []
    while (got.length < 500) got.push((await client.frame()).payload.toString())
    expect(got).toEqual(texts(500))
  })
})

test('a listener gets a Buffer and the isBinary flag; binaryType changes only the type of the data', async () => {
  const seen: unknown[] = []
  const { url } = await route((socket) => {
    socket.on('message', (data, isBinary) => {
      seen.push([Object.prototype.toString.call(data), Buffer.isBuffer(data), isBinary, socket.binaryType])
      socket.send('seen')
    })
    socket.on('ping', () => (socket.binaryType = 'arraybuffer'))
    socket.on('pong', () => (socket.binaryType = 'fragments'))
  })
  const client = await connect(url)
  const send = async (data: string | Buffer): Promise<void> => {
    client.socket.send(data)
    await client.next()
  }
  await send('text')
  await send(Buffer.from('bytes'))
  client.socket.ping()
  await send('text')
  await send(Buffer.from('bytes'))
  client.socket.pong()
  await send(Buffer.from('bytes'))
  expect(seen).toEqual([
    ['[object Uint8Array]', true, false, 'nodebuffer'],
    ['[object Uint8Array]', true, true, 'nodebuffer'],
    ['[object Uint8Array]', true, false, 'arraybuffer'],
    ['[object ArrayBuffer]', false, true, 'arraybuffer'],
    ['[object Array]', false, true, 'fragments']
  ])
})

test('reads still return Buffers after binaryType is set', async () => {
  const { ws } = await startServer((app) => {
    app.webSocket('/ws', async (ws) => {
      ws.socket.binaryType = 'arraybuffer'
      for await (const { data, type } of ws) await ws.writeJSON([type, Buffer.isBuffer(data), data.toString()])
    })
  })
  const client = await connect(ws('/ws'))
  client.socket.send(Buffer.from('bytes'))
  expect(JSON.parse(await client.next())).toEqual([2, true, 'bytes'])
})

describe('one reader at a time', () => {
  const codeOf = (read: Promise<unknown>): Promise<unknown> =>
    read.then(
      () => 'a message',
      (error: { code: unknown }) => error.code
    )

  test('reads are refused while there are listeners, even inside a listener or while paused', async () => {
    const { url } = await route(async (socket, ws) => {
      socket.on('message', async () => socket.send(JSON.stringify(['inside', await codeOf(ws.readMessage())])))
      socket.send(
        JSON.stringify([
          await codeOf(ws.readMessage()),
          await codeOf(ws[Symbol.asyncIterator]().next()),
          await codeOf(ws.readJSON())
        ])
      )
      socket.pause()
      socket.send(JSON.stringify([await codeOf(ws.readMessage())]))
      socket.resume()
    })
    const client = await connect(url)
    const refused = 'FST_BLAZE_WS_CONCURRENT_READ'
    expect(JSON.parse(await client.next())).toEqual([refused, refused, refused])
    expect(JSON.parse(await client.next())).toEqual([refused])
    client.socket.send('x')
    client.socket.send('y')
    expect(JSON.parse(await client.next())).toEqual(['inside', refused])
    expect(JSON.parse(await client.next())).toEqual(['inside', refused])
  })

  test('adding the first listener refuses a waiting read, with an error that says what to do', async () => {
    const { url } = await route(async (socket, ws) => {
      const read = ws.readMessage()
      socket.on('message', (data) => socket.send(`listener ${(data as Buffer).toString()}`))
      socket.send(
        await read.then(
          () => '',
          (error: Error) => error.message
        )
      )
    })
    const client = await connect(url)
    expect(await client.next()).toMatch(/remove the "message" listeners of ws.socket/)
    client.socket.send('x')
    expect(await client.next()).toBe('listener x')
  })

  test.each<[string, (socket: WebSocket, listener: () => void) => void]>([
    ['off', (socket, listener) => void socket.off('message', listener)],
    ['removeListener', (socket, listener) => void socket.removeListener('message', listener)],
    ['removeAllListeners', (socket) => void socket.removeAllListeners()],
    ["removeAllListeners('message')", (socket) => void socket.removeAllListeners('message')]
  ])('after %s removes the last listener, reads get the next message, and none is lost', async (_name, remove) => {
    const { port } = await startServer((app) => {
      app.webSocket('/ws', async (ws) => {
        const seen: string[] = []
        await new Promise<void>((resolve) => {
          const listener = (data?: unknown): void => {
            seen.push(String(data))
            if (seen.length < 3) return
            remove(ws.socket, listener)
            resolve()
          }
          ws.socket.on('message', listener)
        })
        for await (const { data } of ws) if (seen.push(data.toString()) === 10) await ws.writeJSON(seen)
      })
    })
    const client = await new RawClient(port).open('/ws', {}, Buffer.concat(frames(10)))
    expect(JSON.parse((await client.frame()).payload.toString())).toEqual(texts(10))
  })

  test('events.once takes one message, and reads get the rest', async () => {
    const { port } = await startServer((app) => {
      app.webSocket('/ws', async (ws) => {
        const [first] = (await once(ws.socket, 'message')) as [Buffer]
        await ws.writeText(`once ${first.toString()}`)
        for await (const { data } of ws) await ws.writeText(`loop ${data.toString()}`)
      })
    })
    const client = await new RawClient(port).open('/ws', {}, Buffer.concat([...frames(3), CLOSE_1000]))
    const got: string[] = []
    for (let i = 0; i < 3; i++) got.push((await client.frame()).payload.toString())
    expect(got).toEqual(['once message 0', 'loop message 1', 'loop message 2'])
    expect(await client.closeCode()).toBe(1000)
  })

  test('a listener that is removed right after it was added takes no message', async () => {
    const { url } = await startServer((app) => {
      app.webSocket('/ws', async (ws) => {
        const listener = (): void => {}
        ws.socket.on('message', listener).off('message', listener)
        for await (const { data } of ws) await ws.writeText(data.toString())
      })
    }).then((server) => ({ url: server.ws('/ws') }))
    const client = await connect(url)
    client.socket.send('x')
    expect(await client.next()).toBe('x')
  })
})

describe('pausing', () => {
  test('a paused socket delivers nothing, buffers a limited amount and loses nothing', async () => {
    let got = 0
    const { url, connections } = await route(
      (socket) => {
        socket.on('message', () => got++)
        socket.pause()
        expect(socket.isPaused).toBe(true)
      },
      { pingInterval: 50, pongTimeout: 600, readTimeout: 600 }
    )
    const client = await connect(url, [], { perMessageDeflate: false })
    let sent = 0
    const chunk = Buffer.alloc(20_000)
    while (client.socket.bufferedAmount === 0 || sent < 300) {
      client.socket.send(chunk)
      sent++
      if (sent % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    // Longer than its timeouts: they must not apply while the server does not read from the client.
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    const ws = connections[0] as WebSocketConnection
    expect(got).toBe(0)
    expect(ws.isClosed()).toBe(false)
    expect(ws.session.readQueue.unreadBytes).toBeLessThan(2_000_000)
    ws.socket.resume()
    await eventually(() => got === sent)
    expect(ws.socket.isPaused).toBe(false)
    client.socket.close()
    await client.close()
  })

  test('a listener may pause and resume on every message', async () => {
    const got: string[] = []
    const { port } = await route((socket) => {
      socket.on('message', (data) => {
        got.push((data as Buffer).toString())
        socket.pause()
        const before = got.length
        setImmediate(() => {
          expect(got.length).toBe(before)
          socket.resume()
        })
      })
    })
    const client = await new RawClient(port).open('/ws', {}, Buffer.concat([...frames(50), CLOSE_1000]))
    expect(await client.closeCode()).toBe(1000)
    expect(got).toEqual(texts(50))
  })

  test('if the connection breaks while paused, listeners get the buffered messages before the close event', async () => {
    const got: string[] = []
    const { port, connections } = await route((socket) => {
      socket.on('message', (data) => got.push((data as Buffer).toString()))
      socket.on('close', (code) => got.push(`closed ${code}`))
      socket.pause()
    })
    // Sent with the handshake, so that they have arrived when the handler pauses the socket.
    const client = await new RawClient(port).open('/ws', {}, Buffer.concat(frames(10)))
    await eventually(() => connections[0]?.socket.isPaused === true)
    expect(got).toEqual([])
    client.reset()
    await eventually(() => got.length === 11)
    expect(got).toEqual([...texts(10), 'closed 1006'])
  })

  test('closing a paused socket does not wait for resume()', async () => {
    const { url, connections } = await route((socket) => {
      socket.on('message', () => {})
      socket.pause()
      socket.close(4000)
    })
    expect((await (await connect(url)).close()).code).toBe(4000)
    await eventually(() => connections[0]?.closeInfo !== undefined)
    expect(connections[0]?.closeInfo).toEqual({ code: 4000, reason: '', wasClean: true })
  })

  test('a slowly read stream applies back-pressure to the client, and gets every message', async () => {
    let total = 0
    const { url } = await route(async (socket) => {
      const stream = createWebSocketStream(socket)
      for await (const chunk of stream) {
        total += (chunk as Buffer).length
        if (total % 5 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      await new Promise((resolve) => setImmediate(resolve))
    })
    const client = await connect(url)
    for (let i = 0; i < 200; i++) client.socket.send(Buffer.alloc(50_000))
    client.socket.close()
    await client.close()
    await eventually(() => total === 10_000_000)
  })
})

describe('sending to a client that has left', () => {
  test("calls back with a CloseError that has the client's close code", async () => {
    const told: unknown[] = []
    const { url } = await route((socket) => {
      const note = (error?: Error): void => void told.push(error)
      socket.once('close', () => {
        socket.send('too late', note)
        socket.send('too late', {}, note)
        socket.ping(note)
        socket.pong('', undefined, note)
      })
    })
    const client = await connect(url)
    client.socket.close(4000, 'bye')
    await eventually(() => told.length === 4)
    for (const error of told)
      expect(error).toMatchObject({ code: 'FST_BLAZE_WS_CLOSED', closeCode: 4000, reason: 'bye' })
  })

  test.each<[string, (client: WebSocket) => void]>([
    ['closes', (client) => client.close()],
    ['vanishes', (client) => client.terminate()]
  ])('does not log an error for a stream to a client that %s', async (_, leave) => {
    const over = jest.fn()
    const { url, logs } = await startServer((app) => {
      app.webSocket('/ws', async (ws) => pipeline(ticks, createWebSocketStream(ws.socket)).finally(over))
    }).then((server) => ({ ...server, url: server.ws('/ws') }))
    const client = await connect(url)
    await client.next()
    leave(client.socket)
    await eventually(() => over.mock.calls.length > 0 && logs.some(({ msg }) => msg === 'websocket closed'))
    await new Promise(setImmediate)
    expect(logs.filter(({ level }) => level > 30)).toEqual([])
  })
})

describe('a rate limit also applies to listeners', () => {
  test('pause', async () => {
    const times: number[] = []
    const { port } = await route((socket) => void socket.on('message', () => times.push(performance.now())), {
      rateLimit: { messages: 50, burst: 1 }
    })
    const client = await new RawClient(port).open('/ws', {}, Buffer.concat([...frames(6), CLOSE_1000]))
    expect(await client.closeCode()).toBe(1000)
    expect(times).toHaveLength(6)
    expect((times[5] as number) - (times[0] as number)).toBeGreaterThan(80)
  })

  test('drop', async () => {
    const got: string[] = []
    let limited = 0
    const { port } = await route(
      (socket) => void socket.on('message', (data) => got.push((data as Buffer).toString())),
      {
        rateLimit: { messages: 0.01, burst: 2, onLimit: () => void limited++ }
      }
    )
    const client = await new RawClient(port).open('/ws', {}, Buffer.concat([...frames(6), CLOSE_1000]))
    expect(await client.closeCode()).toBe(1000)
    expect(got).toEqual(texts(2))
    expect(limited).toBe(4)
  })
})

describe('a listener that fails', () => {
  test.each<[string, (socket: WebSocket) => unknown, string]>([
    [
      'throws on a message',
      (socket) =>
        socket.on('message', () => {
          throw new Error('on purpose')
        }),
      'message'
    ],
    [
      'rejects on a message',
      (socket) => socket.on('message', async () => Promise.reject(new Error('on purpose'))),
      'message'
    ],
    [
      'throws in addEventListener',
      (socket) =>
        socket.addEventListener('message', () => {
          throw new Error('on purpose')
        }),
      'message'
    ],
    [
      'throws in once',
      (socket) =>
        socket.once('message', () => {
          throw new Error('on purpose')
        }),
      'message'
    ],
    [
      'throws null',
      (socket) =>
        socket.on('message', () => {
          throw null
        }),
      'message'
    ],
    [
      'throws on a ping',
      (socket) =>
        socket.on('ping', () => {
          throw new Error('on purpose')
        }),
      'ping'
    ],
    [
      'throws on a pong',
      (socket) =>
        socket.on('pong', () => {
          throw new Error('on purpose')
        }),
      'pong'
    ]
  ])('it %s: the failure is logged once, and the connection closes with 1011', async (_what, use, event) => {
    const { url, logs, connections } = await route(use)
    const client = await connect(url)
    client.socket.ping()
    client.socket.pong()
    client.socket.send('one')
    client.socket.send('two')
    expect(await client.close()).toEqual({ code: 1011, reason: 'internal error' })
    await eventually(() => connections[0]?.closeInfo !== undefined)
    expect(connections[0]?.closeInfo).toMatchObject({ code: 1011, wasClean: true })
    expect(logs.filter(({ msg }) => msg === 'a listener of ws.socket failed')).toMatchObject([{ level: 50, event }])
  })

  test('it throws on close: the failure is logged, and other listeners still run', async () => {
    const heard: number[] = []
    const { url, logs } = await route((socket) => {
      socket.on('close', () => {
        throw new Error('on purpose')
      })
      socket.on('close', (code) => heard.push(code))
    })
    const client = await connect(url)
    client.socket.close(4000)
    await client.close()
    await eventually(() => heard.length === 1)
    expect(heard).toEqual([4000])
    expect(logs.filter(({ msg }) => msg === 'a listener of ws.socket failed')).toHaveLength(1)
  })

  test('it throws on error: the failure is logged, and the client still gets the close code of its own mistake', async () => {
    const { port, logs } = await route((socket) =>
      socket.on('error', () => {
        throw new Error('on purpose')
      })
    )
    const client = await new RawClient(port).open('/ws', {}, clientFrame(1, 'x', { masked: false }))
    expect(await client.closeCode()).toBe(1002)
    expect(logs.filter(({ msg }) => msg === 'a listener of ws.socket failed')).toHaveLength(1)
  })

  test('it throws on a custom event: emit() throws the error', async () => {
    const { url } = await route((socket) => {
      socket.on('mine', () => {
        throw new Error('on purpose')
      })
      expect(() => socket.emit('mine')).toThrow('on purpose')
      socket.send('thrown')
    })
    expect(await (await connect(url)).next()).toBe('thrown')
  })
})

test('the other events and the state work as in ws', async () => {
  const events: unknown[] = []
  const { url } = await route((socket, ws) => {
    expect(socket.readyState).toBe(socket.OPEN)
    expect(socket.bufferedAmount).toBe(0)
    void ws.writeText('x'.repeat(1_000))
    expect(socket.bufferedAmount).toBe(1_004)
    socket.on('message', (data) => events.push(['message', (data as Buffer).toString()]))
    socket.on('ping', (data) => events.push(['ping', String(data)]))
    socket.on('pong', (data) => events.push(['pong', String(data)]))
    socket.on('error', (error) => events.push(['error', error.message]))
    socket.on('close', (code, reason) => events.push(['close', code, String(reason), socket.readyState]))
  })
  const client = await connect(url)
  await client.next()
  client.socket.send('hello')
  client.socket.ping('a')
  client.socket.pong('b')
  client.socket.send('more')
  client.socket.close(4000, 'bye')
  await client.close()
  await eventually(() => events.length === 5)
  expect(events).toEqual([
    ['message', 'hello'],
    ['ping', 'a'],
    ['pong', 'b'],
    ['message', 'more'],
    ['close', 4000, 'bye', 3]
  ])
})

test('after a protocol error, listeners get the earlier messages, then the error, then the close', async () => {
  const events: unknown[] = []
  const { port } = await route((socket) => {
    socket.on('message', (data) => events.push((data as Buffer).toString()))
    socket.on('error', (error) => events.push((error as NodeJS.ErrnoException).code))
    socket.on('close', (code) => events.push(code))
  })
  const client = await new RawClient(port).open(
    '/ws',
    {},
    Buffer.concat([...frames(3), clientFrame(1, 'x', { masked: false })])
  )
  expect(await client.closeCode()).toBe(1002)
  client.socket.end()
  await eventually(() => events.length === 5)
  expect(events).toEqual([...texts(3), 'WS_ERR_EXPECTED_MASK', 1006])
})

test('the connection closes when its handler settles, even if there are listeners', async () => {
  const { ws } = await startServer((app) => {
    app.webSocket('/ws', async (ws) => void ws.socket.on('message', () => {}))
  })
  expect((await (await connect(ws('/ws'))).close()).code).toBe(1000)
})

test('on shutdown, the signal tells listeners first, and then the connection closes', async () => {
  const { url, app, connections } = await route((socket, ws) => {
    socket.on('message', () => {})
    ws.context().shutdownSignal.addEventListener('abort', () => socket.send('good-bye'))
  })
  const client = await connect(url)
  await eventually(() => connections.length === 1)
  const end = app.close()
  expect(await client.next()).toBe('good-bye')
  expect((await client.close()).code).toBe(1001)
  await end
})

test.each(['session', 'owner'])('a socket still works after the application sets its property "%s"', async (name) => {
  const { url, connections } = await route((socket) => {
    Object.assign(socket, { [name]: { user: 'Ada' } })
    socket.on('message', (data) => socket.send(data as Buffer, { binary: false }))
  })
  const client = await connect(url)
  client.socket.send('hello')
  expect(await client.next()).toBe('hello')
  client.socket.close(1000)
  expect((await client.close()).code).toBe(1000)
  expect(connections[0]?.isClosed()).toBe(true)
})
