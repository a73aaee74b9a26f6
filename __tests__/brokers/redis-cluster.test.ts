import { setTimeout as sleep } from 'node:timers/promises'
import { checked, TestNode, until } from '../../src/brokers/conformance/test-node.ts'
import { redisBroker } from '../../src/redis.ts'
import { eventually } from '../support/server.ts'
import type { Engine } from '../cluster/support/engines.ts'
import { describeChangingClusters, type RedisCluster } from '../cluster/support/redis-cluster.ts'

jest.setTimeout(60_000)

const CHANNELS = Array.from({ length: 30 }, (_, i) => `room ${i}`)

describeChangingClusters('a Redis Cluster that changes', (setting) => {
  const { sharded, prefix } = setting
  let cluster: RedisCluster
  const nodes: TestNode[] = []
  let publisher: TestNode
  let listener: TestNode
  let count = 0

  beforeAll(() => {
    cluster = setting.cluster
  })
  beforeEach(async () => {
    const node = (): TestNode =>
      new TestNode(redisBroker({ client: setting.connect(), prefix: prefix(), sharded })).open()
    nodes.push((publisher = node()), (listener = node()))
    await listener.broker.subscribe(CHANNELS)
    count = 0
    await publishOnAll()
    await until(() => hasLast(), 'the arrival on all channels')
  })
  afterEach(() => Promise.all(nodes.splice(0).map((node) => node.close())))

  const publishOnAll = (): Promise<unknown> => {
    count++
    return Promise.all(CHANNELS.map((channel) => publisher.publish(channel, `${count}`)))
  }
  const hasLast = (): boolean => CHANNELS.every((channel) => listener.texts(channel).at(-1) === `${count}`)
  /** Publishes continuously, and ignores refused messages, until `act` has ended. */
  const streaming = async (act: () => Promise<void>): Promise<void> => {
    const stream = setInterval(() => void publishOnAll().catch(() => {}), 5)
    try {
      await act()
    } finally {
      clearInterval(stream)
    }
  }
  /** New messages arrive on all channels again, and no message came twice or after a later one. */
  const expectRecovery = async (): Promise<void> => {
    // The servers of a cluster learn of a change one after the other, so it may be reported more than once.
    const arrives = async (): Promise<boolean> => {
      const reports = listener.lostWith.length
      await Promise.all([checked(publisher), checked(listener)])
      if (
        !(await publishOnAll().then(
          () => true,
          () => false
        ))
      )
        return false
      for (let i = 0; i < 100 && !hasLast(); i++) await sleep(5)
      if (!hasLast())
        await eventually(
          async () => (await checked(listener), listener.lostWith.length > reports || hasLast()),
          'the report of the missing messages'
        )
      return hasLast()
    }
    await eventually(arrives, 'the arrival on all channels')
    for (const channel of CHANNELS) {
      const numbers = listener.texts(channel).map(Number)
      expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b))
    }
  }

  test('delivers a stream completely and in order if nothing fails', async () => {
    await streaming(() => sleep(500))
    await publishOnAll()
    await until(hasLast, 'the arrival on all channels')
    const all = Array.from({ length: count }, (___, i) => `${i + 1}`)
    for (const channel of CHANNELS) expect(listener.texts(channel)).toEqual(all)
    expect([publisher.lostWith, listener.lostWith]).toEqual([[], []])
  })

  test('recovers after slots move to another server', async () => {
    const { masters } = cluster
    await streaming(async () => {
      for (const [i, channel] of CHANNELS.slice(0, 6).entries())
        cluster.move(prefix() + channel, masters[i % 3] as Engine)
      await sleep(300)
    })
    if (sharded) await until(() => listener.lostWith.length > 0, 'the report of the move')
    await expectRecovery()
  })

  test('recovers after a slot moves while no message is sent', async () => {
    const [channel] = CHANNELS as [string]
    for (const to of cluster.masters) cluster.move(prefix() + channel, to)
    if (sharded) await until(() => listener.lostWith.length > 0, 'the report of the move')
    await expectRecovery()
  })

  test('recovers after masters hand over to their replicas', async () => {
    const replicas = cluster.servers.filter((server) => !cluster.isMaster(server))
    await streaming(async () => {
      for (const replica of replicas) {
        await cluster.handOver(replica)
        await cluster.isHealthy()
        await checked(listener)
      }
    })
    if (sharded) await until(() => listener.lostWith.length > 0, 'the report of the failover')
    await expectRecovery()
  })

  test('recovers after a master is killed', async () => {
    const [victim] = cluster.masters as [Engine]
    const replica = cluster.replicaOf(victim)
    try {
      await streaming(async () => {
        await victim.signal('SIGKILL')
        await until(() => publisher.lostWith.length > 0 || !sharded, 'the report of the loss')
        await sleep(300)
        await cluster.takeOver(replica)
      })
      await expectRecovery()
    } finally {
      await victim.start()
    }
  })

  // Each server has only some of the channels.
  if (!sharded) return

  test('recovers if a slot moves while the subscription to another channel is pending', async () => {
    const news = 'news'
    const from = cluster.ownerOf(prefix() + news)
    const [slow, to] = cluster.masters.filter((server) => server !== from) as [Engine, Engine]
    const other = Array.from({ length: 100 }, (___, i) => `other ${i}`).find(
      (channel) => cluster.ownerOf(prefix() + channel) === slow
    ) as string
    const lists = (server: Engine, text: string): boolean =>
      cluster.cli(server, 'PUBSUB', 'SHARDCHANNELS', `${prefix()}*`).includes(text)
    await slow.signal('SIGSTOP')
    const subscribed = listener.broker.subscribe([news, other]).then(
      () => true,
      () => false
    )
    try {
      await until(() => lists(from, news), 'the first subscription')
      cluster.move(prefix() + news, to, from)
      await until(() => listener.lostWith.length > 0, 'the report of the move')
      // Before a check sends its own message, it has subscribed to all known channels.
      await eventually(() => (void listener.broker.check().catch(() => {}), lists(to, 'probe')), 'the check')
    } finally {
      await slow.signal('SIGCONT')
    }
    if (!(await subscribed))
      await eventually(
        () =>
          listener.broker.subscribe([news, other]).then(
            () => true,
            () => false
          ),
        'the subscriptions'
      )
    await expectRecovery()
    await eventually(
      () =>
        publisher.publish(news, 'new').then(
          () => true,
          () => false
        ),
      'the message'
    )
    await until(() => listener.texts(news).includes('new'), 'the arrival')
  })

  test('keeps its subscriptions if a server is down when all channels are unsubscribed', async () => {
    const [victim] = cluster.masters as [Engine]
    try {
      await victim.signal('SIGKILL')
      await until(() => listener.lostWith.length > 0, 'the report of the loss')
      // A refused call changes nothing.
      await expect(listener.broker.unsubscribe(CHANNELS)).rejects.toThrow('The engine of the broker is not available')
    } finally {
      await victim.start()
    }
    await expectRecovery()
  })
})
