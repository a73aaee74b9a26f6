import Fastify from 'fastify'
import blazeWs from '../../dist/esm/index.js'

export const name = 'fastify-blaze-ws'

export async function start({ deflate, rooms }) {
  const app = Fastify()
  await app.register(blazeWs, {
    config: { compressionLevel: deflate ? 6 : 0, compressionThreshold: deflate === 'usual' ? 1024 : 0 }
  })
  let joined = 0
  app.webSocket('/', async (ws) => {
    app.wsHub.register(ws)
    // 100 rooms, each connection in ten of them.
    if (rooms) for (let i = 0, n = joined++; i < 10; i++) app.wsHub.join(ws, `room ${(n + i * 10) % 100}`)
    for await (const { type, data } of ws) await ws.writeMessage(type, data)
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return {
    port: app.server.address().port,
    broadcast(payload, count) {
      for (let i = 0; i < count; i++) app.wsHub.broadcast(payload)
    },
    /** Makes as many deliveries as `broadcast`, one room after the other. */
    broadcastRooms(payload, count) {
      for (let i = 0; i < count * 10; i++) app.wsHub.to(`room ${i % 100}`).broadcast(payload)
    },
    size: () => app.wsHub.getClientCount()
  }
}
