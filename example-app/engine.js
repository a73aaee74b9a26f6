/**
 * Connects to the engine that the environment names, and returns the options for `buildApp` and `disconnect`. The client packages
 * are imported only if they are needed, so a chat on one node needs neither.
 */
export async function connectEngine({ REDIS_URL, NATS_URL }) {
  if (REDIS_URL) return connectRedis(REDIS_URL)
  if (NATS_URL) return connectNats(NATS_URL)
  return { disconnect: async () => {} }
}

async function connectRedis(url) {
  const [{ Redis }, { redisBroker, redisTicketStore }, { RedisHistory }] = await Promise.all([
    import('ioredis'),
    import('fastify-blaze-ws/redis'),
    import('./history.js')
  ])
  // While Redis is away, commands fail at once instead of waiting.
  const client = new Redis(url, { enableOfflineQueue: false, commandTimeout: 1000 })
  // The hub reports an outage once. Without a listener, ioredis would print an error at every attempt to reconnect.
  client.on('error', () => {})
  return {
    broker: (name) => redisBroker({ client, prefix: `blaze-${name}:` }),
    history: new RedisHistory(client),
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
