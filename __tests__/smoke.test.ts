import { closeServers, connect, startServer } from './support/server.ts'

afterEach(closeServers)

test('an echo by for await', async () => {
  const { ws } = await startServer((app) => {
    app.webSocket('/ws', async (ws) => {
      for await (const { type, data } of ws) await ws.writeMessage(type, data)
    })
  })
  const client = await connect(ws('/ws'))
  client.socket.send('hello')
  expect(await client.next()).toBe('hello')
  client.socket.close(1000)
  expect((await client.close()).code).toBe(1000)
})
