// A room whose messages are published, or broadcast to compare. With a port of Redis, it is a node of a cluster.
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import blazeWs, { memoryHistory } from '../../../dist/esm/index.js'
import { redisBroker, redisHistory } from '../../../dist/esm/redis.js'

const MISSED = 50
const MISSED_SIZE = 128

/** A store that counts how often it is read. */
function counted(store) {
  const counts = { reads: 0 }
  const read = store.read.bind(store)
  store.read = (...args) => {
    counts.reads++
    return read(...args)
  }
  return [store, counts]
}

function hubOptions(redis, store) {
  if (redis === undefined) return { history: { store } }
  const client = new Redis(redis, '127.0.0.1', { lazyConnect: true })
  return { broker: redisBroker({ client }), history: { store: redisHistory({ client }) } }
}

/** Counts the members that have everything, and watches the memory until all have it. */
function watchMemory() {
  let peak = 0
  const before = process.memoryUsage.rss()
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss() - before)), 10)
  return () => {
    clearInterval(timer)
    return peak
  }
}

export async function startHistory(method, { redis }) {
  const [store, counts] = counted(memoryHistory())
  const app = Fastify()
  await app.register(blazeWs, { hub: hubOptions(redis, store), config: { compressionLevel: 0, pingInterval: 0 } })
  const waiting = []
  app.webSocket('/', async (ws) => {
    app.wsHub.join(ws, 'room')
    for await (const { type, data } of ws) await ws.writeMessage(type, data)
  })
  app.webSocket('/resume', async (ws) => {
    app.wsHub.register(ws)
    waiting.push(ws)
    for await (const { type, data } of ws) await ws.writeMessage(type, data)
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const room = app.wsHub.to('room')
  let memory
  return {
    port: app.server.address().port,
    broadcast(payload, count) {
      for (let i = 0; i < count; i++) room[method](payload)
    },
    async size() {
      await app.wsHub.cluster.ready()
      return redis === undefined ? app.wsHub.getClientCount() : app.wsHub.getClientCount('room')
    },
    /** All connections come back, after the room has had some messages. */
    async resume() {
      const since = await app.wsHub.history.position('room')
      for (let i = 0; i < MISSED; i++) await room.publish('x'.repeat(MISSED_SIZE))
      counts.reads = 0
      memory = watchMemory()
      for (const ws of waiting) app.wsHub.join(ws, 'room', { since })
      return {}
    },
    resumed: () => ({ reads: counts.reads, peak: memory() })
  }
}
