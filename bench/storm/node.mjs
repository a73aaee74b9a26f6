// A node that keeps what is published in Redis. It counts handshakes and measures its event loop between `begin` and `report`.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import blazeWs from '../../dist/esm/index.js'
import { redisBroker, redisHistory } from '../../dist/esm/redis.js'
import { contract } from '../jitter/contract.mjs'
import { serve } from '../jitter/serve.mjs'
import { MODES } from './modes.mjs'
import { roomOf } from './rooms.mjs'

const { port, engine, rooms, mode, spread } = JSON.parse(process.argv[2])
const HTTP_UNAVAILABLE = 503
const HISTORY_SIZE = 10_000
/** In milliseconds. */
const RESOLUTION = 10
const BUCKET = 100

const delay = monitorEventLoopDelay({ resolution: RESOLUTION })
let start = 0
/** How many handshakes there were in each bucket since the beginning. */
let handshakes = []
let app

function onHandshake() {
  const bucket = Math.floor((Date.now() - start) / BUCKET)
  handshakes[bucket] = (handshakes[bucket] ?? 0) + 1
}

async function startNode() {
  const client = new Redis(engine, '127.0.0.1', { lazyConnect: true }).on('error', () => undefined)
  app = Fastify()
  await app.register(blazeWs, {
    hub: { broker: redisBroker({ client }), history: { store: redisHistory({ client }), size: HISTORY_SIZE } },
    shutdown: MODES[mode].shutdown(spread),
    config: { compressionLevel: 0 }
  })
  app.webSocketWithContract('/:client', contract, async (ws) => {
    onHandshake()
    app.wsHub.join(ws, `room ${roomOf(Number(ws.params.client), rooms)}`)
    await ws.send('welcome')
  })
  app.post('/publish', async ({ body: { id, ...data } }, reply) => {
    try {
      await app.wsHub.to(`room ${roomOf(data.number, rooms)}`).publish(contract, 'said', data, { id })
      return 'published'
    } catch (error) {
      return reply.code(HTTP_UNAVAILABLE).send(String(error))
    }
  })
  await app.listen({ port, host: '127.0.0.1', backlog: 4_096 })
  await app.wsHub.cluster.ready()
}

process.on('SIGTERM', async () => {
  await app?.close()
  process.exit()
})

const milliseconds = (nanoseconds) => Math.max(0, Math.round(nanoseconds / 1e6) - RESOLUTION)

serve({
  start: startNode,
  begin: (data) => {
    start = data.start
    handshakes = []
    delay.enable()
    delay.reset()
  },
  report: () => ({
    handshakes: Array.from(handshakes, (count) => count ?? 0),
    delay: {
      p50: milliseconds(delay.percentile(50)),
      p99: milliseconds(delay.percentile(99)),
      max: milliseconds(delay.max)
    }
  })
})
