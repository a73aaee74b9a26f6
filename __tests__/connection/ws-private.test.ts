import type { WebSocket } from 'ws'
import { hasBadFrame, negotiatedDeflate, replaceDeflate } from '../../src/connection/ws-private.ts'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { closeServers, connect, startServer } from '../support/server.ts'

afterEach(closeServers)

// If one of these fails after an update of ws, then ws has moved what src/connection/ws-private.ts reaches for.

// oxlint-disable-next-line typescript/no-require-imports -- the version that is installed, for the name
const { version } = require('ws/package.json') as { version: string }

describe(`ws ${version} keeps its extensions where we expect them`, () => {
  test('a negotiated permessage-deflate stands in _extensions, with its parameters', async () => {
    const { ws } = await startServer((app) => {
      app.register(async (plain) => {
        plain.get('/plain', { websocket: true }, (socket: WebSocket) => {
          const negotiated = negotiatedDeflate(socket)
          socket.send(JSON.stringify(negotiated ?? null))
        })
      })
    }, { websocket: { options: { perMessageDeflate: { serverNoContextTakeover: true } } } })
    expect(JSON.parse(await (await connect(ws('/plain'))).next())).toEqual({ server_no_context_takeover: true })
    expect(JSON.parse(await (await connect(ws('/plain'), [], { perMessageDeflate: false })).next())).toBeNull()
  })

  test('its receiver keeps the error of a bad frame, before the close and the error event', async () => {
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

  test('what stands there is called for each compressed frame, and cleaned up', async () => {
    const calls: unknown[] = []
    const { ws } = await startServer((app) => {
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
    }, { websocket: { options: { perMessageDeflate: { threshold: 0 } } } })
    const client = await connect(ws('/plain'), [], { perMessageDeflate: { threshold: 0 } })
    client.socket.send('compressed by the client')
    expect(await client.next()).toBe('replaced')
    expect(calls).toEqual([true, true])
    client.socket.close(1000)
    expect((await client.close()).code).toBe(1000)
    expect(calls).toEqual([true, true, 'cleaned up'])
  })
})
