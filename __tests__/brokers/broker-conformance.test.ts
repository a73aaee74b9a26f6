import { connect as connectNats, type NatsConnection } from '@nats-io/transport-node'
import { Cluster, Redis as IoRedis } from 'ioredis'
import { Cluster as Cluster5, Redis as IoRedis5 } from 'ioredis5'
import * as nodeRedis from 'redis'
import * as nodeRedis5 from 'redis5'
import { type Broker, memoryBroker, MemoryEngine } from '../../src/index.ts'
import { natsBroker } from '../../src/nats.ts'
import { redisBroker, type RedisBrokerOptions } from '../../src/redis.ts'
import { brokerConformance, type BrokerUnderTest } from '../../src/testing.ts'
import { eventually } from '../support/server.ts'
import { codeOf, tableBelow } from '../docs/support/markdown.ts'
import {
  clusterIsReady,
  describeWith,
  Engine,
  freePort,
  NATS,
  REDIS,
  redisCli,
  startRedisCluster
} from '../cluster/support/engines.ts'

jest.setTimeout(30_000)

function conforms(broker: BrokerUnderTest): void {
  test.each(brokerConformance(broker))('$name', ({ run }) => run())
}

describe('in memory', () => {
  const engine = new MemoryEngine()
  conforms({ create: () => memoryBroker({ engine }) })
})

/** A client as an application makes it. */
type Client = RedisBrokerOptions['client']

/** The broker's own connections need the same password as the application's. */
const password = 'secret'
const withPassword = ['--requirepass', password, '--masterauth', password]

/** A user with the documented permissions, and no others. */
const username = 'hub'
const rulesOf = (topology: string): string[] => {
  const [, rules = ''] =
    tableBelow('docs/scaling.md', 'Permissions').find(([cell = '']) => cell.startsWith(topology)) ?? []
  return ['on', `>${password}`, ...codeOf(rules).replaceAll('\\|', '|').split(' ')]
}
const withUser = (topology: string): string[] => [...withPassword, '--user', username, ...rulesOf(topology)]

const hub = { username, password }
const urlOf = (port: number): { url: string } => ({ url: `redis://127.0.0.1:${port}` })

const standalone: [string, (port: number) => Client][] = [
  ['ioredis 6', (at) => new IoRedis(at, '127.0.0.1', { lazyConnect: true, ...hub })],
  ['ioredis 5', (at) => new IoRedis5(at, '127.0.0.1', { lazyConnect: true, ...hub })],
  ['node-redis 6', (at) => nodeRedis.createClient({ ...urlOf(at), ...hub })],
  ['node-redis 5', (at) => nodeRedis5.createClient({ ...urlOf(at), ...hub })]
]

const clusters: [string, (ports: number[]) => Client][] = [
  ['ioredis 6', (ports) => new Cluster(ports, { lazyConnect: true, redisOptions: hub })],
  ['ioredis 5', (ports) => new Cluster5(ports, { lazyConnect: true, redisOptions: hub })],
  ['node-redis 6', (ports) => nodeRedis.createCluster({ rootNodes: ports.map(urlOf), defaults: hub })],
  ['node-redis 5', (ports) => nodeRedis5.createCluster({ rootNodes: ports.map(urlOf), defaults: hub })]
]

/** A different prefix for each test, so that brokers of different tests do not hear each other. */
const prefix = (): string => `blaze:${expect.getState().currentTestName}:`

/** The faults that the conformance tests cause on Redis servers. */
function faults(
  nodes: () => Engine[],
  topology: string
): Required<Omit<BrokerUnderTest, 'create' | 'interrupt' | 'createLate'>> {
  const acl = (...rules: string[]): void => {
    for (const node of nodes()) redisCli(node, password, 'ACL', 'SETUSER', username, ...rules)
  }
  const refuse = async (...rules: string[]): Promise<() => Promise<void>> => {
    acl(...rules)
    return async () => acl('reset', ...rulesOf(topology))
  }
  return {
    async loseSubscribers() {
      for (const node of nodes()) redisCli(node, password, 'CLIENT', 'KILL', 'TYPE', 'pubsub')
    },
    refusePublish: () => refuse('-publish', '-spublish'),
    refuseSubscribe: () => refuse('resetchannels', '&other:*')
  }
}

describeWith(REDIS, 'Redis', () => {
  let redis: Engine
  beforeAll(async () => {
    redis = await Engine.redis(...withUser('one server'))
  })
  afterAll(() => redis.close())

  const interrupt = async (): Promise<() => Promise<void>> => {
    await redis.signal('SIGKILL')
    return () => redis.start()
  }

  describe.each(standalone)('through %s', (_, make) => {
    const create = (): Broker => redisBroker({ client: make(redis.port), prefix: prefix() })
    conforms({
      create,
      interrupt,
      createLate: async () => ({ start: await interrupt(), broker: create() }),
      ...faults(() => [redis], 'one server')
    })

    test('a check does not wait for its own message if the subscriber is lost', async () => {
      const broker = create()
      const lost = new Promise<Promise<void>>((resolve) =>
        broker.open({ receive() {}, lost: () => resolve(broker.check()) })
      )
      await broker.check()
      redisCli(redis, password, 'CLIENT', 'KILL', 'TYPE', 'pubsub')
      await expect(lost).rejects.toThrow('there is no connection')
      await broker.close()
    })

    test('subscribes to more channels than a call can take as arguments', async () => {
      const broker = create()
      const channels = Array.from({ length: 130_000 }, (_, i) => `room:${i}`)
      try {
        await broker.subscribe(channels)
        await broker.unsubscribe(channels)
      } finally {
        await broker.close()
      }
    })

    describe('with sharded channels', () => {
      beforeAll(() =>
        redisCli(redis, password, 'ACL', 'SETUSER', username, '+spublish', '+ssubscribe', '+sunsubscribe')
      )
      afterAll(() => redisCli(redis, password, 'ACL', 'SETUSER', username, '-spublish', '-ssubscribe', '-sunsubscribe'))
      conforms({ create: () => redisBroker({ client: make(redis.port), prefix: prefix(), sharded: true }) })
    })
  })
})

describeWith(REDIS, 'a Redis Cluster', () => {
  let nodes: Engine[]
  afterEach(() => clusterIsReady(nodes, password))

  const interrupt = async (): Promise<() => Promise<void>> => {
    await Promise.all(nodes.map((node) => node.signal('SIGKILL')))
    return async () => {
      await Promise.all(nodes.map((node) => node.start()))
      await clusterIsReady(nodes, password)
    }
  }

  describe.each([
    ['a cluster, sharded', true],
    ['a cluster, not sharded', false]
  ])('as %s', (topology, sharded) => {
    beforeAll(async () => {
      nodes = await startRedisCluster(password, { settings: ['--user', username, ...rulesOf(topology)] })
    })
    afterAll(() => Promise.all(nodes.map((node) => node.close())))

    describe.each(clusters)('through %s', (_, make) => {
      const create = (): Broker =>
        redisBroker({ client: make(nodes.map(({ port }) => port)), prefix: prefix(), sharded })
      conforms({
        create,
        interrupt,
        createLate: async () => ({ start: await interrupt(), broker: create() }),
        ...faults(() => nodes, topology)
      })
    })
  })
})

describeWith(REDIS, 'Redis with sentinels', () => {
  let servers: Engine[]
  let sentinel: Engine
  beforeAll(async () => {
    const master = await Engine.redis(...withUser('sentinels'))
    const replica = await Engine.redis(...withUser('sentinels'), '--replicaof', '127.0.0.1', `${master.port}`)
    servers = [master, replica]
    sentinel = await Engine.sentinel(
      master,
      `sentinel auth-pass main ${password}`,
      'sentinel down-after-milliseconds main 60000'
    )
  })
  afterAll(() => Promise.all([...servers, sentinel].map((engine) => engine.close())))

  const interrupt = async (): Promise<() => Promise<void>> => {
    await servers[0]!.signal('SIGKILL')
    return () => servers[0]!.start()
  }

  describe.each([
    ['ioredis 6', IoRedis],
    ['ioredis 5', IoRedis5 as unknown as typeof IoRedis]
  ])('through %s', (_, Redis) => {
    const create = (): Broker => {
      const client = new Redis({
        sentinels: [{ host: '127.0.0.1', port: sentinel.port }],
        name: 'main',
        lazyConnect: true,
        ...hub
      })
      return redisBroker({ client, prefix: prefix() })
    }
    conforms({
      create,
      interrupt,
      createLate: async () => ({ start: await interrupt(), broker: create() }),
      ...faults(() => servers, 'sentinels')
    })
  })
})

describeWith(NATS, 'NATS', () => {
  let nats: Engine
  let monitor: number
  const open: NatsConnection[] = []
  beforeAll(async () => {
    monitor = await freePort()
    nats = await Engine.nats(config())
  })
  afterEach(() => Promise.all(open.splice(0).map((connection) => connection.close())))
  afterAll(() => nats.close())

  const config = ({ permissions = '', secret = password, limits = '' } = {}): string => {
    return `http: "127.0.0.1:${monitor}"\n${limits}\nauthorization { users: [{ user: ${username}, password: ${secret}, permissions: { ${permissions} } }] }`
  }
  const loadedAt = async (): Promise<string> =>
    ((await (await fetch(`http://127.0.0.1:${monitor}/varz`)).json()) as { config_load_time: string }).config_load_time
  const reload = async (changes?: Parameters<typeof config>[0]): Promise<void> => {
    const before = await loadedAt()
    nats.reconfigure(config(changes))
    await eventually(async () => (await loadedAt()) !== before, 'the reload of the configuration')
  }
  const refuse = async (permissions: string): Promise<() => Promise<void>> => {
    await reload({ permissions })
    return () => reload()
  }

  let count = 0
  const create = async (): Promise<Broker> => {
    const settings = {
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
      ignoreAuthErrorAbort: true,
      waitOnFirstConnect: true
    }
    const connection = await connectNats({
      port: nats.port,
      user: username,
      pass: password,
      noEcho: ++count % 2 === 0,
      ...settings
    })
    open.push(connection)
    return natsBroker({ client: connection })
  }
  const interrupt = async (): Promise<() => Promise<void>> => {
    await nats.signal('SIGKILL')
    return () => nats.start()
  }
  conforms({
    create,
    interrupt,
    createLate: async () => ({ start: await interrupt(), broker: create() }),
    refusePublish: () => refuse('publish: { deny: [">"] }'),
    refuseSubscribe: () => refuse('subscribe: { deny: [">"] }')
  })

  /** An open broker, and the errors that it has reported. */
  const opened = async (): Promise<{ broker: Broker; lost: Error[] }> => {
    const [broker, lost] = [await create(), [] as Error[]]
    broker.open({ receive() {}, lost: (error) => lost.push(error) })
    return { broker, lost }
  }

  test('subscriptions above the limit of the server are refused, also after an outage', async () => {
    // The limit cannot be changed while the server runs.
    const restart = async (limits: string): Promise<void> => {
      await nats.signal('SIGKILL')
      nats.write('nats.conf', config({ limits }))
      await nats.start()
    }
    await restart('max_subscriptions: 3')
    const { broker, lost } = await opened()
    try {
      await broker.subscribe(['1', '2'])
      await expect(broker.subscribe(['3', '4'])).rejects.toThrow(/maximum subscriptions exceeded/i)
      await broker.check()
      await broker.subscribe(['3'])
      await restart('max_subscriptions: 1')
      await eventually(
        () => lost.some(({ message }) => /maximum subscriptions exceeded/i.test(message)),
        'the report of the refusal'
      )
      await expect(broker.check()).rejects.toThrow(/maximum subscriptions exceeded/i)
      await restart('')
      await eventually(
        () =>
          broker.check().then(
            () => true,
            () => false
          ),
        'the subscriptions'
      )
    } finally {
      await broker.close()
      await restart('')
    }
  })

  test('recovers when its credentials become valid again', async () => {
    const { broker, lost } = await opened()
    await broker.subscribe(['1'])
    await reload({ secret: 'another' })
    await eventually(() => lost.length > 0, 'the report of the outage')
    // Long enough for more than one refused attempt.
    await new Promise((resolve) => setTimeout(resolve, 300))
    await expect(broker.check()).rejects.toMatchObject({ code: 'FST_BLAZE_WS_BROKER_UNAVAILABLE' })
    await reload()
    await eventually(
      () =>
        broker.check().then(
          () => true,
          () => false
        ),
      'the new connection'
    )
    await broker.close()
  })
})

describe('unsupported clients', () => {
  test.each([
    [
      'a client of node-redis 4',
      { isOpen: false, duplicate() {}, sSubscribe() {}, disconnect() {} },
      /node-redis 4.*not supported; supported are node-redis 5 and 6/
    ],
    [
      'a sentinel of node-redis 6',
      nodeRedis.createSentinel({ name: 'main', sentinelRootNodes: [{ host: '127.0.0.1', port: 1 }] }),
      /sentinel of node-redis.*use ioredis/
    ],
    [
      'a sentinel of node-redis 5',
      nodeRedis5.createSentinel({ name: 'main', sentinelRootNodes: [{ host: '127.0.0.1', port: 1 }] }),
      /sentinel of node-redis.*use ioredis/
    ],
    ['a pool of node-redis 6', nodeRedis.createClientPool(), /client or cluster/]
  ])('%s is refused', (_, client, message) => {
    expect(() => redisBroker({ client: client as never })).toThrow(
      expect.objectContaining({ code: 'FST_BLAZE_WS_INVALID_OPTION', message: expect.stringMatching(message) })
    )
  })
})
