// A primary of node:cluster and its workers, each with a hub. The test sends { worker, id, command, … } to the primary, which passes
// it on to the worker with that number, and the answers back.
// Options: one argument in JSON: { workers, serialization, isLate, isMemory }. With isLate, the line is opened by `connect`.
import cluster from 'node:cluster'
import Fastify from 'fastify'
import { clusterBroker, connectWorkers } from '../../../../dist/esm/cluster.js'
import blazeWs, { createPublisher, memoryBroker, WebSocketHub } from '../../../../dist/esm/index.js'

const options = JSON.parse(process.argv[2])

function primary() {
  cluster.setupPrimary({ serialization: options.serialization ?? 'advanced' })
  if (!options.isLate) connectWorkers()
  const workers = new Map()
  const heard = []
  const fork = (number) => {
    const worker = cluster.fork()
    workers.set(number, worker)
    worker.on('message', (message) => {
      if (message?.isNode) process.send({ worker: number, pid: worker.process.pid, ...message })
      else if (message?.['fastify-blaze-ws'] !== 1) heard.push(message)
    })
    worker.on('exit', (code, signal) => process.send({ worker: number, exit: signal ?? code }))
  }
  const commands = {
    connect: () => void connectWorkers(),
    fork: ({ number }) => fork(number),
    heard: () => heard,
    rss: () => process.memoryUsage.rss()
  }
  process.on('message', ({ worker, id, command, ...rest }) => {
    if (worker !== undefined) workers.get(worker).send({ id, command, ...rest })
    else process.send({ id, result: commands[command](rest) ?? null })
  })
  // The test is over.
  process.on('disconnect', () => {
    for (const worker of workers.values()) worker.process.kill('SIGKILL')
    process.exit()
  })
  for (let i = 0; i < options.workers; i++) fork(i)
}

async function worker() {
  const logs = []
  const app = Fastify({ logger: { level: 'warn', stream: { write: (line) => logs.push(JSON.parse(line)) } } })
  const broker = () => (options.isMemory ? memoryBroker() : clusterBroker())
  await app.register(blazeWs, { hub: { broker: broker(), lease: 1_000 }, config: { sendQueueSize: 100_000 } })
  const { wsHub: hub } = app
  const second = options.isMemory && new WebSocketHub({ broker: broker(), name: 'second', app })
  const events = []
  for (const event of ['degraded', 'recovered'])
    hub.on(event, (error) => events.push(error ? `${event}: ${error.message}` : event))
  for (const event of ['join', 'leave']) hub.presence.on(event, (_room, { key }) => events.push(`${event} ${key}`))
  app.webSocket('/', async (ws) => {
    hub.join(ws, 'room')
    hub.presence.set(ws, 'room', {}, { key: ws.context().query('name') })
    await hub.cluster.ready()
    await ws.writeText('hello')
    for await (const { type, data } of ws) hub.to('room').broadcast(data, { type })
  })
  const heard = []
  const commands = {
    /** Sends texts of a length to the room. */
    broadcast({ count, length, from }) {
      for (let i = 0; i < count; i++) hub.to('room').broadcast(`${from + i}`.padEnd(length))
      return hub.cluster.stats()
    },
    report: () => ({
      hubs: second ? 2 : 1,
      events,
      logs,
      stats: hub.cluster.stats(),
      listeners: process.listenerCount('message')
    }),
    present: async () => (await hub.presence.list('room')).map(({ key }) => key).toSorted(),
    say: ({ texts }) => texts.forEach((text) => process.send(text)),
    heard: () => heard,
    async publish() {
      const publisher = createPublisher(clusterBroker(), { hub: 'other' })
      const outcomes = []
      for (let i = 0; i < 2; i++)
        outcomes.push(
          await publisher.broadcast('hello').then(
            () => 'sent',
            ({ code, message }) => `${code}: ${message}`
          )
        )
      await publisher.close()
      return outcomes
    },
    close: () => app.close(),
    /** Nothing else than the channel to the primary keeps the process alive. */
    disconnect: () => void setImmediate(() => cluster.worker.disconnect())
  }
  process.on('message', async (message) => {
    const { id, command, ...rest } = message ?? {}
    if (command !== undefined) process.send({ isNode: true, id, result: (await commands[command](rest)) ?? null })
    else if (message?.['fastify-blaze-ws'] !== 1) heard.push(message)
  })
  await app.listen({ port: 0, host: '127.0.0.1', exclusive: true })
  process.send({ isNode: true, port: app.server.address().port })
}

if (cluster.isPrimary) primary()
else await worker()
