// Makes the brokers of a walk's nodes. Clean-up functions of a node are added to `closing`.
import { MemoryNetwork } from './memory-network.mjs'

const network = new MemoryNetwork()

/** For each engine: gives a function that makes a broker; a node calls it for its hub and for its publisher. */
export const brokers = {
  async memory({ name }) {
    return () => network.broker(name)
  },
  async ioredis({ port }) {
    const [{ Redis }, { redisBroker }] = [await import('ioredis'), await redis()]
    return () => redisBroker({ client: new Redis(port, '127.0.0.1', { lazyConnect: true }) })
  },
  async 'node-redis'({ port }) {
    const [{ createClient }, { redisBroker }] = [await import('redis'), await redis()]
    return () => redisBroker({ client: createClient({ url: `redis://127.0.0.1:${port}` }) })
  },
  async sentinel({ sentinels }) {
    const [{ Redis }, { redisBroker }] = [await import('ioredis'), await redis()]
    const addresses = sentinels.map((port) => ({ host: '127.0.0.1', port }))
    return () => redisBroker({ client: new Redis({ sentinels: addresses, name: 'main', lazyConnect: true }) })
  },
  async 'ioredis-cluster'({ ports, sharded }) {
    const [{ Cluster }, { redisBroker }] = [await import('ioredis'), await redis()]
    return () => redisBroker({ client: new Cluster(ports, { lazyConnect: true }), sharded })
  },
  async 'node-redis-cluster'({ ports, sharded }) {
    const [{ createCluster }, { redisBroker }] = [await import('redis'), await redis()]
    return () =>
      redisBroker({
        client: createCluster({ rootNodes: ports.map((port) => ({ url: `redis://127.0.0.1:${port}` })) }),
        sharded
      })
  },
  async nats({ port }, closing) {
    const [{ connect }, { natsBroker }] = [
      await import('@nats-io/transport-node'),
      await import('../../../../dist/esm/nats.js')
    ]
    const options = {
      servers: `127.0.0.1:${port}`,
      ignoreClusterUpdates: true,
      waitOnFirstConnect: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100
    }
    const clients = [await connect({ ...options }), await connect({ ...options })]
    for (const client of clients) closing.push(() => client.close())
    return () => natsBroker({ client: clients.pop() })
  }
}

function redis() {
  return import('../../../../dist/esm/redis.js')
}

/** The operations of the walk on the network of nodes in memory. */
export const networkCommands = {
  weather: ({ loss, delay }) => network.weather(loss, delay),
  hold: ({ name }) => network.hold(name),
  resume: ({ name }) => network.resume(name),
  cut: ({ name }) => network.cut(name)
}
