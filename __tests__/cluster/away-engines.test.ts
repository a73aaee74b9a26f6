import { connect as connectNats } from '@nats-io/transport-node'
import { Cluster, Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import * as nodeRedis from 'redis'
import * as nodeRedis5 from 'redis5'
import type { Broker, WebSocketConnection } from '../../src/index.ts'
import { natsBroker } from '../../src/nats.ts'
import { redisBroker, type RedisBrokerOptions } from '../../src/redis.ts'
import { closeServers, eventually } from '../support/server.ts'
import { describeWith, Engine, NATS, REDIS, startRedisCluster } from './support/engines.ts'
import { growth } from './support/heap.ts'
import { startRooms } from './support/rooms.ts'

jest.setTimeout(60_000)
/** Clean-up functions, called after the servers are closed. */
const ending: (() => unknown)[] = []
afterEach(async () => {
  await closeServers()
  for (const end of ending.splice(0)) await end()
})

/** More than the bounded tables hold, so that they are full after the first round. */
const COUNT = 10_000
/** Bytes per round by which the heap may differ by chance; a leak takes more. */
const CHANCE = 30

/** Opens and leaves rooms, sets presence, and sends requests and messages while the engine is away: memory must not grow. */
async function expectFlatMemory(broker: Broker, leave: () => Promise<unknown>): Promise<void> {
  const { hub, join } = await startRooms(broker)
  await join('lobby')
  const [ws] = hub.getClients() as [WebSocketConnection]
  const round = (i: number): void => {
    const room = `room${i}`
    hub.presence.set(ws, room, i)
    void hub.presence.list(room).catch(() => {})
    // The test client would keep the message in memory.
    hub.to(room).broadcast('hello', { except: ws })
    hub.leave(ws, room)
    void hub.cluster.ready({ timeout: 20 })
    if (i % 10 === 0) void hub.cluster.nodes({ timeout: 20 })
  }
  await leave()
  await eventually(() => hub.cluster.stats().isDegraded, 'the outage')
  const growths: number[] = []
  for (let i = 0; i < 3; i++) growths.push(await growth(COUNT, (j) => round(i * COUNT + j)))
  expect(hub.cluster.stats().isDegraded).toBe(true)
  // A leak shows up in every round. The first fills the bounded tables.
  expect(Math.min(...growths.slice(1))).toBeLessThan(COUNT * CHANCE)
}

const urlOf = (port: number): { url: string } => ({ url: `redis://127.0.0.1:${port}` })

describeWith(REDIS, 'Redis', () => {
  const standalone: [string, (port: number) => RedisBrokerOptions['client']][] = [
    ['ioredis 6', (port) => new Redis(port, { lazyConnect: true })],
    ['ioredis 5', (port) => new Redis5(port, { lazyConnect: true })],
    ['node-redis 6', (port) => nodeRedis.createClient(urlOf(port))],
    ['node-redis 5', (port) => nodeRedis5.createClient(urlOf(port))]
  ]

  // A frozen server refuses no connections, which is the same in all versions of a library.
  const frozen = standalone.filter(([library]) => library.endsWith('6'))
  const outages: (readonly ['SIGKILL' | 'SIGSTOP', string, (port: number) => RedisBrokerOptions['client']])[] = []
  for (const [library, make] of standalone) outages.push(['SIGKILL', library, make])
  for (const [library, make] of frozen) outages.push(['SIGSTOP', library, make])
  test.each(outages)('memory does not grow while a server is away after %s, through %s', async (signal, _, make) => {
    const redis = await Engine.redis()
    ending.push(() => redis.close())
    await expectFlatMemory(redisBroker({ client: make(redis.port) }), () => redis.signal(signal))
  })

  test.each<[string, (ports: number[]) => RedisBrokerOptions['client']]>([
    ['ioredis', (ports) => new Cluster(ports, { lazyConnect: true, redisOptions: { password: 'secret' } })],
    [
      'node-redis',
      (ports) => nodeRedis.createCluster({ rootNodes: ports.map(urlOf), defaults: { password: 'secret' } })
    ]
  ])('memory does not grow while a cluster is away, through %s', async (_, make) => {
    const servers = await startRedisCluster('secret')
    ending.push(...servers.map((server) => () => server.close()))
    await expectFlatMemory(redisBroker({ client: make(servers.map(({ port }) => port)) }), () =>
      Promise.all(servers.map((server) => server.signal('SIGKILL')))
    )
  })
})

describeWith(NATS, 'NATS', () => {
  test('memory does not grow while the server is away', async () => {
    const nats = await Engine.nats()
    const client = await connectNats({ port: nats.port, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
    ending.push(
      () => client.close(),
      () => nats.close()
    )
    await expectFlatMemory(natsBroker({ client }), () => nats.signal('SIGKILL'))
  })
})
