import { isCloseError } from 'fastify-blaze-ws'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

describe('Basic Usage', () => {
  test('Simple WebSocket Handler', async () => {
    const { ws, logs } = await startServer((app) => {
      app.webSocket('/ws', async (ws, request) => {
        for (;;) {
          try {
            const { type, data } = await ws.readMessage()
            await ws.writeMessage(type, data)
          } catch (error) {
            request.log.info({ isClose: isCloseError(error) }, 'read error')
            break
          }
        }
      })
    })
    const client = await connect(ws('/ws'))
    client.socket.send('hello')
    client.socket.send(Buffer.from([0, 1, 255]))
    expect(await client.next()).toBe('hello')
    await client.until(() => client.messages.length > 0)
    expect(client.messages.shift()).toEqual({ data: '\0\u0001\u00ff', isBinary: true })
    client.socket.close(1000)
    expect((await client.close()).code).toBe(1000)
    await eventually(() => logs.some((line) => line.msg === 'read error' && line['isClose'] === true), 'the log line')
  })

  test('JSON Message Handling', async () => {
    interface ChatMessage {
      username: string
      message: string
      time: string
    }

    const { ws, logs } = await startServer((app) => {
      app.webSocket('/chat', async (ws) => {
        for (;;) {
          const message = await ws.readJSON<ChatMessage>()
          await ws.writeJSON({ ...message, time: new Date().toISOString() })
        }
      })
    })
    const client = await connect(ws('/chat'))
    const before = Date.now()
    client.socket.send('{"username":"ann","message":"hi"}')
    const answer = JSON.parse(await client.next()) as ChatMessage
    expect(answer).toMatchObject({ username: 'ann', message: 'hi' })
    expect(Date.parse(answer.time)).toBeGreaterThanOrEqual(before)

    // Blaze's example leaves the loop at any error; here, the client also learns why.
    client.socket.send('no json')
    expect((await client.close()).code).toBe(1007)

    // When the client leaves, the endless loop ends; this is not a failure of the handler.
    const leaving = await connect(ws('/chat'))
    leaving.socket.close(1000)
    await leaving.close()
    expect(logs.filter((line) => line.msg === 'websocket handler failed')).toHaveLength(1)
  })
})
