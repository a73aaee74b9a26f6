import Fastify from 'fastify'
import blazeWs from '../../../dist/esm/index.js'

/** A server whose clients are all in one room. */
export async function startNode(hub) {
  const app = Fastify()
  await app.register(blazeWs, { hub, config: { compressionLevel: 0 } })
  app.webSocket('/', async (ws) => {
    app.wsHub.join(ws, 'room')
    for await (const { type, data } of ws) await ws.writeMessage(type, data)
  })
  // Workers would share a port that the system has chosen.
  await app.listen({ port: 0, host: '127.0.0.1', exclusive: true })
  const room = app.wsHub.to('room')
  return {
    port: app.server.address().port,
    broadcast(payload, count) {
      for (let i = 0; i < count; i++) room.broadcast(payload)
    },
    async size() {
      await app.wsHub.cluster.ready()
      return app.wsHub.getClientCount('room')
    }
  }
}
