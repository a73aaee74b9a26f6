import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import closeWithGrace from 'close-with-grace'
import { buildApp } from './app.js'
import { connectEngine } from './engine.js'

const { PORT = '3000', HOST = '127.0.0.1', LOG_LEVEL = 'warn', CHAT_TOKEN, CHAT_NODE, CHAT_GRACE } = process.env

const token = CHAT_TOKEN || randomBytes(16).toString('hex')
const { disconnect, ...engine } = await connectEngine(process.env)
const app = await buildApp({
  token,
  node: CHAT_NODE || `${hostname()} ${process.pid}`,
  grace: CHAT_GRACE ? Number(CHAT_GRACE) : undefined,
  ...engine,
  logger: { level: LOG_LEVEL }
})

// A little more than the plugin takes at most to close the connections, see `shutdown` in app.js.
closeWithGrace({ delay: 10_000 }, async ({ err }) => {
  if (err) app.log.error({ err }, 'closing after an error')
  await app.close()
  // Its connection is ours, and the last that is needed: over it, the hub takes leave of the other nodes.
  await disconnect()
})

const address = await app.listen({ port: Number(PORT), host: HOST })
if (process.send) reportTo(process)
else console.log(`Chat: ${address}  (numbers: ${address}/status)`)
if (!CHAT_TOKEN) console.log(`Token for /admin, set CHAT_TOKEN to choose your own: ${token}`)

/** cluster.js has started us, and prints the addresses; without it there is nobody who would end us. */
function reportTo(parent) {
  parent.send({ address })
  parent.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
}
