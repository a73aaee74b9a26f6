// A node with a contract route. As `blaze` it publishes into a history in Redis; as `broadcast` it has no store and broadcasts.
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import blazeWs from '../../dist/esm/index.js'
import * as redis from '../../dist/esm/redis.js'
import { contract } from './contract.mjs'

const HTTP_UNAVAILABLE = 503
/** As many messages as the adapter of Socket.IO keeps. */
const SIZE = 10_000

function clientOf(engine) {
  // Its failures are told to those who wait for its answers.
  return new Redis(engine, '127.0.0.1', { lazyConnect: true }).on('error', () => undefined)
}

function hubOf(contender, client) {
  const broker = redis.redisBroker({ client })
  return contender === 'blaze' ? { broker, history: { store: redis.redisHistory({ client }), size: SIZE } } : { broker }
}

function publishWith(hub, contender) {
  const room = hub.to('room')
  if (contender === 'blaze') return ({ id, ...data }) => room.publish(contract, 'said', data, { id })
  return ({ id: _id, ...data }) => room.broadcast(contract, 'said', data)
}

export async function startNode({ port, engine, contender }) {
  const app = Fastify()
  await app.register(blazeWs, { hub: hubOf(contender, clientOf(engine)), config: { compressionLevel: 0 } })
  app.webSocketWithContract('/', contract, async (ws) => {
    app.wsHub.join(ws, 'room')
    await ws.send('welcome')
  })
  const publish = publishWith(app.wsHub, contender)
  app.post('/publish', async (request, reply) => {
    try {
      await publish(request.body)
      return 'published'
    } catch (error) {
      return reply.code(HTTP_UNAVAILABLE).send(String(error))
    }
  })
  await app.listen({ port, host: '127.0.0.1' })
  await app.wsHub.cluster.ready()
  return app
}
