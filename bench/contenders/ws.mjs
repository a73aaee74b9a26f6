import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'

export const name = 'ws'

/** Heartbeats as the README of ws recommends them. */
function pingAll(server, interval) {
  server.on('connection', (socket) => {
    socket.isAlive = true
    socket.on('pong', () => (socket.isAlive = true))
  })
  setInterval(() => {
    for (const socket of server.clients) {
      if (socket.isAlive) {
        socket.isAlive = false
        socket.ping()
      } else socket.terminate()
    }
  }, interval)
}

export async function start({ deflate, pingInterval }) {
  const http = createServer()
  const server = new WebSocketServer({
    server: http,
    perMessageDeflate: deflate && { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 }
  })
  server.on('connection', (socket) => {
    socket.on('error', () => {})
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  if (pingInterval) pingAll(server, pingInterval)
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve))
  return {
    port: http.address().port,
    broadcast(payload, count) {
      for (let i = 0; i < count; i++) for (const socket of server.clients) socket.send(payload)
    },
    size: () => server.clients.size
  }
}
