import { connect as connectNats } from '@nats-io/transport-node'
import { Cluster, Redis } from 'ioredis'
import { type Broker, type HistoryStore, memoryBroker, MemoryEngine, memoryHistory } from '../../../src/index.ts'
import { natsBroker } from '../../../src/nats.ts'
import { redisBroker, type RedisClient, redisHistory } from '../../../src/redis.ts'
import { clusterIsReady, Engine, startRedisCluster } from '../../cluster/support/engines.ts'

/** Each message is on the disk before Redis answers. */
export const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always']

const PASSWORD = 'secret'

/** A broker and a store, as the hubs of an application have them. */
export interface Deployment {
  /** Makes the options of a further hub, or of a publisher. */
  hub(): { broker: Broker; history: { store: HistoryStore } }
  /** Makes a store that no hub has. */
  store(): HistoryStore
  /** The servers that keep the histories: none if they are in the memory of this process. */
  servers: readonly Engine[]
}

/** Clean-up functions. */
const ending: (() => unknown)[] = []

/** Call it in `afterEach`, after the servers are closed. */
export async function endDeployments(): Promise<void> {
  await Promise.all(ending.splice(0).map((end) => end()))
}

async function startRedis(settings: string[]): Promise<Engine> {
  const redis = await Engine.redis(...settings)
  ending.push(() => redis.close())
  return redis
}

function inMemory(): Deployment {
  const engine = new MemoryEngine()
  const store = memoryHistory()
  return { hub: () => ({ broker: memoryBroker({ engine }), history: { store } }), store: () => store, servers: [] }
}

/** The store publishes what it appends, or leaves it to the hub. */
async function overRedis(settings: string[], steps: 1 | 2): Promise<Deployment> {
  const redis = await startRedis(settings)
  const connect = (): RedisClient => new Redis(redis.port, { lazyConnect: true })
  return {
    hub() {
      const client = connect()
      return {
        broker: redisBroker({ client }),
        history: { store: redisHistory({ client: steps === 1 ? client : connect() }) }
      }
    },
    store: () => redisHistory({ client: connect() }),
    servers: [redis]
  }
}

async function overCluster(settings: string[]): Promise<Deployment> {
  const servers = await startRedisCluster(PASSWORD, { settings })
  ending.push(...servers.map((server) => () => server.close()))
  const connect = (): RedisClient =>
    new Cluster(
      servers.map(({ port }) => port),
      { lazyConnect: true, redisOptions: { password: PASSWORD } }
    )
  return {
    hub() {
      const client = connect()
      return { broker: redisBroker({ client, sharded: true }), history: { store: redisHistory({ client }) } }
    },
    store: () => redisHistory({ client: connect() }),
    servers
  }
}

async function overNats(settings: string[]): Promise<Deployment> {
  const nats = await Engine.nats()
  const client = await connectNats({ port: nats.port })
  const redis = await startRedis(settings)
  ending.push(async () => {
    await client.close()
    await nats.close()
  })
  const store = (): HistoryStore => redisHistory({ client: new Redis(redis.port, { lazyConnect: true }) })
  return { hub: () => ({ broker: natsBroker({ client }), history: { store: store() } }), store, servers: [redis] }
}

export type Start = (settings?: string[]) => Promise<Deployment>

/** The deployments whose histories are in Redis, which can be killed. */
export const REDIS_DEPLOYMENTS: [string, Start][] = [
  ['Redis, in one step', (settings = []) => overRedis(settings, 1)],
  ['Redis, in two steps', (settings = []) => overRedis(settings, 2)],
  ['a Redis Cluster with sharded channels', (settings = []) => overCluster(settings)],
  ['NATS, with histories in Redis', (settings = []) => overNats(settings)]
]

export const DEPLOYMENTS: [string, Start][] = [['memory', async () => inMemory()], ...REDIS_DEPLOYMENTS]

/** Kills the servers, as a power failure does. Resolves to a function that starts them again. */
export async function kill({ servers }: Deployment): Promise<() => Promise<void>> {
  await Promise.all(servers.map((server) => server.signal('SIGKILL')))
  return async () => {
    await Promise.all(servers.map((server) => server.start()))
    if (servers.length > 1) await clusterIsReady(servers, PASSWORD)
  }
}
