import { once } from 'node:events'
import { CloseCode, isUnexpectedCloseError } from 'fastify-blaze-ws'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

function processMessage(text: string): string {
  if (text === '') throw new Error('empty message')
  return text.toUpperCase()
}

describe('Error Handling', () => {
  test('Connection Errors', async () => {
    const { ws, logs } = await startServer((app) => {
      app.webSocket('/ws', async (ws, { log }) => {
        try {
          for (;;) {
            const { data } = await ws.readMessage()
            try {
              await ws.writeText(processMessage(data.toString()))
            } catch (error) {
              log.info('Message processing error')
              await ws.writeJSON({ error: (error as Error).message })
            }
          }
        } catch (error) {
          const isUnexpected = isUnexpectedCloseError(error, CloseCode.GoingAway, CloseCode.AbnormalClosure)
          log.info(isUnexpected ? `WebSocket error: ${error.closeCode}` : 'the client is gone')
        }
      })
    })
    const count = (msg: string) => logs.filter((line) => line.msg === msg).length

    const client = await connect(ws('/ws'))
    client.socket.send('')
    expect(await client.next()).toBe('{"error":"empty message"}')
    client.socket.send('go on')
    expect(await client.next()).toBe('GO ON')
    expect(count('Message processing error')).toBe(1)
    client.socket.close(4000, 'bye')
    await eventually(() => count('WebSocket error: 4000') === 1, 'the log line of an unexpected end')

    const expected = await connect(ws('/ws'))
    expected.socket.close(1001)
    await eventually(() => count('the client is gone') === 1, 'the log line of a client that closed')
    const lost = await connect(ws('/ws'))
    lost.socket.terminate()
    await eventually(() => count('the client is gone') === 2, 'the log line of a client that was lost')
    expect(count('websocket handler failed')).toBe(0)
  })

  describe('Graceful Shutdown', () => {
    test('a handler that waits for a message is woken and sends a goodbye', async () => {
      const { app, ws } = await startServer((app) => {
        app.webSocket('/ws', async (ws) => {
          for await (const { type, data } of ws) await ws.writeMessage(type, data)
          if (ws.context().isShuttingDown()) await ws.writeText('Server is shutting down')
        })
      })
      const client = await connect(ws('/ws'))
      client.socket.send('hello')
      expect(await client.next()).toBe('hello')
      const closing = app.close()
      expect(await client.next()).toBe('Server is shutting down')
      expect((await client.close()).code).toBe(1001)
      await closing
    })

    test('a handler checks for the shutdown between its messages', async () => {
      const { app, ws } = await startServer((app) => {
        app.webSocket('/ws', async (ws) => {
          const ctx = ws.context()
          for (;;) {
            if (ctx.isShuttingDown()) {
              await ws.writeText('Server is shutting down')
              await ws.close()
              break
            }
            const { data } = await ws.readMessage()
            if (!ctx.shutdownSignal.aborted) await once(ctx.shutdownSignal, 'abort')
            await ws.writeText(`done: ${data.toString()}`)
          }
        })
      })
      const client = await connect(ws('/ws'))
      client.socket.send('work')
      // Once this ping is answered, the message before it has been read.
      client.socket.ping()
      await once(client.socket, 'pong')
      const closing = app.close()
      expect(await client.next()).toBe('done: work')
      expect(await client.next()).toBe('Server is shutting down')
      expect((await client.close()).code).toBe(1000)
      await closing
    })
  })
})
