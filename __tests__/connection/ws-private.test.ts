import type { WebSocket } from 'ws'
import { negotiatedDeflate, replaceDeflate } from '../../src/connection/ws-private.ts'
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
