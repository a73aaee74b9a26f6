// A node of a cluster in a process of its own. Its options are one argument in JSON: { engine: 'ioredis' | 'node-redis' | 'nats', port }.
import Fastify from 'fastify'

const { engine, port, lease = 2_000, config = {} } = JSON.parse(process.argv[2])
const { default: blazeWs } = await import('../../../dist/esm/index.js')

const faults = []
for (const event of ['uncaughtException', 'unhandledRejection'])
  process.on(event, (error) => faults.push(`${event}: ${error?.stack}`))

const brokers = {
  async ioredis() {
    const [{ Redis }, { redisBroker }] = [await import('ioredis'), await import('../../../dist/esm/redis.js')]
    const client = new Redis(port, '127.0.0.1', { lazyConnect: true })
    return redisBroker({ client })
  },
  async 'node-redis'() {
    const [{ createClient }, { redisBroker }] = [await import('redis'), await import('../../../dist/esm/redis.js')]
    return redisBroker({ client: createClient({ url: `redis://127.0.0.1:${port}` }) })
  },
  async nats() {
    const [{ connect }, { natsBroker }] = [
      await import('@nats-io/transport-node'),
      await import('../../../dist/esm/nats.js')
    ]
    const client = await connect({ port, maxReconnectAttempts: -1, reconnectTimeWait: 100 })
    app.addHook('onClose', () => client.close())
    return natsBroker({ client })
  }
}

const app = Fastify({ forceCloseConnections: true })
await app.register(blazeWs, {
  hub: { broker: await brokers[engine](), lease },
  config: { sendQueueSize: 100_000, ...config }
})
const { wsHub: hub } = app

const events = []
hub.on('degraded', () => events.push('degraded'))
hub.on('recovered', () => events.push('recovered'))
hub.presence.on('join', (room, { key }) => events.push(`join ${key}`))
hub.presence.on('leave', (room, { key }) => events.push(`leave ${key}`))

/** `+room` joins and `-room` leaves, answered once in effect. `=room` broadcasts to the room from this node. */
app.webSocket('/', async (ws) => {
  const name = ws.context().query('name')
  await ws.writeText('hello')
  for await (const { data } of ws) {
    const text = data.toString()
    const room = text.slice(1)
    if (text[0] === '+') hub.join(ws, room)
    if (text[0] === '-') hub.leave(ws, room)
    if (name !== '' && text[0] === '+') hub.presence.set(ws, room, { name }, { key: name })
    await hub.cluster.ready()
    await ws.writeText(text)
  }
})

/** The number of this node's broadcasts to each room. */
const sent = new Map()

const commands = {
  /** Broadcasts `room node number` to rooms, in turn, so many times each. */
  broadcast({ rooms, count, name }) {
    for (let i = 0; i < count; i++) {
      for (const room of rooms) {
        const number = (sent.get(room) ?? 0) + 1
        sent.set(room, number)
        hub.to(room).broadcast(`${room} ${name} ${number}`)
      }
    }
  },
  report: async () => ({
    id: hub.cluster.id,
    faults,
    events,
    clients: hub.getClientCount(),
    cluster: hub.cluster.stats(),
    memory: process.memoryUsage().rss
  }),
  ready: () => hub.cluster.ready(),
  nodes: () => hub.cluster.nodes(),
  reach: ({ room, timeout }) => hub.to(room).reach(`${room} reach 1`, { timeout }),
  list: async ({ room }) => (await hub.presence.list(room)).map(({ key }) => key),
  /** Broadcasts to a room every few milliseconds, until `quiet`. */
  noise({ room, name, every }) {
    clearInterval(commands.timer)
    commands.timer = setInterval(() => commands.broadcast({ rooms: [room], count: 1, name }), every)
  },
  quiet: () => clearInterval(commands.timer),
  close: () => app.close()
}
// The node may have messages to report up to the last moment.
app.addHook('onClose', async () => clearInterval(commands.timer))

process.on('message', async ({ id, command, ...options }) => {
  const result = await commands[command](options)
  process.send({ id, ...(command === 'close' ? { faults } : { result }), sent: Object.fromEntries(sent) })
  if (command === 'close') process.disconnect()
})

await app.listen({ port: 0, host: '127.0.0.1' })
process.send({ port: app.server.address().port })
