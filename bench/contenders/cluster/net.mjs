// The lower limit for two nodes: TCP, and ioredis between them. Each burst is one Redis message.
import { Redis } from 'ioredis'
import { accept, frameOf } from '../net.mjs'

export async function start({ redis }) {
  const { port, clients } = await accept()
  const [pub, sub] = [new Redis(redis, '127.0.0.1'), new Redis(redis, '127.0.0.1')]
  const send = (bytes) => {
    for (const socket of clients) socket.write(bytes)
  }
  const own = String(process.pid)
  sub.on('messageBuffer', (channel, message) => {
    const at = message.indexOf(' ')
    if (message.toString('latin1', 0, at) !== own) send(message.subarray(at + 1))
  })
  await sub.subscribe('room')
  return {
    port,
    broadcast(payload, count) {
      const frame = frameOf(payload)
      const bytes = Buffer.concat(Array.from({ length: count }, () => frame))
      void pub.publish('room', Buffer.concat([Buffer.from(`${own} `), bytes]))
      send(bytes)
    },
    size: () => clients.size
  }
}
