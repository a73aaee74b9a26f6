// The lower limit for any library in Node: TCP without WebSocket, except for the handshake. It echoes bytes without unmasking them.
import { createHash } from 'node:crypto'
import { createServer } from 'node:net'

export const name = 'raw net'

/** Starts a server that accepts every handshake. Resolves to its port and its clients. */
export async function accept() {
  const clients = new Set()
  const server = createServer({ noDelay: true }, (socket) => {
    socket.once('data', (request) => {
      const key = /sec-websocket-key: (.+)\r\n/i.exec(request.toString())[1]
      const answer = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${answer}\r\n\r\n`
      )
      clients.add(socket)
      socket.on('data', (chunk) => socket.write(chunk))
    })
    socket.on('close', () => clients.delete(socket))
    socket.on('error', () => {})
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: server.address().port, clients }
}

export async function start() {
  const { port, clients } = await accept()
  return {
    port,
    broadcast(payload, count) {
      const frame = frameOf(payload)
      const bytes = Buffer.concat(Array.from({ length: count }, () => frame))
      for (const socket of clients) socket.write(bytes)
    },
    size: () => clients.size
  }
}

export function frameOf(payload) {
  const length = Buffer.byteLength(payload)
  const head = length < 126 ? Buffer.from([0x81, length]) : Buffer.from([0x81, 126, length >> 8, length & 255])
  return Buffer.concat([head, Buffer.from(payload)])
}
