// The server of the soak test, in a process of its own: node --expose-gc server.mjs
import Fastify from 'fastify'
import { Broadcasts } from './broadcasts.mjs'
import { Sampler } from './sampler.mjs'

const options = JSON.parse(process.argv[2])
// Takes a copy of dist, so that the run can go on during another build.
const { default: blazeWs } = await import(process.env.SOAK_DIST ?? '../../dist/esm/index.js')

const faults = []
for (const event of ['unhandledRejection', 'uncaughtException']) {
  process.on(event, (error) => faults.push(`${event}: ${error?.stack ?? error}`))
}
process.on('warning', (warning) => faults.push(`warning: ${warning.stack}`))

/** Logs only errors that a client must not be able to cause. */
const logged = []
const logger = { level: 'error', stream: { write: (line) => void (logged.length < 20 && logged.push(line.trim())) } }
// Without this, an unfinished request keeps Node's HTTP server waiting, and so app.close().
const app = Fastify({ logger, forceCloseConnections: true })
await app.register(blazeWs, {
  config: {
    pingInterval: 2_000,
    pongTimeout: 10_000,
    readTimeout: 20_000,
    writeTimeout: 5_000,
    maxMessageSize: 64 * 1024
  },
  shutdown: { timeout: options.shutdownTimeout, grace: 2_000 }
})

const broadcasts = new Broadcasts(app.wsHub, options)
const sampler = new Sampler(app, options.gcEvery)

/** Sends the last numbers; the handler returns at once, so no broadcast comes between them and the close frame. */
function finish(ws, room) {
  void ws.writeText(`last ${broadcasts.next(room)}`).catch(() => {})
}

app.webSocket('/soak', async (ws) => {
  const room = ws.context().query('room')
  app.wsHub.join(ws, room)
  sampler.opened++
  await ws.writeText(`joined ${broadcasts.next(room)}`)
  for await (const { type, data } of ws) {
    if (data.length === 3 && data.toString() === 'bye') return finish(ws, room)
    if (options.sabotage === 'leak') sampler.leak(data)
    await ws.writeMessage(type, data)
  }
  if (ws.context().isShuttingDown()) finish(ws, room)
})

/** Sends until the connection ends: if the client does not read, only deadlines can end this. */
app.webSocket('/pour', async (ws) => {
  const chunk = 'x'.repeat(32 * 1024)
  for (;;) await ws.writeText(chunk)
})

process.on('message', async (command) => {
  if (command !== 'close') return
  sampler.stop()
  const from = performance.now()
  await app.close()
  const took = performance.now() - from
  broadcasts.stop()
  process.send({ closed: { took, faults, logged, stats: app.wsHub.stats() } }, () => process.disconnect())
})

await app.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
process.send({ port: app.server.address().port })
broadcasts.start()
sampler.start((sample) => process.send({ sample: { ...sample, ...app.wsHub.stats(), faults: faults.length } }))

// The parent process is gone.
process.on('disconnect', () => setTimeout(() => process.exit(), 20_000).unref())
