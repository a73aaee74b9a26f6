import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { errors } from '../../src/internal/errors.ts'
import { redisHistory } from '../../src/redis.ts'
import { describeWith, Engine, REDIS } from '../cluster/support/engines.ts'
import { CLUSTER_CLIENTS, RedisCluster } from '../cluster/support/redis-cluster.ts'
import { eventually } from '../support/server.ts'
import { CLIENTS } from './support/redis.ts'

jest.setTimeout(60_000)

function count(type: string): number {
  return process.getActiveResourcesInfo().filter((resource) => resource.startsWith(type)).length
}

/** What the tests of other files have left in this process. */
let others: number | undefined
/** The timers before a test. It has no connections then. */
let timers: number

function connections(): number {
  return count('TCP') - (others ?? 0)
}

async function start(): Promise<void> {
  others ??= await othersLeft()
  await eventually(() => connections() <= 0, 'the end of earlier connections')
  timers = count('Timeout')
}

/** Some of them may be about to end. */
async function othersLeft(): Promise<number> {
  for (const end = Date.now() + 2_000; count('TCP') > 0 && Date.now() < end;) await sleep(20)
  return count('TCP')
}

/** Waits until nothing of the test keeps the process alive. */
function nothingLeft(): Promise<void> {
  return eventually(() => connections() <= 0 && count('Timeout') <= timers, 'the end of all connections and timers')
}

const room = { room: 'room', known: undefined, ttl: 60_000 }

describeWith(REDIS, 'a closed history over a Redis server', () => {
  let redis: Engine
  beforeEach(async () => {
    redis = await Engine.redis()
    await start()
  })
  afterEach(() => redis.close())

  describe.each(CLIENTS)('through %s leaves nothing behind', (_, make) => {
    test('after its use', async () => {
      const history = redisHistory({ client: make(redis.port) })
      history.open?.()
      await history.positions([room])
      expect(connections()).toBe(1)
      await history.close?.()
      await nothingLeft()
      // A call that comes late.
      await history.positions([room])
      await nothingLeft()
    })

    test('if it was never used, or closed too often', async () => {
      const history = redisHistory({ client: make(redis.port) })
      history.open?.()
      await history.close?.()
      await history.close?.()
      await nothingLeft()
      history.open?.()
      await history.positions([room])
      await history.close?.()
      await nothingLeft()
    })

    test.each(['SIGKILL', 'SIGSTOP'] as const)('after the server got %s', async (signal) => {
      const history = redisHistory({ client: make(redis.port) })
      history.open?.()
      await history.positions([room])
      await redis.signal(signal)
      const call = history.positions([room]).catch(() => {})
      await history.close?.()
      await call
      await nothingLeft()
      await redis.signal('SIGCONT')
    })

    test('while it is connecting', async () => {
      const silent: Server = createServer((socket) => socket.resume()).listen(0, '127.0.0.1')
      await once(silent, 'listening')
      const history = redisHistory({ client: make((silent.address() as AddressInfo).port) })
      history.open?.()
      const call = history.positions([room]).catch(() => {})
      await once(silent, 'connection')
      await history.close?.()
      await call
      silent.close()
      await nothingLeft()
    })
  })
})

describeWith(REDIS, 'a closed history over a Redis Cluster', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await RedisCluster.start()
  })
  afterAll(() => cluster.close())
  beforeEach(start)

  describe.each(CLUSTER_CLIENTS)('through %s leaves nothing behind', (_, make) => {
    test('after its use', async () => {
      const history = redisHistory({ client: make(cluster.ports) })
      history.open?.()
      await history.positions(Array.from({ length: 20 }, (_, i) => ({ ...room, room: `${i}` })))
      await history.close?.()
      await nothingLeft()
    })

    test('while no server tells the topology', async () => {
      const history = redisHistory({ client: make(cluster.ports) })
      history.open?.()
      await Promise.all(cluster.servers.map((server) => server.signal('SIGSTOP')))
      const call = history.positions([room])
      const [result] = await Promise.allSettled([
        call,
        history.close?.().then(() => Promise.all(cluster.servers.map((server) => server.signal('SIGCONT'))))
      ])
      expect((result as PromiseRejectedResult).reason).toBeInstanceOf(errors.HISTORY_UNAVAILABLE)
      await nothingLeft()
    })

    test('while it is connecting', async () => {
      const history = redisHistory({ client: make(cluster.ports) })
      history.open?.()
      const call = history.positions([room])
      await history.close?.()
      await call
      await nothingLeft()
    })
  })
})
