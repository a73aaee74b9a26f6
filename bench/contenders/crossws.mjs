import { createServer } from 'node:http'
import nodeAdapter from 'crossws/adapters/node'

export const name = 'crossws'

export async function start({ deflate }) {
  const peers = new Set()
  const ws = nodeAdapter({
    hooks: {
      open(peer) {
        peers.add(peer)
        peer.subscribe('all')
      },
      message(peer, message) {
        peer.send(message.text())
      },
      close: (peer) => void peers.delete(peer)
    },
    serverOptions: {
      perMessageDeflate: deflate && { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 }
    }
  })
  const http = createServer()
  http.on('upgrade', (...args) => ws.handleUpgrade(...args))
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve))
  return {
    port: http.address().port,
    broadcast(payload, count) {
      for (let i = 0; i < count; i++) for (const peer of peers) peer.send(payload)
    },
    size: () => peers.size
  }
}
