// A node of Socket.IO with the recovery that its documentation recommends.
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import { createAdapter } from '@socket.io/redis-streams-adapter'
import { Redis } from 'ioredis'
import { Server } from 'socket.io'

const RECOVERED_FOR = 120_000

export async function startNode({ port, engine }) {
  const redis = new Redis(engine, '127.0.0.1').on('error', () => undefined)
  await redis.ping()
  const http = createServer()
  const io = new Server(http, {
    transports: ['websocket'],
    adapter: createAdapter(redis),
    connectionStateRecovery: { maxDisconnectionDuration: RECOVERED_FOR }
  })
  http.on('request', async (request, response) => {
    if (request.url !== '/publish') return
    const { id: _id, ...data } = await json(request)
    // It has no way to tell whether the message was stored.
    io.to('room').emit('said', data)
    response.end('published')
  })
  io.on('connection', (socket) => {
    if (!socket.recovered) void socket.join('room')
    socket.emit('welcome')
  })
  await new Promise((resolve, reject) => {
    http.once('error', reject)
    http.listen({ port, host: '127.0.0.1' }, resolve)
  })
  return io
}
