import { redisBroker, type RedisClient, redisHistory } from '../../src/redis.ts'
import { historyConformance, type HistoryUnderTest } from '../../src/testing.ts'
import { clusterIsReady, describeWith, Engine, REDIS, redisCli, startRedisCluster } from '../cluster/support/engines.ts'
import { CLUSTER_CLIENTS } from '../cluster/support/redis-cluster.ts'
import { CLIENTS, isCurrent } from './support/redis.ts'

jest.setTimeout(60_000)

/** Each message is on the disk before Redis answers. */
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always']
const PASSWORD = 'secret'

function conforms(history: HistoryUnderTest): void {
  test.each(historyConformance(history))('$name', ({ run }) => run())
}

/** Kills servers, and starts them again. */
async function interrupt(servers: readonly Engine[]): Promise<() => Promise<void>> {
  await Promise.all(servers.map((server) => server.signal('SIGKILL')))
  return async () => {
    await Promise.all(servers.map((server) => server.start()))
    if (servers.length > 1) await clusterIsReady(servers, PASSWORD)
  }
}

/** The store and the broker have the same client, as in one application. */
function storesFor(client: () => RedisClient): Pick<Required<HistoryUnderTest>, 'create' | 'createBroker'> {
  let shared: RedisClient | undefined
  const same = (): RedisClient => (shared ??= client())
  return {
    create: () => redisHistory({ client: same() }),
    createBroker: () => redisBroker({ client: same() })
  }
}

describeWith(REDIS, 'one server that stores everything on the disk', () => {
  let redis: Engine
  beforeAll(async () => {
    redis = await Engine.redis(...DURABLE)
  })
  afterAll(() => redis.close())
  describe.each(CLIENTS.filter(isCurrent))('through %s', (_, make) => {
    conforms({
      ...storesFor(() => make(redis.port)),
      restart: async () => (await interrupt([redis]))(),
      interrupt: () => interrupt([redis]),
      lose: async () => void redisCli(redis, '', 'FLUSHALL')
    })
  })
})

describeWith(REDIS, 'one server that stores nothing on the disk', () => {
  let redis: Engine
  beforeAll(async () => {
    redis = await Engine.redis()
  })
  afterAll(() => redis.close())
  describe.each(CLIENTS.filter(isCurrent))('through %s', (_, make) => {
    const { create } = storesFor(() => make(redis.port))
    const lose = async (): Promise<void> => (await interrupt([redis]))()
    const [rest, all] = [historyConformance({ create }), historyConformance({ create, lose })]
    test.each(all.slice(rest.length))('$name', ({ run }) => run())
  })
})

describeWith(REDIS, 'a Redis Cluster', () => {
  let servers: Engine[] = []
  beforeAll(async () => {
    servers = await startRedisCluster(PASSWORD, { settings: DURABLE })
  })
  afterAll(() => Promise.all(servers.map((server) => server.close())))
  describe.each(CLUSTER_CLIENTS.filter(isCurrent))('through %s', (_, make) => {
    conforms({
      ...storesFor(() => make(servers.map(({ port }) => port))),
      restart: async () => (await interrupt(servers))(),
      interrupt: () => interrupt(servers),
      lose: async () => servers.forEach((server) => redisCli(server, PASSWORD, 'FLUSHALL'))
    })
  })
})
