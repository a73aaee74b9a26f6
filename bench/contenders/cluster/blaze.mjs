import Fastify from 'fastify'
import { Redis } from 'ioredis'
import blazeWs from '../../../dist/esm/index.js'
import { redisBroker } from '../../../dist/esm/redis.js'

export async function start({ redis }) {
  const client = new Redis(redis, '127.0.0.1', { lazyConnect: true })
  const app = Fastify()
  await app.register(blazeWs, { hub: { broker: redisBroker({ client }) }, config: { compressionLevel: 0 } })
  app.webSocket('/', async (ws) => {
    app.wsHub.join(ws, 'room')
    for await (const { type, data } of ws) await ws.writeMessage(type, data)
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
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
