import { connect as connectNats, type NatsConnection } from '@nats-io/transport-node'
import { Cluster, Redis as IoRedis } from 'ioredis'
import { Cluster as Cluster5, Redis as IoRedis5 } from 'ioredis5'
import * as nodeRedis from 'redis'
import * as nodeRedis5 from 'redis5'
import { memoryBroker, MemoryEngine } from '../../src/index.ts'
import { natsBroker } from '../../src/nats.ts'
import { redisBroker, type RedisBrokerOptions } from '../../src/redis.ts'
import { brokerConformance, type BrokerUnderTest } from '../../src/testing.ts'
import { describeWith, Engine, NATS, REDIS, startRedisCluster } from './support/engines.ts'

function conforms(broker: BrokerUnderTest): void {
  test.each(brokerConformance(broker))('$name', ({ run }) => run())
}

describe('in memory', () => {
  const engine = new MemoryEngine()
  conforms({ create: () => memoryBroker({ engine }) })
})

/** A client that an application would have made, and how it is closed. */
type Client = RedisBrokerOptions['client']

/** The broker's own connections need what the application's have. */
const password = 'secret'
const withPassword = ['--requirepass', password, '--masterauth', password]

const standalone: [string, (port: number) => Client][] = [
  ['ioredis 6', (at) => new IoRedis(at, '127.0.0.1', { lazyConnect: true, password })],
  ['ioredis 5', (at) => new IoRedis5(at, '127.0.0.1', { lazyConnect: true, password })],
  ['node-redis 6', (at) => nodeRedis.createClient({ url: `redis://127.0.0.1:${at}`, password })],
  ['node-redis 5', (at) => nodeRedis5.createClient({ url: `redis://127.0.0.1:${at}`, password })]
]

const clusters: [string, (ports: number[]) => Client][] = [
  ['ioredis 6', (ports) => new Cluster(ports, { lazyConnect: true, redisOptions: { password } })],
  ['ioredis 5', (ports) => new Cluster5(ports, { lazyConnect: true, redisOptions: { password } })],
  ['node-redis 6', (ports) => nodeRedis.createCluster({ rootNodes: ports.map((one) => ({ url: `redis://127.0.0.1:${one}` })), defaults: { password } })],
  ['node-redis 5', (ports) => nodeRedis5.createCluster({ rootNodes: ports.map((one) => ({ url: `redis://127.0.0.1:${one}` })), defaults: { password } })]
]

let redis: Engine
/** Of each test its own: brokers of different tests do not hear each other. */
const prefix = (): string => `${expect.getState().currentTestName}:`

describeWith(REDIS, 'Redis', () => {
  beforeAll(async () => {
    redis = await Engine.redis(...withPassword)
  })
  afterAll(() => redis.close())

  const interrupt = async (): Promise<() => Promise<void>> => {
    await redis.signal('SIGKILL')
    return () => redis.start()
  }

  describe.each(standalone)('through %s', (_, make) => {
    conforms({ create: () => redisBroker({ client: make(redis.port), prefix: prefix() }), interrupt })

    test('more channels than a call has arguments are subscribed to at once', async () => {
      const broker = redisBroker({ client: make(redis.port), prefix: prefix() })
      const channels = Array.from({ length: 130_000 }, (_, i) => `room:${i}`)
      try {
        await broker.subscribe(channels)
        await broker.unsubscribe(channels)
      } finally {
        await broker.close()
      }
    })

    describe('with sharded channels', () => {
      conforms({ create: () => redisBroker({ client: make(redis.port), prefix: prefix(), sharded: true }) })
    })
  })
})

describeWith(REDIS, 'a Redis Cluster', () => {
  let nodes: Engine[]
  beforeAll(async () => {
    nodes = await startRedisCluster(password)
  })
  afterAll(() => Promise.all(nodes.map((node) => node.close())))

  describe.each(clusters)('through %s', (_, make) => {
    conforms({ create: () => redisBroker({ client: make(nodes.map(({ port }) => port)), prefix: prefix() }) })
  })
})

describeWith(NATS, 'NATS', () => {
  let nats: Engine
  const open: NatsConnection[] = []
  beforeAll(async () => {
    nats = await Engine.nats()
  })
  afterEach(() => Promise.all(open.splice(0).map((connection) => connection.close())))
  afterAll(() => nats.close())

  let count = 0
  conforms({
    async create() {
      const connection = await connectNats({ port: nats.port, maxReconnectAttempts: -1, reconnectTimeWait: 50, noEcho: ++count % 2 === 0 })
      open.push(connection)
      return natsBroker({ client: connection })
    },
    async interrupt() {
      await nats.signal('SIGKILL')
      return () => nats.start()
    }
  })
})
