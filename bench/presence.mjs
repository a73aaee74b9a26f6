// node bench/presence.mjs: what presence costs two nodes with 100 000 entries: 100 clients in 1 000 rooms each.
// It measures heartbeats while all is well, and the repair of a room after a message was lost. Needs `npm run build`.
import Fastify from 'fastify'
import { WebSocket } from 'ws'
import blazeWs, { memoryBroker, MemoryEngine } from '../dist/esm/index.js'

const CLIENTS = 100
const ROOMS = 1_000
const LEASE = 2_000
const engine = new MemoryEngine()
const rooms = Array.from({ length: ROOMS }, (_, i) => `room ${i}`)

/** What arrives at a node, and whether the next message of a room is lost. */
const network = { messages: 0, bytes: 0, losesNext: false }

function countingBroker() {
  const broker = memoryBroker({ engine })
  const open = broker.open.bind(broker)
  broker.open = (node) =>
    open({
      lost: (error) => node.lost(error),
      receive(channel, message) {
        if (network.losesNext && channel.startsWith('room:')) {
          network.losesNext = false
          return
        }
        network.messages++
        network.bytes += message.length
        node.receive(channel, message)
      }
    })
  return broker
}

async function startNode() {
  const app = Fastify()
  await app.register(blazeWs, { hub: { broker: countingBroker(), lease: LEASE } })
  app.webSocket('/', async (ws) => {
    for (const room of rooms) app.wsHub.presence.set(ws, room, { name: ws.id }, { key: ws.id })
    for await (const message of ws) void message
  })
  await app.listen({ port: 0 })
  return app
}

const sleep = (time) => new Promise((resolve) => setTimeout(resolve, time))
const known = (app) => rooms.reduce((sum, room) => sum + app.wsHub.presence.known(room).length, 0)
async function until(condition) {
  const start = performance.now()
  while (!condition()) await sleep(5)
  return performance.now() - start
}

const [a, b] = [await startNode(), await startNode()]
const watch = () => {}
for (const { wsHub } of [a, b]) wsHub.presence.on('join', watch)
const clients = Array.from({ length: CLIENTS }, (_, i) => {
  const { port } = (i % 2 ? a : b).server.address()
  return new WebSocket(`ws://127.0.0.1:${port}/`)
})
await until(() => known(a) === CLIENTS * ROOMS && known(b) === CLIENTS * ROOMS)
await sleep(2 * LEASE)

const before = { ...network, cpu: process.cpuUsage() }
await sleep(5 * LEASE)
const { user, system } = process.cpuUsage(before.cpu)
const beats = network.messages - before.messages
console.log(`${clients.length} clients, ${known(a)} present, both nodes agree`)
console.log(`heartbeats: ${beats} in ${5 * LEASE} ms, ${Math.round((network.bytes - before.bytes) / beats)} bytes each`)
console.log(
  `CPU of both nodes while all is well: ${((user + system) / 1_000 / beats).toFixed(2)} ms for each heartbeat`
)

const [ws] = a.wsHub.getClients()
const bytes = network.bytes
const cpu = process.cpuUsage()
network.losesNext = true
a.wsHub.presence.set(ws, 'room 7', 'changed')
const time = await until(() => b.wsHub.presence.known('room 7').some(({ info }) => info === 'changed'))
const repair = process.cpuUsage(cpu)
console.log(
  `repair of a lost change: after ${Math.round(time)} ms (lease ${LEASE}), ${network.bytes - bytes} bytes, ` +
    `${((repair.user + repair.system) / 1_000).toFixed(0)} ms of CPU`
)
process.exit(0)
