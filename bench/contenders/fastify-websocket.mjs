import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import { preHandler } from '../pre-handler.mjs'

export const name = '@fastify/websocket'

export async function start({ deflate, hasPreHandler }) {
  const app = Fastify()
  await app.register(websocket, {
    options: {
      perMessageDeflate: deflate && { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 }
    }
  })
  app.get('/', { websocket: true, ...(hasPreHandler && { preHandler }) }, (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { clients } = app.websocketServer
  return {
    port: app.server.address().port,
    broadcast(payload, count) {
      for (let i = 0; i < count; i++) for (const socket of clients) socket.send(payload)
    },
    size: () => clients.size
  }
}
