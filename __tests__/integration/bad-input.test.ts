import { EventEmitter, once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { deflateRawSync } from 'node:zlib'
import type { WebSocketConnection } from '../../src/index.ts'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer, type TestClient, type TestServer } from '../support/server.ts'

// Input from broken or hostile clients gets the right answer and affects no other client. An uncaught exception or an
// unhandled rejection at any time fails the running test: Jest listens for both on the process.

const KiB = 1024
const MiB = 1024 * KiB

const echo = async (ws: WebSocketConnection): Promise<void> => {
  for await (const { type, data } of ws) await ws.writeMessage(type, data)
}

let server: TestServer
let healthy: TestClient
/** The routes with a slow hook emit events here, and wait for `release`. */
let hook: EventEmitter
/** Connections of `/kept`. */
let kept: WebSocketConnection[]
/** The messages that `/record` read, and then its close code. */
let recorded: unknown[]

beforeEach(async () => {
  recorded = []
  hook = new EventEmitter()
  kept = []
  server = await startServer((app) => {
    app.webSocketWithConfig('/echo', echo, { maxMessageSize: 100 * KiB, maxControlFrames: 0 })
    app.webSocketWithConfig(
      '/record',
      async (ws) => {
        for await (const { data } of ws) recorded.push(data.toString())
        ws.signal.addEventListener('abort', () => recorded.push(ws.closeInfo?.code))
        if (ws.signal.aborted) recorded.push(ws.closeInfo?.code)
      },
      { maxMessageSize: 100 * KiB }
    )
    app.webSocket('/json', async (ws) => ws.writeJSON(await ws.readJSON()))
    app.webSocket('/patient', async (ws) => {
      await ws.readJSON().catch((error: { closeCode?: number }) => ws.writeText(`refused with ${error.closeCode}`))
      await ws.writeJSON(await ws.readJSON())
    })
    app.webSocket('/kept', async (ws) => {
      kept.push(ws)
      await echo(ws)
    })
    app.webSocket('/large', async (ws) => {
      kept.push(ws)
      await ws.readMessage()
      await ws.writeBinary(Buffer.alloc(32 * MiB))
    })
    app.webSocket('/hook', async (ws) => void kept.push(ws), {
      preHandler: async (request) => {
        const released = once(hook, 'release')
        hook.emit('entered', request.raw.socket)
        await released
        setImmediate(() => hook.emit('left'))
      }
    })
    app.get('/http', async () => 'http')
    app.post('/post', async () => 'posted')
  })
  healthy = await connect(server.ws('/echo'))
})

afterEach(async () => {
  await expectAlive()
  await closeServers()
})

/** A client that was connected before still gets its echo, and a new one can connect. */
async function expectAlive(): Promise<void> {
  const another = await connect(server.ws('/echo'))
  for (const client of [healthy, another]) {
    client.socket.send('alive')
    expect(await client.next()).toBe('alive')
  }
  another.socket.close()
  await another.close()
}

const open = (path: string, headers?: Record<string, string>): Promise<RawClient> =>
  new RawClient(server.port).open(path, headers)
const DEFLATE = { 'Sec-WebSocket-Extensions': 'permessage-deflate' }

/** Errors that the server logged: a fault of a client must not be among them. */
const errorsLogged = (): string[] => server.logs.filter(({ level }) => level >= 50).map(({ msg }) => msg)

describe('frames that break the protocol', () => {
  const frames: [string, Buffer, number][] = [
    ['an unmasked frame', clientFrame(1, 'x', { masked: false }), 1002],
    ['the reserved bit 1 without an extension', clientFrame(1, 'x', { rsv: 4 }), 1002],
    ['the reserved bit 2', clientFrame(1, 'x', { rsv: 2 }), 1002],
    ['the reserved bit 3', clientFrame(1, 'x', { rsv: 1 }), 1002],
    ['a fragmented ping', clientFrame(9, 'x', { fin: false }), 1002],
    ['a fragmented close frame', clientFrame(8, '', { fin: false }), 1002],
    ['a ping of 126 bytes', clientFrame(9, 'x'.repeat(126)), 1002],
    ['a close frame of 126 bytes', clientFrame(8, Buffer.alloc(126, 3)), 1002],
    ['a close frame of one byte', clientFrame(8, 'x'), 1002],
    ['an invalid code in a close frame', clientFrame(8, Buffer.from([0x03, 0xed])), 1002],
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): [string, Buffer, number] => [
      `the unknown opcode ${opcode}`,
      clientFrame(opcode, 'x'),
      1002
    ]),
    ['a continuation without a message', clientFrame(0, 'x'), 1002],
    [
      'a new message inside a fragmented one',
      Buffer.concat([clientFrame(1, 'a', { fin: false }), clientFrame(1, 'b')]),
      1002
    ],
    ['text that is not UTF-8', clientFrame(1, Buffer.from([0x61, 0xff])), 1007],
    ['an overlong encoding', clientFrame(1, Buffer.from([0xc0, 0xaf])), 1007],
    ['a surrogate in UTF-8', clientFrame(1, Buffer.from([0xed, 0xa0, 0x80])), 1007],
    ['a character cut off at the end', clientFrame(1, Buffer.from([0xe2, 0x82])), 1007],
    [
      'text that is not UTF-8 in fragments',
      Buffer.concat([clientFrame(1, Buffer.from([0xe2]), { fin: false }), clientFrame(0, Buffer.from([0x28, 0xa1]))]),
      1007
    ],
    ['a reason that is not UTF-8', clientFrame(8, Buffer.from([3, 0xe8, 0xff])), 1007],
    ['a message that is too large', clientFrame(2, Buffer.alloc(100 * KiB + 1)), 1009],
    ['a frame that claims to be too large', clientFrame(2, '', { length: 100 * KiB + 1 }), 1009],
    ['a frame that claims 2^53 bytes', clientFrame(2, '', { length: 2 ** 53 }), 1009],
    [
      'a message that is too large in fragments',
      Buffer.concat([
        clientFrame(2, Buffer.alloc(60 * KiB), { fin: false }),
        clientFrame(0, Buffer.alloc(60 * KiB), { fin: false })
      ]),
      1009
    ]
  ]

  test.each(frames)('%s', async (_what, frame, code) => {
    const client = await open('/echo')
    client.socket.write(frame)
    expect(await client.closeCode()).toBe(code)
    client.reset()
    expect(errorsLogged()).toEqual([])
  })

  test.each(frames)(
    '%s: the handler still reads the message before it, then gets the code',
    async (_what, frame, code) => {
      const client = await open('/record')
      client.socket.write(Buffer.concat([clientFrame(1, 'before'), frame]))
      expect(await client.closeCode()).toBe(code)
      client.reset()
      await eventually(() => recorded.length === 2, 'the close in the handler')
      expect(recorded).toEqual(['before', code])
    }
  )

  test('a character split between two fragments is valid', async () => {
    const client = await open('/echo')
    client.socket.write(
      Buffer.concat([
        clientFrame(1, Buffer.from([0xe2]), { fin: false }),
        clientFrame(9, 'ping'),
        clientFrame(0, Buffer.from([0x82, 0xac]))
      ])
    )
    expect(await client.frame()).toMatchObject({ opcode: 10, payload: Buffer.from('ping') })
    expect(await client.frame()).toMatchObject({ opcode: 1, payload: Buffer.from('€') })
    client.reset()
  })

  test('a flood of pings and empty fragments', async () => {
    const client = await open('/echo')
    client.socket.write(Buffer.concat(Array.from({ length: 5_000 }, () => clientFrame(9))))
    client.socket.write(clientFrame(1, '', { fin: false }))
    client.socket.write(Buffer.concat(Array.from({ length: 500 }, () => clientFrame(0, '', { fin: false }))))
    client.socket.write(clientFrame(0, 'end'))
    let frame = await client.frame()
    while (frame.opcode === 10) frame = await client.frame()
    expect(frame.payload.toString()).toBe('end')
    client.reset()
  })
})

describe('compressed messages', () => {
  test.each<[string, Buffer]>([
    ['a block of an invalid type', Buffer.from([0x07, 0xff, 0xff])],
    ['random bytes', Buffer.from('f3a1c0ffee00deadbeef0123456789', 'hex')],
    ['a stored block with a wrong length', Buffer.from([0x01, 0x05, 0x00, 0x00, 0x00, 0x61])],
    [
      'a stream that relies on an earlier context',
      deflateRawSync('hello hello hello', { dictionary: Buffer.from('hello hello hello') })
    ]
  ])('corrupt: %s closes with 1007', async (_what, payload) => {
    const client = await open('/echo', DEFLATE)
    client.socket.write(clientFrame(1, payload, { rsv: 4 }))
    expect(await client.closeCode()).toBe(1007)
    client.reset()
    expect(errorsLogged()).toEqual([])
  })

  test('text that is not UTF-8 after inflation closes with 1007', async () => {
    const client = await open('/echo', DEFLATE)
    client.socket.write(clientFrame(1, deflateRawSync(Buffer.from([0xff, 0xfe])), { rsv: 4 }))
    expect(await client.closeCode()).toBe(1007)
    client.reset()
  })

  test('too large after inflation closes with 1009, in one frame or in fragments', async () => {
    const payload = deflateRawSync(Buffer.alloc(100 * KiB + 1))
    const client = await open('/echo', DEFLATE)
    client.socket.write(clientFrame(2, payload, { rsv: 4 }))
    expect(await client.closeCode()).toBe(1009)
    client.reset()
    const other = await open('/echo', DEFLATE)
    other.socket.write(
      Buffer.concat([
        clientFrame(2, payload.subarray(0, 20), { rsv: 4, fin: false }),
        clientFrame(0, payload.subarray(20))
      ])
    )
    expect(await other.closeCode()).toBe(1009)
    other.reset()
  })

  test('a zip bomb of 64 MiB in 64 KiB, from several clients at once, closes with 1009 and is never inflated whole', async () => {
    const bomb = clientFrame(2, deflateRawSync(Buffer.alloc(64 * MiB), { level: 9 }), { rsv: 4 })
    const clients = await Promise.all(Array.from({ length: 8 }, () => open('/echo', DEFLATE)))
    const before = process.memoryUsage().rss
    for (const client of clients) client.socket.write(bomb)
    expect(await Promise.all(clients.map((client) => client.closeCode()))).toEqual(clients.map(() => 1009))
    expect(process.memoryUsage().rss - before).toBeLessThan((8 * 64 * MiB) / 2)
    for (const client of clients) client.reset()
  })

  test('the reserved bit 1 in a continuation or a control frame closes with 1002', async () => {
    const client = await open('/echo', DEFLATE)
    client.socket.write(Buffer.concat([clientFrame(1, 'a', { fin: false }), clientFrame(0, 'b', { rsv: 4 })]))
    expect(await client.closeCode()).toBe(1002)
    client.reset()
    const other = await open('/echo', DEFLATE)
    other.socket.write(clientFrame(9, 'a', { rsv: 4 }))
    expect(await other.closeCode()).toBe(1002)
    other.reset()
  })

  test('an empty compressed message is an empty message', async () => {
    const client = await open('/echo', DEFLATE)
    client.socket.write(clientFrame(1, Buffer.from([0x00]), { rsv: 4 }))
    expect(await client.frame()).toMatchObject({ opcode: 1, payload: Buffer.alloc(0) })
    client.reset()
  })
})

describe('JSON', () => {
  const bad = [
    '',
    '{',
    'undefined',
    "{'a':1}",
    '[1,]',
    '\u0000',
    '{"__proto__":{"admin":true}}',
    '{"a":{"__proto__":1}}',
    '{"constructor":{"prototype":{"admin":true}}}',
    '{"\\u005f_proto__":1}'
  ]

  test.each(bad)('%j: closes with 1007 if the handler does not catch the error', async (text) => {
    const client = await connect(server.ws('/json'))
    client.socket.send(text)
    expect((await client.close()).code).toBe(1007)
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
    expect(errorsLogged()).toEqual([])
  })

  test.each(bad)('%j: a handler that catches the error can continue', async (text) => {
    const client = await connect(server.ws('/patient'))
    client.socket.send(text)
    expect(await client.next()).toBe('refused with 1007')
    client.socket.send('{"good":1}')
    expect(await client.next()).toBe('{"good":1}')
  })

  test('a binary message that is not UTF-8 closes with 1007', async () => {
    const client = await connect(server.ws('/json'))
    client.socket.send(Buffer.from([0x22, 0xff, 0x22]))
    expect((await client.close()).code).toBe(1007)
  })

  test('nested as deep as the size allows: gets an answer or 1007, nothing worse', async () => {
    const client = await connect(server.ws('/json'))
    client.socket.send('['.repeat(200_000) + ']'.repeat(200_000))
    const { code } = await client.close()
    expect([1000, 1007, 1011]).toContain(code)
  })

  test.each(['null', '0', '""', 'false', '[]', '{"constructor":1}', '{"prototype":1}'])(
    '%s is accepted',
    async (text) => {
      const client = await connect(server.ws('/json'))
      client.socket.send(text)
      expect(await client.next()).toBe(text)
    }
  )
})

describe('requests', () => {
  const statusOf = async (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<number> => {
    const client = new RawClient(server.port)
    client.handshake(path, headers, undefined, method)
    const { status } = await client.head()
    client.reset()
    return status
  }

  test.each<[string, string, Record<string, string>, string, number]>([
    ['an outdated version', '/echo', { 'Sec-WebSocket-Version': '8' }, 'GET', 426],
    ['no version', '/echo', { 'Sec-WebSocket-Version': '' }, 'GET', 426],
    ['no key', '/echo', { 'Sec-WebSocket-Key': '' }, 'GET', 400],
    ['an invalid key', '/echo', { 'Sec-WebSocket-Key': 'x' }, 'GET', 400],
    ['Upgrade: h2c', '/echo', { Upgrade: 'h2c' }, 'GET', 426],
    ['Upgrade: websocket, h2c', '/echo', { Upgrade: 'websocket, h2c' }, 'GET', 400],
    ['an upgrade by POST', '/echo', {}, 'POST', 404],
    ['an upgrade by HEAD', '/echo', {}, 'HEAD', 426],
    ['no route', '/nowhere', {}, 'GET', 404],
    ['a malformed path', '/%zz', {}, 'GET', 400],
    ['a header of 32 KiB', '/echo', { 'X-Long': 'x'.repeat(32 * KiB) }, 'GET', 431],
    ['a path of 32 KiB', `/echo?${'x'.repeat(32 * KiB)}`, {}, 'GET', 431]
  ])('%s', async (_what, path, headers, method, status) => {
    expect(await statusOf(path, headers, method)).toBe(status)
    expect(errorsLogged()).toEqual([])
  })

  test('an upgrade to an HTTP route is refused or closed', async () => {
    expect(await statusOf('/http', { 'Sec-WebSocket-Key': 'x' })).toBe(400)
    const client = await open('/http')
    expect(await client.closeCode()).toBe(1005)
    client.reset()
  })

  test('bytes that are not HTTP', async () => {
    const socket = connectTcp(server.port, '127.0.0.1')
    socket.end(Buffer.from('\u0016\u0003\u0001 not HTTP at all\r\n\r\n'))
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toContain('400')
    socket.destroy()
  })
})

describe('a TCP reset', () => {
  test('while an asynchronous hook runs: the handler is never called', async () => {
    const client = new RawClient(server.port)
    client.handshake('/hook')
    const [socket] = (await once(hook, 'entered')) as [Socket]
    client.reset()
    // Not with events.once, which rejects because a reset emits an error.
    await new Promise((resolve) => socket.once('close', resolve))
    const left = once(hook, 'left')
    hook.emit('release')
    await left
    expect(kept).toHaveLength(0)
    expect(errorsLogged()).toEqual([])
  })

  test('right after the request', async () => {
    for (let i = 0; i < 20; i++) {
      const client = new RawClient(server.port)
      await once(client.socket, 'connect')
      client.handshake('/kept')
      await new Promise((resolve) => client.socket.write('', resolve))
      client.reset()
    }
    await eventually(() => kept.every((ws) => ws.closeInfo !== undefined), 'the close of all connections')
    expect(errorsLogged()).toEqual([])
  })

  test('in the middle of the request', async () => {
    const client = new RawClient(server.port)
    client.socket.write('GET /echo HTTP/1.1\r\nHost: x\r\nUpgr')
    await once(client.socket, 'ready')
    client.reset()
  })

  test('between the handshake and the first frame', async () => {
    const client = await open('/kept')
    client.reset()
    await eventually(() => kept[0]?.closeInfo !== undefined, 'the close of the connection')
    expect(kept[0]?.closeInfo).toEqual({ code: 1006, reason: '', wasClean: false })
    expect(kept[0]?.signal.aborted).toBe(true)
  })

  test.each([1, 3, 5, 50])('in the middle of a frame, after %i bytes', async (bytes) => {
    const client = await open('/kept')
    client.socket.write(clientFrame(1, 'whole'))
    expect((await client.frame()).payload.toString()).toBe('whole')
    await new Promise((resolve) => client.socket.write(clientFrame(1, 'x'.repeat(100)).subarray(0, bytes), resolve))
    client.reset()
    await eventually(() => kept[0]?.closeInfo !== undefined, 'the close of the connection')
    expect(kept[0]?.closeInfo?.code).toBe(1006)
    expect(errorsLogged()).toEqual([])
  })

  test('in the middle of a compressed message', async () => {
    const client = await open('/kept', DEFLATE)
    client.socket.write(clientFrame(1, deflateRawSync('x'.repeat(1000)).subarray(0, 5), { rsv: 4, fin: false }))
    client.socket.write(clientFrame(9, 'here'))
    await client.frame()
    client.reset()
    await eventually(() => kept[0]?.closeInfo !== undefined, 'the close of the connection')
  })

  test('during a large write: the write rejects and its memory is freed', async () => {
    const client = await open('/large')
    client.socket.write(clientFrame(1, 'go'))
    await once(client.socket, 'data')
    client.reset()
    await eventually(() => kept[0]?.closeInfo !== undefined, 'the close of the connection')
    expect(kept[0]?.bufferedAmount).toBe(0)
    expect(errorsLogged()).toEqual([])
  })

  test('in the middle of the closing handshake', async () => {
    const client = await open('/kept')
    await eventually(() => kept.length === 1, 'the start of the handler')
    const closed = kept[0]?.close(4000)
    expect(await client.closeCode()).toBe(4000)
    client.reset()
    await closed
    expect(kept[0]?.closeInfo).toMatchObject({ code: 4000, wasClean: false })
  })

  test('a half-closed connection is also closed by the server', async () => {
    const client = await open('/kept')
    client.socket.end()
    await once(client.socket, 'close')
    await eventually(() => kept[0]?.closeInfo !== undefined, 'the close of the connection')
    expect(kept[0]?.closeInfo).toMatchObject({ code: 1006, wasClean: false })
  })
})

test('TCP resets during the shutdown do not keep it from ending', async () => {
  const { app, port } = await startServer((app) => {
    app.webSocket('/ws', async (ws) => {
      await ws.writeText('open')
      await echo(ws)
    })
  })
  const clients = await Promise.all(Array.from({ length: 10 }, () => new RawClient(port).open('/ws')))
  await Promise.all(clients.map((client) => client.frame()))
  const codes: number[] = []
  const closing = app.close()
  await Promise.all(
    clients.map(async (client, i) => {
      // Half of them reset at once, half after they have received the close frame.
      if (i % 2 === 0) codes.push(await client.closeCode())
      client.reset()
    })
  )
  await closing
  expect(codes).toEqual(Array.from({ length: 5 }, () => 1001))
})
