import { memoryBroker } from '../../src/index.ts'
import type { Broker } from '../../src/brokers/broker.ts'
import type { AppendOptions } from '../../src/history/store.ts'
import { redisBroker, redisHistory } from '../../src/redis.ts'
import { eventually } from '../support/server.ts'
import { describeRedis, TestHistory } from './support/redis.ts'

jest.setTimeout(60_000)

const brokers: Broker[] = []
afterEach(async () => {
  await TestHistory.closeAll()
  await Promise.all(brokers.splice(0).map((broker) => broker.close()))
})

/** The messages that a broker gets, as channel and text. */
async function receive(broker: Broker, channels: readonly string[]): Promise<[string, string][]> {
  brokers.push(broker)
  const received: [string, string][] = []
  broker.open({
    receive: (channel, message) => void received.push([channel, Buffer.from(message).toString()]),
    lost: () => {}
  })
  await broker.subscribe(channels)
  return received
}

/** The options of an append that publishes over a broker. */
function publishingOver(history: TestHistory, broker: Broker): Partial<AppendOptions> {
  const over = history.store.publishesOver?.(broker)
  expect(over).toBeDefined()
  return { publish: { over, head: Buffer.from('head ') } }
}

describeRedis('a history that publishes what it appends', ({ connect, servers }) => {
  const rooms = ['room', '{', '}', '{}', 'a{b}c', '}{', 'ü𝄞']

  describe.each([undefined, true, false])('with sharded: %s', (sharded) => {
    const prefix = (): string => `${expect.getState().currentTestName}:`

    test('reaches the nodes of the broker, in any room', async () => {
      const client = connect()
      const broker = redisBroker({ client, prefix: prefix(), sharded })
      const received = await receive(broker, rooms)
      const history = new TestHistory(client)
      const options = publishingOver(history, broker)
      const expected: [string, string][] = []
      for (const room of rooms) {
        for (const { epoch, offset } of await history.append(room, ['a', 'b'], options))
          expected.push([room, `head ${epoch} ${offset} ${'ab'[offset - 1]}\nbody of ${'ab'[offset - 1]}`])
        await eventually(() => received.length === expected.length, 'the arrival')
      }
      expect(received).toEqual(expected)
    })

    test('publishes again what was stored before, as it was stored', async () => {
      const client = connect()
      const broker = redisBroker({ client, prefix: prefix(), sharded })
      const received = await receive(broker, ['room'])
      const history = new TestHistory(client)
      const { publish } = publishingOver(history, broker)
      const { epoch } = await history.last('room', ['a', 'b'])
      const options = { size: 2, ttl: 60_000, known: undefined, publish }
      await history.store.append('room', [{ id: 'a', body: Buffer.from('another') }], options)
      await eventually(() => received.length === 1, 'the arrival')
      expect(received).toEqual([['room', `head ${epoch} 1 a\nbody of a`]])
    })
  })

  test('publishes over a broker with the same client only', async () => {
    const client = connect()
    const history = redisHistory({ client, prefix: 'p:' })
    const over = (broker: Broker): unknown => {
      brokers.push(broker)
      return history.publishesOver?.(broker)
    }
    expect(over(redisBroker({ client, prefix: 'p:' }))).toBeDefined()
    expect(over(redisBroker({ client: connect(), prefix: 'p:' }))).toBeUndefined()
    expect(over(memoryBroker())).toBeUndefined()
    // In a cluster, a script only reaches the sharded channels of the slot of its keys.
    expect(over(redisBroker({ client, prefix: 'other:', sharded: true })) === undefined).toBe(servers.length > 1)
    expect(over(redisBroker({ client, prefix: 'other:', sharded: false }))).toBeDefined()
  })

  test('publishes over a classic broker with another prefix', async () => {
    const client = connect()
    const broker = redisBroker({ client, prefix: 'other:', sharded: false })
    const received = await receive(broker, rooms)
    const history = new TestHistory(client)
    for (const room of rooms) await history.append(room, 'a', publishingOver(history, broker))
    await eventually(() => received.length === rooms.length, 'the arrival')
    expect(received.map(([room]) => room).toSorted()).toEqual(rooms.toSorted())
  })
})
