import { createServer } from 'node:http'
import { createAdapter } from '@socket.io/redis-adapter'
import { Redis } from 'ioredis'
import { Server } from 'socket.io'

export { wire } from '../socket.io.mjs'

export async function start({ redis }) {
  const http = createServer()
  const [pub, sub] = [new Redis(redis, '127.0.0.1'), new Redis(redis, '127.0.0.1')]
  const io = new Server(http, { transports: ['websocket'], perMessageDeflate: false, adapter: createAdapter(pub, sub) })
  io.on('connection', (socket) => socket.join('room'))
  // Redis answers in order, so the adapter's subscriptions are active when this command is answered.
  await Promise.all([pub.ping(), sub.ping()])
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve))
  return {
    port: http.address().port,
    broadcast(payload, count) {
      for (let i = 0; i < count; i++) io.to('room').emit('m', payload)
    },
    size: () => io.of('/').adapter.rooms.get('room')?.size ?? 0
  }
}
