import { createServer } from 'node:http'
import { Server } from 'socket.io'

export const name = 'socket.io'

/** How Socket.IO wraps a payload on the wire, and what a client sends first. */
export const wire = {
  path: '/socket.io/?EIO=4&transport=websocket',
  hello: ['40'],
  greetings: 2,
  wrap: (payload) => `42["m","${payload}"]`
}

export async function start({ deflate }) {
  const http = createServer()
  const io = new Server(http, { transports: ['websocket'], perMessageDeflate: Boolean(deflate) && { threshold: 0 } })
  io.on('connection', (socket) => {
    socket.on('m', (data) => socket.emit('m', data))
  })
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve))
  return {
    port: http.address().port,
    broadcast(payload, count) {
      for (let i = 0; i < count; i++) io.emit('m', payload)
    },
    size: () => io.engine.clientsCount
  }
}
