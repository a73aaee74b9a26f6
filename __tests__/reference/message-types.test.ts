import { once } from 'node:events'
import { BinaryMessage, PingMessage, PongMessage, TextMessage } from 'fastify-blaze-ws'
import { closeServers, connect, startServer } from '../support/server.ts'

afterEach(closeServers)

describe('Message Types', () => {
  test('Text Messages', async () => {
    const { ws } = await startServer((app) => {
      app.webSocket('/ws', async (ws) => {
        await ws.writeText('Hello, WebSocket!')
        const { type, data } = await ws.readMessage()
        if (type === TextMessage) await ws.writeText(`Received: ${data.toString()}`)
      })
    })
    const client = await connect(ws('/ws'))
    expect(await client.next()).toBe('Hello, WebSocket!')
    client.socket.send('grüße')
    expect(await client.next()).toBe('Received: grüße')
  })

  test('Binary Messages', async () => {
    const { ws } = await startServer((app) => {
      app.webSocket('/ws', async (ws) => {
        await ws.writeBinary(Uint8Array.of(0x00, 0x01, 0x02, 0x03))
        const { type, data } = await ws.readMessage()
        if (type === BinaryMessage) await ws.writeText(`Received binary data: ${data.toString('hex')}`)
      })
    })
    const client = await connect(ws('/ws'))
    await client.until(() => client.messages.length > 0)
    expect(client.messages.shift()).toEqual({ data: '\u0000\u0001\u0002\u0003', isBinary: true })
    client.socket.send(Buffer.from('ff00', 'hex'))
    expect(await client.next()).toBe('Received binary data: ff00')
  })

  test('JSON Messages', async () => {
    interface Response {
      status: string
      data: unknown
    }

    const { ws } = await startServer((app) => {
      app.webSocket('/ws', async (ws) => {
        const response: Response = { status: 'success', data: { message: 'Hello' } }
        await ws.writeJSON(response)
        const received = await ws.readJSON<Response>()
        await ws.writeText(received.status)
      })
    })
    const client = await connect(ws('/ws'))
    expect(JSON.parse(await client.next())).toEqual({ status: 'success', data: { message: 'Hello' } })
    client.socket.send('{"status":"thanks","data":null}')
    expect(await client.next()).toBe('thanks')
  })

  describe('Ping/Pong Messages', () => {
    test('a handler sends pings itself', async () => {
      const { ws } = await startServer((app) => {
        app.webSocket('/ws', async (ws) => {
          // The client says when it is ready: from then on its listeners are attached.
          await ws.readMessage()
          await ws.ping(Buffer.from('ping'))
          await ws.pong(Buffer.from('pong'))
          await ws.writeMessage(PingMessage, 'ping again')
          await ws.writeMessage(PongMessage, 'pong again')
        })
      })
      const client = await connect(ws('/ws'))
      const frames: string[] = []
      client.socket.on('ping', (data: Buffer) => frames.push(`ping ${data.toString()}`))
      client.socket.on('pong', (data: Buffer) => frames.push(`pong ${data.toString()}`))
      client.socket.send('ready')
      await client.close()
      expect(frames).toEqual(['ping ping', 'pong pong', 'ping ping again', 'pong pong again'])
    })

    test('a ping of the client is answered, even while the handler reads nothing', async () => {
      const { ws } = await startServer((app) => {
        app.webSocket(
          '/ws',
          (ws) => new Promise<void>((resolve) => ws.signal.addEventListener('abort', () => resolve()))
        )
      })
      const client = await connect(ws('/ws'))
      const pong = once(client.socket, 'pong') as Promise<[Buffer]>
      client.socket.ping('are you there?')
      expect((await pong)[0].toString()).toBe('are you there?')
      client.socket.close()
      await client.close()
    })

    test('automatic pings', async () => {
      const { ws } = await startServer((app) => {
        app.webSocketWithConfig('/ws', async (ws) => void (await ws.readMessage()), {
          pingInterval: 50,
          pongTimeout: 5_000
        })
      })
      const client = await connect(ws('/ws'))
      await once(client.socket, 'ping')
      await once(client.socket, 'ping')
      client.socket.send('enough')
      expect((await client.close()).code).toBe(1000)
    })
  })
})
