// A server in a process of its own, for faults that would harm the tests. Its options are one argument in JSON.
import { createWriteStream } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'

const { config = {}, shutdown = {}, logger, forceCloseConnections } = JSON.parse(process.argv[2] ?? '{}')
// Takes a copy of dist, so that the tests can go on during another build.
const { default: blazeWs } = await import(process.env.SOAK_DIST ?? '../../dist/esm/index.js')

const faults = []
for (const event of ['uncaughtException', 'unhandledRejection'])
  process.on(event, (error) => faults.push(`${event}: ${error?.stack}`))

/** A log destination that works until it is told to fail. */
const log = { isBroken: false, failed: 0 }
const destinations = {
  throws: () => ({
    write() {
      if (!log.isBroken) return
      log.failed++
      throw new Error('the destination of the log is broken')
    }
  }),
  // Every write to this device fails with ENOSPC, as on a full disk.
  full: () => createWriteStream('/dev/full').on('error', () => log.failed++)
}

const app = Fastify({
  ...(forceCloseConnections === undefined ? {} : { forceCloseConnections }),
  ...(logger === undefined ? {} : { logger: { level: 'debug', stream: destinations[logger]() } }),
  // Requests are logged by Fastify itself, which does not expect that to fail.
  logController: new Fastify.LogController({ disableRequestLogging: true })
})
await app.register(blazeWs, { config, shutdown })

let busy = 0
app.webSocket('/echo', async (ws) => {
  app.wsHub.join(ws, 'everybody')
  for await (const { type, data } of ws) await ws.writeMessage(type, data)
})
/** Takes a moment for each message. */
app.webSocket('/work', async (ws) => {
  app.wsHub.register(ws)
  for await (const { data } of ws) {
    busy++
    await sleep(300)
    await ws.writeText(`done: ${data.toString()}`)
  }
})
app.webSocket('/fails', async (ws) => {
  await ws.readMessage()
  throw new Error('in a handler')
})

const traffic = setInterval(() => app.wsHub.broadcast('tick'), 20)
app.addHook('onClose', async () => clearInterval(traffic))

const commands = {
  report() {},
  /** Blocks the event loop. */
  block({ time }) {
    const end = performance.now() + time
    while (performance.now() < end);
  },
  /** Sets the wall clock: both `new Date()` and `Date.now()`. */
  clock({ offset }) {
    const RealDate = commands.RealDate ?? Date
    commands.RealDate = RealDate
    const wrong = () => RealDate.now() + offset
    globalThis.Date = new Proxy(RealDate, {
      construct: (target, args, newTarget) =>
        Reflect.construct(target, args.length === 0 ? [wrong()] : args, newTarget),
      get: (target, key, receiver) => (key === 'now' ? wrong : Reflect.get(target, key, receiver))
    })
  },
  breakLog() {
    log.isBroken = true
  },
  close() {
    void app.close()
  }
}

process.on('message', (command) => {
  commands[command.name](command)
  process.send({ name: command.name, busy, faults, failedLogs: log.failed, date: Date.now(), hub: app.wsHub.stats() })
})
// Only the server may keep the process alive.
process.channel?.unref()
process.on('SIGTERM', () => void app.close())

await app.listen({ port: 0, host: '127.0.0.1' })
process.send({ name: 'ready', port: app.server.address().port })
