import Fastify from 'fastify'
import blazeWs from '../../dist/esm/index.js'
import { preHandler } from '../pre-handler.mjs'

export const name = 'fastify-blaze-ws'

/** The rooms of the nth connection: the first `size` places are those of room 0, and the connections take them in turn. */
function roomsOf(n, { count, size, connections }) {
  const names = []
  for (let place = n; place < count * size; place += connections) names.push(`room ${Math.floor(place / size)}`)
  return names
}

export const start = (options) => startWith(blazeWs, options)

/** @param observe is called with the application before it listens. */
export async function startWith(plugin, { deflate, rooms, pingInterval, hasPreHandler }, observe = () => {}) {
  const app = Fastify()
  await app.register(plugin, {
    config: {
      compressionLevel: deflate ? 6 : 0,
      compressionThreshold: deflate === 'usual' ? 1024 : 0,
      ...(pingInterval !== undefined && { pingInterval })
    }
  })
  let opened = 0
  let broadcasts = 0
  const handler = async (ws) => {
    app.wsHub.register(ws)
    if (rooms) for (const room of roomsOf(opened++, rooms)) app.wsHub.join(ws, room)
    for await (const { type, data } of ws) await ws.writeMessage(type, data)
  }
  app.webSocket('/', handler, hasPreHandler ? { preHandler } : {})
  observe(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  return {
    port: app.server.address().port,
    broadcast(payload, count) {
      for (let i = 0; i < count; i++) app.wsHub.broadcast(payload)
    },
    /** Broadcasts into one room, the next one each time. */
    broadcastToRoom(payload) {
      app.wsHub.to(`room ${broadcasts++ % rooms.count}`).broadcast(payload)
    },
    size: () => app.wsHub.getClientCount()
  }
}
