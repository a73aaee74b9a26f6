import { randomBytes } from 'node:crypto'
import { defaultWebSocketConfig, type WebSocketConfig } from 'fastify-blaze-ws'
import { RawClient } from '../support/raw-client.ts'
import { closeServers, connect, startServer } from '../support/server.ts'

afterEach(closeServers)

describe('Configuration', () => {
  const config: Partial<WebSocketConfig> = {
    readBufferSize: 8192,
    writeBufferSize: 8192,
    readTimeout: 60_000,
    writeTimeout: 10_000,
    pingInterval: 30_000,
    pongTimeout: 60_000,
    maxMessageSize: 1024 * 1024,
    compressionLevel: 6,
    checkOrigin: (request) => request.headers.origin?.endsWith('.example.com') ?? false
  }

  const start = () =>
    startServer((app) => {
      app.webSocketWithConfig(
        '/ws',
        async (ws) => {
          for await (const { data } of ws) await ws.writeText(`${data.length} bytes`)
        },
        config
      )
    })

  test('WebSocket Configuration: the handshake is accepted or refused by its origin', async () => {
    const { ws } = await start()
    const client = await connect(ws('/ws'), [], { origin: 'https://app.example.com' })
    client.socket.send('hello')
    expect(await client.next()).toBe('5 bytes')
    await expect(connect(ws('/ws'), [], { origin: 'https://elsewhere.test' })).rejects.toThrow('403')
    await expect(connect(ws('/ws'))).rejects.toThrow('403')
  })

  test('WebSocket Configuration: the size of a message is limited', async () => {
    const { ws } = await start()
    const client = await connect(ws('/ws'), [], { origin: 'https://app.example.com', perMessageDeflate: false })
    client.socket.send(Buffer.alloc(1024 * 1024))
    expect(await client.next()).toBe('1048576 bytes')
    client.socket.send(Buffer.alloc(1024 * 1024 + 1))
    expect((await client.close()).code).toBe(1009)
  })

  test('WebSocket Configuration: compression is negotiated and used', async () => {
    const { port } = await startServer((app) => {
      app.webSocketWithConfig('/ws', (ws) => ws.writeText('a'.repeat(4096)), { compressionLevel: 6 })
      app.webSocketWithConfig('/plain', (ws) => ws.writeText('a'.repeat(4096)), { compressionLevel: 0 })
    })
    const offer = { 'Sec-WebSocket-Extensions': 'permessage-deflate' }
    const deflated = await new RawClient(port).open('/ws', offer)
    expect(await deflated.frame()).toMatchObject({ opcode: 1, rsv1: true })
    const plain = await new RawClient(port).open('/plain', offer)
    const frame = await plain.frame()
    expect(frame).toMatchObject({ opcode: 1, rsv1: false })
    expect(frame.payload).toHaveLength(4096)
    for (const client of [deflated, plain]) client.reset()
  })

  test('WebSocket Configuration: a silent client is closed after the read timeout', async () => {
    const { ws } = await startServer((app) => {
      app.webSocketWithConfig('/ws', async (ws) => void (await ws.readMessage()), { readTimeout: 100, pingInterval: 0 })
    })
    const client = await connect(ws('/ws'))
    expect(await client.close()).toEqual({ code: 1008, reason: 'read timeout' })
  })

  test('WebSocket Configuration: a client that does not answer pings is dropped', async () => {
    const { ws } = await startServer((app) => {
      app.webSocketWithConfig('/ws', async (ws) => void (await ws.readMessage()), {
        pingInterval: 50,
        pongTimeout: 100
      })
    })
    const client = await connect(ws('/ws'), [], { autoPong: false })
    expect((await client.close()).code).toBe(1006)
  })

  test('WebSocket Configuration: a client that does not read is dropped after the write timeout', async () => {
    let ended: (reason: string) => void
    const end = new Promise<string>((resolve) => {
      ended = resolve
    })
    const { port } = await startServer((app) => {
      app.webSocketWithConfig(
        '/ws',
        async (ws) => {
          ws.signal.addEventListener('abort', () => ended(ws.closeInfo?.reason ?? ''))
          for (;;) await ws.writeBinary(randomBytes(256 * 1024))
        },
        { writeTimeout: 100 }
      )
    })
    const client = await new RawClient(port).open('/ws')
    client.socket.pause()
    expect(await end).toBe('write timeout')
    client.reset()
  })

  test('Default Configuration', () => {
    expect(defaultWebSocketConfig()).toMatchObject({
      readBufferSize: 4096,
      writeBufferSize: 4096,
      readTimeout: 60_000,
      writeTimeout: 10_000,
      pingInterval: 30_000,
      pongTimeout: 60_000,
      maxMessageSize: 1024 * 1024,
      compressionLevel: 6
    })
  })

  test('Default Configuration: all origins are allowed', async () => {
    const { ws } = await startServer((app) => {
      app.webSocketWithConfig('/ws', (ws) => ws.writeText('welcome'), defaultWebSocketConfig())
    })
    const client = await connect(ws('/ws'), [], { origin: 'https://anywhere.test' })
    expect(await client.next()).toBe('welcome')
  })
})
