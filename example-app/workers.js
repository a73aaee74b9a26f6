import cluster from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectWorkers } from 'fastify-blaze-ws/cluster'

const RESTART_AFTER = 1000
/** A little more than server.js needs to close. */
const END_WITHIN = 12_000

/** Runs server.js in several workers that share one port, and replaces each one that dies. This process only connects them. */
export async function runWorkers(count) {
  const token = process.env.CHAT_TOKEN || randomBytes(16).toString('hex')
  cluster.setupPrimary({ serialization: 'advanced' })
  connectWorkers()

  let isClosing = false
  const close = () => {
    if (isClosing) return
    isClosing = true
    const workers = Object.values(cluster.workers)
    for (const worker of workers) worker.process.kill('SIGTERM')
    setTimeout(() => workers.forEach((worker) => worker.process.kill('SIGKILL')), END_WITHIN).unref()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, close)

  /** Keeps a worker running. Resolves to the address when it listens for the first time. */
  const run = (name) =>
    new Promise((resolve, reject) => {
      const start = async () => {
        const startedAt = Date.now()
        const worker = cluster.fork({ CHAT_NODE: name, CHAT_TOKEN: token })
        worker.on('message', ({ address }) => {
          if (address === undefined) return
          console.log(`${name}: pid ${worker.process.pid}`)
          resolve(address)
        })
        const [code, signal] = await once(worker, 'exit')
        if (isClosing) return
        const why = signal ?? `code ${code}`
        reject(new Error(`${name} has ended with ${why}.`))
        console.log(`${name} has ended with ${why} and is started again.`)
        await sleep(Math.max(0, startedAt + RESTART_AFTER - Date.now()))
        if (!isClosing) void start()
      }
      void start()
    })

  const names = Array.from({ length: count }, (_, i) => `Worker ${i + 1}`)
  try {
    const [address] = await Promise.all(names.map(run))
    console.log(`Chat: ${address}  (for operators: ${address}/status, any name and the token)`)
    if (!process.env.CHAT_TOKEN)
      console.log(`Token for /admin and /status (set CHAT_TOKEN to choose your own): ${token}`)
  } catch (error) {
    console.error(error.message)
    process.exitCode = 1
    close()
  }
}
