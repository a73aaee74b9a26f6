import { connect as connectNats, type NatsConnection } from '@nats-io/transport-node'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { type Broker, memoryBroker, MemoryEngine } from '../../../src/index.ts'
import { natsBroker } from '../../../src/nats.ts'
import { redisBroker, type RedisBrokerOptions } from '../../../src/redis.ts'
import { describeWith, Engine, NATS, REDIS } from './engines.ts'
import { CLUSTER_CLIENTS, RedisCluster } from './redis-cluster.ts'

function describeOverMemory(name: string, tests: (broker: () => Broker) => void): void {
  describe(`${name}, over memory`, () => {
    let engine: MemoryEngine
    beforeEach(() => {
      engine = new MemoryEngine()
    })
    tests(() => memoryBroker({ engine }))
  })
}

/** Runs tests over memory, one Redis, and a Redis Cluster with sharded channels: there, channels have no order among each other. */
export function describeFewBrokers(name: string, tests: (broker: () => Broker) => void): void {
  describeOverMemory(name, tests)

  describeWith(REDIS, `${name}, over Redis`, () => {
    let engine: Engine
    beforeAll(async () => {
      engine = await Engine.redis()
    })
    afterAll(() => engine.close())
    tests(() => redisBroker({ client: new Redis({ port: engine.port, lazyConnect: true }) }))
  })

  describeWith(REDIS, `${name}, over sharded channels`, () => {
    let cluster: RedisCluster
    beforeAll(async () => {
      cluster = await RedisCluster.start()
    }, 60_000)
    afterAll(() => cluster.close())
    const [[, connect]] = CLUSTER_CLIENTS as [(typeof CLUSTER_CLIENTS)[number]]
    tests(() => redisBroker({ client: connect(cluster.ports), sharded: true }))
  })
}

/** Runs tests over every kind of broker. `broker` makes brokers that reach each other. */
export function describeBrokers(name: string, tests: (broker: () => Broker) => void): void {
  describeOverMemory(name, tests)

  describeWith(REDIS, `${name}, over Redis`, () => {
    let engine: Engine
    beforeAll(async () => {
      engine = await Engine.redis()
    })
    afterAll(() => engine.close())
    describe.each<[string, () => RedisBrokerOptions['client']]>([
      ['ioredis', () => new Redis({ port: engine.port, lazyConnect: true })],
      ['node-redis', () => createClient({ url: `redis://127.0.0.1:${engine.port}` })]
    ])('through %s', (_, connect) => {
      tests(() => redisBroker({ client: connect() }))
    })
  })

  describeWith(REDIS, `${name}, over a Redis Cluster`, () => {
    let cluster: RedisCluster
    beforeAll(async () => {
      cluster = await RedisCluster.start()
    }, 60_000)
    afterAll(() => cluster.close())
    describe.each(CLUSTER_CLIENTS)('through %s', (_, connect) => {
      describe.each([true, false])('sharded: %s', (sharded) => {
        tests(() => redisBroker({ client: connect(cluster.ports), sharded }))
      })
    })
  })

  describeWith(NATS, `${name}, over NATS`, () => {
    let engine: Engine
    let client: NatsConnection
    beforeAll(async () => {
      engine = await Engine.nats()
      client = await connectNats({ port: engine.port })
    })
    afterAll(async () => {
      await client.close()
      await engine.close()
    })
    tests(() => natsBroker({ client }))
  })
}
