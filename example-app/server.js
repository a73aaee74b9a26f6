// Runs the chat: `npm start`, or `npm start -- --workers 2` for two processes that share one port.
import cluster from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { parseArgs } from 'node:util'
import closeWithGrace from 'close-with-grace'
import { buildApp } from './app.js'
import { connectEngine } from './engine.js'
import { runWorkers } from './workers.js'

const workers = Number(parseArgs({ options: { workers: { type: 'string', default: '1' } } }).values.workers)
if (!(Number.isInteger(workers) && workers >= 1 && workers <= 128)) {
  console.error('--workers must be a number from 1 to 128.')
  process.exit(1)
}
if (cluster.isPrimary && workers > 1) await runWorkers(workers)
else await serve(process.env)

async function serve({ PORT = '3000', HOST = '127.0.0.1', LOG_LEVEL = 'warn', CHAT_TOKEN, CHAT_NODE, CHAT_GRACE }) {
  const token = CHAT_TOKEN || randomBytes(16).toString('hex')
  const { disconnect, ...engine } = await connectEngine(process.env)
  const app = await buildApp({
    token,
    node: CHAT_NODE || `${hostname()} ${process.pid}`,
    grace: CHAT_GRACE ? Number(CHAT_GRACE) : undefined,
    ...engine,
    logger: { level: LOG_LEVEL }
  })

  // A worker gets some signals twice: with the whole group of processes, and from the primary.
  const skip = cluster.isWorker ? ['SIGINT', 'SIGTERM', 'SIGHUP'] : []
  // Longer than the plugin takes to close the connections, see `shutdown` in app.js.
  const { close } = closeWithGrace({ delay: 10_000, skip }, async ({ err }) => {
    if (err) app.log.error({ err }, 'closing after an error')
    await app.close()
    // Last, because the hub still needs the connection to leave the cluster.
    await disconnect()
  })
  let closing
  for (const signal of skip) process.on(signal, () => (closing ??= close()))

  const address = await app.listen({ port: Number(PORT), host: HOST })
  if (process.send) reportTo(process, address)
  else console.log(`Chat: ${address}  (for operators: ${address}/status, any name and the token)`)
  if (!CHAT_TOKEN) console.log(`Token for /admin and /status (set CHAT_TOKEN to choose your own): ${token}`)
}

/** Reports the address to cluster.js or workers.js, which prints it. If that process dies, this one must end by itself. */
function reportTo(parent, address) {
  parent.send({ address })
  parent.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
}
