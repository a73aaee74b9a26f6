// The server under attack, in its own process. It answers 'state' with its resources, and 'close' by closing.
import Fastify from 'fastify'
import blazeWs, { sameOrigin } from '../../dist/esm/index.js'

const lines = []
const app = Fastify({
  logger: { level: 'info', stream: { write: (line) => void (lines.length < 5_000 && lines.push(line)) } }
})
await app.register(blazeWs, { maxPendingUpgrades: 50, config: { maxMessageSize: 1024 * 1024 } })

let waiting = []
let handled = 0
const slow = (request, reply, done) => void waiting.push(done)

async function echo(ws) {
  handled++
  app.wsHub.register(ws)
  for await (const { type, data } of ws) await ws.writeMessage(type, data)
}

app.webSocket('/echo', echo)
app.webSocket('/slow', { onRequest: slow }, echo)
app.webSocketWithConfig('/few', echo, { maxConnectionsPerIp: 20, maxConnections: 100 })
app.webSocketWithConfig('/first', echo, { firstMessageTimeout: 500 })
app.webSocketWithConfig('/short', echo, { readTimeout: 500, writeTimeout: 500 })
app.webSocketWithConfig('/origin', echo, { checkOrigin: sameOrigin() })
app.webSocketWithConfig('/limited', echo, { rateLimit: { messages: 10_000, burst: 100 } })
app.webSocketWithConfig('/chosen', echo, { subprotocols: ['chat'] })
const wait = (ws) => new Promise((resolve) => ws.signal.addEventListener('abort', resolve))
// This handler never reads, so the loss of a client shows only when the server writes to it.
app.webSocketWithConfig('/busy', wait, { pingInterval: 200 })
app.webSocket('/room', async (ws) => {
  for (;;) {
    app.wsHub.join(ws, (await ws.readMessage()).data.toString())
    await ws.writeText('joined')
  }
})
app.webSocket('/json', async (ws) => {
  for (;;) await ws.writeJSON({ got: await ws.readJSON(), polluted: {}.polluted ?? null })
})

process.on('uncaughtException', (error) => process.send({ fatal: String(error?.stack) }))
process.on('unhandledRejection', (error) => process.send({ fatal: String(error?.stack) }))

async function state() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const sockets = await new Promise((resolve) => app.server.getConnections((_error, count) => resolve(count)))
  const { heapUsed, external } = process.memoryUsage()
  return {
    sockets,
    clients: app.wsHub.getClientCount(),
    rooms: app.wsHub.getRooms().length,
    held: heapUsed + external,
    handled,
    waiting: waiting.length,
    log: lines.join('')
  }
}

/** Broadcasts go at the speed of the fastest client. */
async function someoneIsFree() {
  do await new Promise((resolve) => setImmediate(resolve))
  while (app.wsHub.getClients().every((ws) => ws.bufferedAmount > 0))
}

const commands = {
  state,
  release: () => {
    for (const done of waiting.splice(0)) done()
  },
  broadcast: async () => {
    const chunk = Buffer.alloc(64 * 1024, 'x')
    for (let i = 0; i < 4_000; i++) {
      app.wsHub.broadcast(chunk)
      if (i % 20 === 0) await someoneIsFree()
    }
    return app.wsHub.stats()
  },
  close: async () => {
    await app.close()
    process.disconnect()
  }
}
process.on('message', async ({ id, command }) => {
  const result = await commands[command]()
  if (process.connected) process.send({ id, result })
})
process.on('disconnect', () => setTimeout(() => process.exit(), 1000).unref())
await app.listen({ port: 0, host: '127.0.0.1' })
process.send({ port: app.server.address().port })
