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

// Longer than the plugin takes to close the connections, see `shutdown` in app.js.
closeWithGrace({ delay: 10_000 }, async ({ err }) => {
  if (err) app.log.error({ err }, 'closing after an error')
  await app.close()
  // Last, because the hub still needs the connection to leave the cluster.
  await disconnect()
})

const address = await app.listen({ port: Number(PORT), host: HOST })
if (process.send) reportTo(process)
else console.log(`Chat: ${address}  (numbers: ${address}/status)`)
if (!CHAT_TOKEN) console.log(`Token for /admin (set CHAT_TOKEN to choose your own): ${token}`)

/** Reports the address to cluster.js, which prints it. If cluster.js dies, this process must end by itself. */
function reportTo(parent) {
  parent.send({ address })
  parent.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
}
