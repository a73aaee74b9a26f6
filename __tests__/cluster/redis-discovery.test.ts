import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import * as nodeRedis from 'redis'
import * as nodeRedis5 from 'redis5'
import { IoRedisLibrary } from '../../src/brokers/redis/ioredis.ts'
import { NodeRedisLibrary } from '../../src/brokers/redis/node-redis.ts'
import { eventually } from '../support/server.ts'
import { describeWith, REDIS } from './support/engines.ts'
import { CLUSTER_CLIENTS, RedisCluster } from './support/redis-cluster.ts'

jest.setTimeout(30_000)

describeWith(REDIS, 'questions to a Redis Cluster', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await RedisCluster.start()
  })
  afterAll(() => cluster.close())

  /** How many connections there are, besides that of the question itself. */
  const connections = (): number => cluster.servers.reduce((sum, server) => sum + cluster.cli(server, 'CLIENT', 'LIST', 'TYPE', 'normal').split('\n').length - 1, 0)

  test.each(CLUSTER_CLIENTS)('through %s leave no connections behind', async (name, make) => {
    const client = make(cluster.ports) as never
    const library = name.startsWith('ioredis') ? new IoRedisLibrary(client) : new NodeRedisLibrary(client)
    for (let i = 0; i < 3; i++) expect((await library.discover()).masters.toSorted()).toEqual(cluster.masters.map(({ port }) => `127.0.0.1:${port}`).toSorted())
    // What is being connected would only be seen later.
    await sleep(200)
    await eventually(() => connections() === 0, 'the end of all connections')
  })
})

test.each([
  ['node-redis 6', nodeRedis],
  ['node-redis 5', nodeRedis5 as unknown as typeof nodeRedis]
])('a connection that is closed while it is made through %s is not left behind', async (_, { createClient }) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const library = new NodeRedisLibrary(createClient({ url: `redis://127.0.0.1:${port}` }) as never)
  const session = library.open({ message() {}, moved() {}, ended() {} }, false)
  void session.connect().catch(() => {})
  session.close()
  const [socket] = (await once(server, 'connection')) as [Socket]
  socket.resume()
  // Its own patience would end later.
  await eventually(() => socket.closed, 'the end of the connection')
  server.close()
})
