import { Cluster, Redis as IoRedis } from 'ioredis'
import { Cluster as Cluster5 } from 'ioredis5'
import * as nodeRedis from 'redis'
import * as nodeRedis5 from 'redis5'
import { encode, Kind } from '../../src/cluster/wire/envelope.ts'
import {
  type Broker,
  type BrokerNode,
  createPublisher,
  memoryBroker,
  MemoryEngine,
  WebSocketHub
} from '../../src/index.ts'
import { redisBroker, type RedisBrokerOptions } from '../../src/redis.ts'
import { closeServers, eventually, startServer } from '../support/server.ts'
import { describeWith, Engine, REDIS, startRedisCluster } from './support/engines.ts'
import { type RoomServer, startRooms, upTo } from './support/rooms.ts'

afterEach(closeServers)

/** A memory broker that can give its node messages that the engine would never send. */
function leakyBroker(engine: MemoryEngine): { broker: Broker; receive: BrokerNode['receive'] } {
  const broker = memoryBroker({ engine })
  const open = broker.open.bind(broker)
  let node: BrokerNode | undefined
  broker.open = (given) => {
    node = given
    open(given)
  }
  return { broker, receive: (channel, message) => node?.receive(channel, message) }
}

const messageOf = (kind: Kind, payload: string): Buffer =>
  encode({
    kind,
    origin: '00'.repeat(8),
    generation: 0,
    sequence: 0,
    copyId: 1,
    ids: [],
    payload: Buffer.from(payload)
  })

describe('a message without a valid target reaches no client', () => {
  test.each([
    '',
    'al',
    'alll',
    ' all',
    'ALL',
    'nodes',
    'node:x',
    'room',
    'room:',
    'oom:secret',
    'app:room:secret',
    'hub:x:all',
    'hub:x:room:secret',
    `room:${'x'.repeat(300)}`
  ])('on the channel %j', async (channel) => {
    const engine = new MemoryEngine()
    const { broker, receive } = leakyBroker(engine)
    const node = await startRooms(broker)
    const client = await node.join('x')
    for (const kind of [Kind.Text, Kind.Binary] as const) receive(channel, messageOf(kind, 'leaked'))
    receive(channel, messageOf(Kind.Disconnect, '\x03\xf0'))
    expect(node.hub.cluster.stats().rejected).toBeGreaterThanOrEqual(2)
    node.hub.broadcast('end')
    expect(await upTo(client, 'end')).toEqual(['end'])
  })

  test('from a publisher that names no room', async () => {
    const engine = new MemoryEngine()
    const node = await startRooms(memoryBroker({ engine }))
    const client = await node.join('x')
    const publisher = createPublisher(memoryBroker({ engine }))
    for (const room of [undefined, null, '', 1, [undefined], ['x', '']]) {
      await expect(publisher.to(room as never).broadcast('leaked')).rejects.toThrow('room')
      await expect(publisher.to(room as never).broadcastJSON('leaked')).rejects.toThrow('room')
      await expect(publisher.broadcast('leaked', { to: room as never })).rejects.toThrow('room')
    }
    await expect(publisher.broadcast('leaked', { except: [1] as never })).rejects.toThrow('except')
    await publisher.to('x').broadcast('for x')
    node.hub.broadcast('end')
    expect((await upTo(client, 'end')).toSorted()).toEqual(['end', 'for x'])
    await publisher.close()
  })
})

describe('hubs over one engine', () => {
  test('receive only messages for their own name', async () => {
    const engine = new MemoryEngine()
    const [a, b] = await Promise.all([startRooms(memoryBroker({ engine })), startRooms(memoryBroker({ engine }))])
    const hubs = ['one', 'two', 'one'].map((name) => new WebSocketHub({ broker: memoryBroker({ engine }), name }))
    const [one, two, other] = hubs as [WebSocketHub, WebSocketHub, WebSocketHub]
    const client = await b.join('x')
    const [ws] = b.hub.getClients()
    one.join(ws as never, 'x')
    await Promise.all([one.cluster.ready(), two.cluster.ready(), other.cluster.ready()])
    two.to('x').broadcast('of two')
    two.broadcast('of two')
    a.hub.to('x').broadcast('of the server')
    other.to('x').broadcast('of one')
    await createPublisher(memoryBroker({ engine })).to('x').broadcast('published')
    await createPublisher(memoryBroker({ engine }), { hub: 'one' }).to('x').broadcast('published to one')
    await createPublisher(memoryBroker({ engine }), { hub: 'two' }).broadcast('published to two')
    b.hub.broadcast('end')
    expect((await upTo(client, 'end')).toSorted()).toEqual([
      'end',
      'of one',
      'of the server',
      'published',
      'published to one'
    ])
    expect((await one.cluster.getClientCount('x')).count).toBe(1)
    expect((await two.cluster.getClientCount('x')).count).toBe(0)
    expect((await one.cluster.nodes()).nodes).toHaveLength(2)
    await Promise.all(hubs.map((hub) => hub.shutdown(0)))
  })

  test.each([undefined, '', 'a:b', 'a b', 'x'.repeat(33), 1])(
    'a hub with a broker and the name %j is refused',
    (name) => {
      expect(() => new WebSocketHub({ broker: memoryBroker(), name: name as never })).toThrow('hub.name')
    }
  )

  test('a publisher with an invalid hub name is refused', () => {
    expect(() => createPublisher(memoryBroker(), { hub: 'a:b' })).toThrow('hub')
    expect(() => createPublisher(memoryBroker(), { hubs: 'a' } as never)).toThrow('hubs')
  })

  test('shut down with the server that owns them', async () => {
    const broker = memoryBroker({ engine: new MemoryEngine() })
    const close = jest.spyOn(broker, 'close')
    const { app } = await startServer(() => {}, { before: () => undefined })
    expect(() => new WebSocketHub({ app: {} as never })).toThrow('hub.app')
    const owner = (
      await startServer(async (server) => {
        const hub = new WebSocketHub({ broker, name: 'feed', app: server })
        server.decorate('feed', hub)
      })
    ).app
    await owner.close()
    await (owner as unknown as { feed: WebSocketHub }).feed.run()
    expect(close).toHaveBeenCalledTimes(1)
    await app.close()
  })
})

type Client = RedisBrokerOptions['client']

describeWith(REDIS, 'a keyPrefix of the client does not change the channels', () => {
  const password = 'secret'
  const keyPrefix = 'app:'

  async function expectNoLeak(make: () => Client): Promise<void> {
    const prefix = `${expect.getState().currentTestName}:`
    const [a, b] = (await Promise.all([1, 2].map(() => startRooms(redisBroker({ client: make(), prefix }))))) as [
      RoomServer,
      RoomServer
    ]
    const [member, stranger] = await Promise.all([b.join('secret'), b.join('other')])
    await eventually(async () => (await a.hub.cluster.nodes()).nodes.length === 2, 'both nodes')
    a.hub.to('secret').broadcast('for members')
    await member.until(() => member.messages.length > 0)
    a.hub.broadcast('end')
    expect(await upTo(stranger, 'end')).toEqual(['end'])
    expect((await upTo(member, 'end')).toSorted()).toEqual(['end', 'for members'])
  }

  describe('one server', () => {
    let redis: Engine
    beforeAll(async () => {
      redis = await Engine.redis('--requirepass', password)
    })
    afterAll(() => redis.close())

    test.each<[string, (port: number) => Client]>([
      ['ioredis', (port) => new IoRedis(port, '127.0.0.1', { lazyConnect: true, password, keyPrefix })],
      ['node-redis', (port) => nodeRedis.createClient({ url: `redis://127.0.0.1:${port}`, password, keyPrefix })]
    ])('%s with keyPrefix', (_, make) => expectNoLeak(() => make(redis.port)))
  })

  describe('a cluster', () => {
    let nodes: Engine[]
    beforeAll(async () => {
      nodes = await startRedisCluster(password)
    })
    afterAll(() => Promise.all(nodes.map((node) => node.close())))

    const roots = (ports: number[]) => ports.map((port) => ({ url: `redis://127.0.0.1:${port}` }))
    test.each<[string, (ports: number[]) => Client]>([
      [
        'ioredis 6, in redisOptions',
        (ports) => new Cluster(ports, { lazyConnect: true, redisOptions: { password, keyPrefix } })
      ],
      [
        'ioredis 6, next to redisOptions',
        (ports) => new Cluster(ports, { lazyConnect: true, keyPrefix, redisOptions: { password } })
      ],
      [
        'ioredis 5, in redisOptions',
        (ports) => new Cluster5(ports, { lazyConnect: true, redisOptions: { password, keyPrefix } })
      ],
      [
        'ioredis 5, next to redisOptions',
        (ports) => new Cluster5(ports, { lazyConnect: true, keyPrefix, redisOptions: { password } })
      ],
      [
        'node-redis 6',
        (ports) => nodeRedis.createCluster({ rootNodes: roots(ports), defaults: { password }, keyPrefix })
      ],
      [
        'node-redis 6, in the defaults',
        (ports) => nodeRedis.createCluster({ rootNodes: roots(ports), defaults: { password, keyPrefix } } as never)
      ],
      [
        'node-redis 5',
        (ports) => nodeRedis5.createCluster({ rootNodes: roots(ports), defaults: { password, keyPrefix } } as never)
      ]
    ])('%s', (_, make) => expectNoLeak(() => make(nodes.map(({ port }) => port))))
  })
})
