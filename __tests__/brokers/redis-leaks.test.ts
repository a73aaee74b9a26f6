import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import * as nodeRedis from 'redis'
import * as nodeRedis5 from 'redis5'
import { IoRedisLibrary } from '../../src/brokers/redis/ioredis.ts'
import { NodeRedisLibrary } from '../../src/brokers/redis/node-redis.ts'
import { checked, TestNode } from '../../src/brokers/conformance/test-node.ts'
import { redisBroker, type RedisBrokerOptions } from '../../src/redis.ts'
import { eventually } from '../support/server.ts'
import { describeWith, Engine, REDIS } from '../cluster/support/engines.ts'
import { CLUSTER_CLIENTS, RedisCluster } from '../cluster/support/redis-cluster.ts'

jest.setTimeout(60_000)

describeWith(REDIS, 'a server that does not answer', () => {
  let redis: Engine
  beforeEach(async () => {
    redis = await Engine.redis()
  })
  afterEach(() => redis.close())

  const standalone: [string, (port: number) => RedisBrokerOptions['client']][] = [
    ['ioredis 6', (port) => new Redis(port, { lazyConnect: true })],
    ['ioredis 5', (port) => new Redis5(port, { lazyConnect: true })],
    ['node-redis 6', (port) => nodeRedis.createClient({ url: `redis://127.0.0.1:${port}` })],
    ['node-redis 5', (port) => nodeRedis5.createClient({ url: `redis://127.0.0.1:${port}` })]
  ]

  test.each(standalone)('leaves no timers behind through %s', async (_, make) => {
    const timers = (): number => process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length
    const before = timers()
    const broker = redisBroker({ client: make(redis.port) })
    await broker.check()
    await redis.signal('SIGSTOP')
    const published = broker.publish('room', Buffer.from('x'))
    await broker.close()
    await expect(published).rejects.toBeInstanceOf(Error)
    await eventually(() => timers() <= before, 'the end of all timers')
  })

  // All libraries at once: the test waits for most of its time.
  test('is reported as lost, and a quiet connection is not', async () => {
    await Promise.all(standalone.map(([, make]) => expectReport(make)))
  })

  async function expectReport(make: (port: number) => RedisBrokerOptions['client']): Promise<void> {
    const own = await Engine.redis()
    const node = new TestNode(redisBroker({ client: make(own.port) })).open()
    const reported = async (): Promise<boolean> => {
      for (let i = 0; i < 170 && node.lostWith.length === 0; i++) await sleep(100)
      return node.lostWith.length > 0
    }
    try {
      await node.broker.check()
      expect(await reported()).toBe(false)
      await own.signal('SIGSTOP')
      const asking = setInterval(() => void node.publish('room', 'x').catch(() => {}), 200)
      expect(await reported()).toBe(true)
      clearInterval(asking)
      await own.signal('SIGCONT')
      await checked(node)
      await node.close()
    } finally {
      await own.close()
    }
  }
})

describeWith(REDIS, 'requests to a Redis Cluster', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await RedisCluster.start()
  })
  afterAll(() => cluster.close())

  /** The number of connections, without that of the request itself. */
  const connections = (): number =>
    cluster.servers.reduce(
      (sum, server) => sum + cluster.cli(server, 'CLIENT', 'LIST', 'TYPE', 'normal').split('\n').length - 1,
      0
    )

  test.each(CLUSTER_CLIENTS)('through %s leave no connections behind', async (name, make) => {
    const client = make(cluster.ports) as never
    const library = name.startsWith('ioredis') ? new IoRedisLibrary(client) : new NodeRedisLibrary(client)
    for (let i = 0; i < 3; i++)
      expect((await library.discover()).masters.toSorted()).toEqual(
        cluster.masters.map(({ port }) => `127.0.0.1:${port}`).toSorted()
      )
    // A connection that is still being made shows up only later.
    await sleep(200)
    await eventually(() => connections() === 0, 'the end of all connections')
  })
})

test.each([
  ['node-redis 6', nodeRedis],
  ['node-redis 5', nodeRedis5 as unknown as typeof nodeRedis]
])('a connection that is closed while connecting through %s does not stay open', async (_, { createClient }) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const library = new NodeRedisLibrary(createClient({ url: `redis://127.0.0.1:${port}` }) as never)
  const connection = library.createConnection({ onMessage() {}, onSlotsMoved() {}, onEnd() {} }, false)
  void connection.connect().catch(() => {})
  connection.close()
  const [socket] = (await once(server, 'connection')) as [Socket]
  socket.resume()
  // Its own connect timeout would end later.
  await eventually(() => socket.closed, 'the end of the connection')
  server.close()
})
