import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import {
  bytesAfterLength,
  hasBadFrame,
  hasClientEnded,
  hasSentClose,
  keepHalfOpen,
  negotiatedDeflate,
  replaceDeflate,
  unparsed
} from '../../src/connection/ws-private.ts'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { closeServers, connect, startServer } from '../support/server.ts'

afterEach(closeServers)

// If one of these fails after an update of ws, ws has moved something that src/connection/ws-private.ts uses.

// oxlint-disable-next-line typescript/no-require-imports -- the installed version, for the name
const { version } = require('ws/package.json') as { version: string }

/** A plain ws connection, its stream, and a client that can send anything. */
async function plainConnection(maxPayload = 0): Promise<{ client: RawClient; socket: WebSocket; raw: Socket }> {
  let open: (socket: WebSocket, raw: Socket) => void = () => {}
  const opened = new Promise<{ socket: WebSocket; raw: Socket }>((resolve) => {
    open = (socket, raw) => resolve({ socket, raw })
  })
  const { port } = await startServer(
    (app) => {
      app.get('/plain', { websocket: true }, (socket: WebSocket, request) => {
        socket.on('error', () => {})
        open(socket, request.raw.socket)
      })
    },
    { websocket: { options: { maxPayload } } }
  )
  const client = await new RawClient(port).open('/plain')
  return { client, ...(await opened) }
}

describe(`ws ${version} stores the state of its closing handshake where we expect it`, () => {
  test('close frames received and sent', async () => {
    const { client, socket } = await plainConnection()
    expect([hasClientEnded(socket), hasSentClose(socket)]).toEqual([false, false])
    client.socket.write(clientFrame(8, Buffer.from([0x03, 0xe8])))
    expect(await client.closeCode()).toBe(1000)
    expect([hasClientEnded(socket), hasSentClose(socket)]).toEqual([true, true])
  })

  test('ws closes once the error is known, and keeps the bytes that it has not parsed', async () => {
    const { client, socket } = await plainConnection(100)
    const seen: unknown[] = []
    const close = socket.close.bind(socket)
    socket.close = (...args) => {
      seen.push(hasClientEnded(socket), args[0])
      close(...args)
    }
    socket.prependListener('error', () => seen.push(bytesAfterLength(socket), Buffer.concat(unparsed(socket)).length))
    client.socket.write(Buffer.concat([clientFrame(2, Buffer.alloc(1_000)), clientFrame(1, 'behind')]))
    expect(await client.closeCode()).toBe(1009)
    // The four header bytes of the large frame are consumed; the short frame has a header of six.
    expect(seen).toEqual([true, 1009, 4 + 1_000, 4 + 1_000 + 6 + 6])
  })

  test('bytes that arrive while a message is inflated wait in the receiver', async () => {
    let waiting = -1
    const { port } = await startServer(
      (app) => {
        app.get('/plain', { websocket: true }, (socket: WebSocket) => {
          replaceDeflate(socket, {
            decompress(_data, _isLast, callback) {
              setTimeout(() => {
                waiting = Buffer.concat(unparsed(socket)).length
                callback(null, Buffer.from('inflated'))
              }, 100)
            },
            cleanup: () => {}
          })
          socket.on('message', () => socket.send('done', { compress: false }))
        })
      },
      { websocket: { options: { perMessageDeflate: true } } }
    )
    const client = await new RawClient(port).open('/plain', { 'Sec-WebSocket-Extensions': 'permessage-deflate' })
    client.socket.setNoDelay(true)
    client.socket.write(Buffer.concat([clientFrame(1, 'x', { rsv: 4 }), clientFrame(9, 'same packet')]))
    setTimeout(() => client.socket.write(clientFrame(9, 'next packet')), 20)
    while ((await client.frame()).opcode !== 1);
    expect(waiting).toBe(2 * (6 + 11))
  })

  test('keepHalfOpen stops ws from ending our side of TCP when the client ends its side', async () => {
    const { client, socket, raw } = await plainConnection()
    keepHalfOpen(raw)
    client.socket.allowHalfOpen = true
    client.socket.end()
    await new Promise((resolve) => raw.once('end', resolve))
    expect(socket.readyState).toBe(socket.OPEN)
    socket.send('still here')
    expect((await client.frame()).payload.toString()).toBe('still here')
    raw.destroy()
  })
})

describe(`ws ${version} stores its extensions where we expect them`, () => {
  test('_extensions has the negotiated permessage-deflate, with its parameters', async () => {
    const { ws } = await startServer(
      (app) => {
        app.register(async (plain) => {
          plain.get('/plain', { websocket: true }, (socket: WebSocket) => {
            const negotiated = negotiatedDeflate(socket)
            socket.send(JSON.stringify(negotiated ?? null))
          })
        })
      },
      { websocket: { options: { perMessageDeflate: { serverNoContextTakeover: true } } } }
    )
    expect(JSON.parse(await (await connect(ws('/plain'))).next())).toEqual({ server_no_context_takeover: true })
    expect(JSON.parse(await (await connect(ws('/plain'), [], { perMessageDeflate: false })).next())).toBeNull()
  })

  test('the receiver has the error of a bad frame before the close and the error event', async () => {
    const seen: unknown[] = []
    const { port } = await startServer((app) => {
      app.get('/plain', { websocket: true }, (socket: WebSocket) => {
        const close = socket.close.bind(socket)
        socket.close = (...args) => {
          seen.push(hasBadFrame(socket), ...args)
          close(...args)
        }
        socket.on('message', () => seen.push(hasBadFrame(socket)))
        socket.on('error', () => seen.push(hasBadFrame(socket)))
      })
    })
    const client = await new RawClient(port).open('/plain')
    client.socket.write(Buffer.concat([clientFrame(1, 'good'), clientFrame(3, 'bad')]))
    expect(await client.closeCode()).toBe(1002)
    expect(seen).toEqual([false, true, 1002, true])
  })

  test('a replaced extension is called for each compressed frame, and cleaned up', async () => {
    const calls: unknown[] = []
    const { ws } = await startServer(
      (app) => {
        app.get('/plain', { websocket: true }, (socket: WebSocket) => {
          replaceDeflate(socket, {
            decompress(data, isLast, callback) {
              calls.push(data.length > 0, isLast)
              process.nextTick(callback, null, Buffer.from('replaced'))
            },
            cleanup: () => void calls.push('cleaned up')
          })
          socket.on('message', (data: Buffer) => socket.send(data.toString(), { compress: false }))
        })
      },
      { websocket: { options: { perMessageDeflate: { threshold: 0 } } } }
    )
    const client = await connect(ws('/plain'), [], { perMessageDeflate: { threshold: 0 } })
    client.socket.send('compressed by the client')
    expect(await client.next()).toBe('replaced')
    expect(calls).toEqual([true, true])
    client.socket.close(1000)
    expect((await client.close()).code).toBe(1000)
    expect(calls).toEqual([true, true, 'cleaned up'])
  })
})
