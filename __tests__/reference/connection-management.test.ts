import { isCloseError, type MessageType, type WebSocketConnection } from 'fastify-blaze-ws'
import { closeServers, connect, eventually, startServer, type TestServer } from '../support/server.ts'

afterEach(closeServers)

type MessageHandler = (ws: WebSocketConnection, type: MessageType, data: Buffer) => Promise<void>

function startLifecycle(handleMessage: MessageHandler): Promise<TestServer> {
  return startServer((app) => {
    app.webSocket('/ws', async (ws, { log }) => {
      log.info('Client connected')
      try {
        while (!ws.isClosed()) {
          const { type, data } = await ws.readMessage()
          await handleMessage(ws, type, data)
        }
      } catch (error) {
        log.info({ err: error }, isCloseError(error) ? 'Read error' : 'WebSocket panic')
      } finally {
        await ws.close()
        log.info('Client disconnected')
      }
    })
  })
}

describe('Connection Management', () => {
  test('Connection Properties', async () => {
    const { ws, logs, port } = await startServer((app) => {
      app.webSocket('/ws', async (ws) => {
        const { log, query } = ws.context()
        log.info(`Remote address: ${ws.remoteAddr()}`)
        log.info(`Local address: ${ws.localAddr()}`)
        log.info(`User agent: ${ws.userAgent()}`)
        const token = ws.header('Authorization')

        ws.setLocal('user_id', query('user_id'))
        ws.setLocal('connected_at', new Date())

        const uid = ws.getLocal<string>('user_id')
        if (uid !== undefined) log.info(`User ID: ${uid}`)
        await ws.writeJSON({
          token,
          missing: ws.header('X-Missing'),
          nobody: ws.getLocal('nobody') === undefined,
          isDate: ws.getLocal('connected_at') instanceof Date
        })
      })
    })
    const client = await connect(ws('/ws?user_id=42'), [], {
      headers: { 'user-agent': 'test/1', authorization: 'Bearer abc' }
    })
    expect(JSON.parse(await client.next())).toEqual({ token: 'Bearer abc', missing: '', nobody: true, isDate: true })
    expect((await client.close()).code).toBe(1000)
    const lines = logs.map((line) => line.msg)
    expect(lines).toContainEqual(expect.stringMatching(/^Remote address: 127\.0\.0\.1:\d+$/))
    expect(lines).toContain(`Local address: 127.0.0.1:${port}`)
    expect(lines).toContain('User agent: test/1')
    expect(lines).toContain('User ID: 42')
  })

  describe('Connection Lifecycle', () => {
    test('a client connects, sends a message and leaves', async () => {
      const { ws, logs } = await startLifecycle((ws, type, data) => ws.writeMessage(type, data))
      const client = await connect(ws('/ws'))
      client.socket.send('one')
      expect(await client.next()).toBe('one')
      client.socket.close(1000)
      await eventually(() => logs.some((line) => line.msg === 'Client disconnected'), 'the end')
      const own = logs.map((line) => line.msg).filter((msg) => /^(Client|Read|WebSocket)/.test(msg))
      expect(own).toEqual(['Client connected', 'Read error', 'Client disconnected'])
    })

    test('a handler throws an error', async () => {
      const { ws, logs } = await startLifecycle(async () => {
        throw new Error('boom')
      })
      const client = await connect(ws('/ws'))
      client.socket.send('one')
      expect((await client.close()).code).toBe(1000)
      await eventually(() => logs.some((line) => line.msg === 'Client disconnected'), 'the end')
      expect(logs.map((line) => line.msg)).toContain('WebSocket panic')
    })

    test('an uncaught error of a handler harms neither the server nor other clients', async () => {
      const { ws, logs } = await startServer((app) => {
        app.webSocket('/ws', async (ws) => {
          for await (const { data } of ws) {
            if (data.toString() === 'boom') throw new Error('boom')
            await ws.writeText(data.toString())
          }
        })
      })
      const [other, client] = await Promise.all([connect(ws('/ws')), connect(ws('/ws'))])
      client.socket.send('boom')
      expect((await client.close()).code).toBe(1011)
      expect(logs.filter((line) => line.msg === 'websocket handler failed')).toHaveLength(1)
      other.socket.send('still here')
      expect(await other.next()).toBe('still here')
    })
  })
})
