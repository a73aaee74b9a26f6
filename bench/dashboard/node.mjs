// A worker of bench/dashboard.mjs: rooms, the dashboard, and its numbers for the comparison.
import Fastify from 'fastify'
import blazeWs from '../../dist/esm/index.js'
import { clusterBroker } from '../../dist/esm/cluster.js'
import dashboard from '../../dist/esm/dashboard.js'

const app = Fastify()
await app.register(blazeWs, { config: { sendQueueSize: 64 }, hub: { broker: clusterBroker() } })
await app.register(dashboard, { prefix: '/realtime', onRequest: [] })

app.webSocket('/rooms/:room', async (ws) => {
  const room = ws.context().param('room')
  app.wsHub.join(ws, room)
  for await (const { data } of ws) app.wsHub.to(room).broadcast(data)
})
app.webSocket('/alerts', async (ws) => {
  app.wsHub.join(ws, 'alerts')
  for await (const message of ws) void message
})
app.get('/stats', async () => app.wsStats())
setInterval(() => app.wsHub.to('alerts').broadcast('all is well', { local: true }), 1000)
await app.listen({ port: Number(process.env.NODE_PORT), host: '127.0.0.1' })
process.send({ port: Number(process.env.NODE_PORT) })
