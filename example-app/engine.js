import cluster from 'node:cluster'

/**
 * Connects to the engine that the environment names, and returns the options for `buildApp` and `disconnect`. The client packages
 * are imported only if they are needed, so a chat on one node needs neither. Workers of `npm start -- --workers 2` need no engine.
 */
export async function connectEngine({ REDIS_URL, NATS_URL }) {
  if (!REDIS_URL && !NATS_URL && cluster.isWorker) return connectToWorkers()
  const redis = REDIS_URL ? await connectRedis(REDIS_URL) : { disconnect: async () => {} }
  if (!NATS_URL) return redis
  // NATS between the nodes. What Redis keeps, it keeps for all of them.
  const nats = await connectNats(NATS_URL)
  return { ...redis, ...nats, disconnect: () => Promise.all([redis.disconnect(), nats.disconnect()]) }
}

async function connectToWorkers() {
  const { clusterBroker } = await import('fastify-blaze-ws/cluster')
  return { broker: (name) => clusterBroker({ name: `blaze-${name}` }), disconnect: async () => {} }
}

async function connectRedis(url) {
  const [{ Redis }, { redisBroker, redisHistory, redisTicketStore }] = await Promise.all([
    import('ioredis'),
    import('fastify-blaze-ws/redis')
  ])
  // While Redis is away, commands fail at once instead of waiting.
  const client = new Redis(url, { enableOfflineQueue: false, commandTimeout: 1000 })
  // The hub reports an outage once. Without a listener, ioredis would print an error at every attempt to reconnect.
  client.on('error', () => {})
  return {
    broker: (name) => redisBroker({ client, prefix: `blaze-${name}:` }),
    // The client and the prefix of the broker: so Redis stores a message and passes it on in one step.
    store: redisHistory({ client, prefix: 'blaze-chat:' }),
    ticketStore: redisTicketStore({ client }),
    disconnect: async () => client.disconnect()
  }
}

async function connectNats(url) {
  const [{ connect }, { natsBroker }] = await Promise.all([
    import('@nats-io/transport-node'),
    import('fastify-blaze-ws/nats')
  ])
  const client = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 250 })
  return {
    broker: (name) => natsBroker({ client, prefix: `blaze-${name}` }),
    disconnect: () => client.close()
  }
}
