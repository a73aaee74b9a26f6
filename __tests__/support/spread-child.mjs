// A server whose connections get their turn over a minute. It tells its port, and closes at SIGTERM.
import Fastify from 'fastify'
import blazeWs from '../../dist/esm/index.js'

const app = Fastify()
await app.register(blazeWs, { shutdown: { spread: 60_000 } })
app.webSocket('/ws', async (ws) => {
  for await (const message of ws) void message
})
// The first question starts the measurement of the event loop.
app.get('/health', async () => app.wsHealth())
process.once('SIGTERM', () => {
  void app.close()
  process.disconnect()
})
await app.listen({ port: 0, host: '127.0.0.1' })
await fetch(`http://127.0.0.1:${app.server.address().port}/health`, { headers: { connection: 'close' } })
process.send({ port: app.server.address().port })
