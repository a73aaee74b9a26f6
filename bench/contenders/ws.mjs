import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'

export const name = 'ws'

export async function start({ deflate }) {
  const http = createServer()
  const server = new WebSocketServer({
    server: http,
    perMessageDeflate: deflate && { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 }
  })
  server.on('connection', (socket) => {
    socket.on('error', () => {})
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve))
  return {
    port: http.address().port,
    broadcast(payload, count) {
      for (let i = 0; i < count; i++) for (const socket of server.clients) socket.send(payload)
    },
    size: () => server.clients.size
  }
}
