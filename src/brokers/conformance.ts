import { deepStrictEqual, rejects, strictEqual, throws } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Broker } from './broker.ts'
import { checked, TestNode, until } from './test-node.ts'

/** What the tests need of a broker. */
export interface BrokerUnderTest {
  /** Makes a broker, one for each node of a test, all over the same engine. */
  create(): Broker | Promise<Broker>
  /** Takes the engine away, and gives what brings it back. Without it, the tests of outages are left out. */
  interrupt?: () => Promise<() => Promise<void>>
}

/** A test for any test runner: `for (const { name, run } of brokerConformance(…)) test(name, run)`. */
export interface ConformanceTest {
  name: string
  /** Rejects with an AssertionError where the broker fails. */
  run(): Promise<void>
}

/** How long something that must not come is waited for, behind something that must. */
const SILENCE = 50

/** Whether a broker does what the interface `Broker` demands. */
export function brokerConformance(broker: BrokerUnderTest): ConformanceTest[] {
  const tests = broker.interrupt === undefined ? TESTS : [...TESTS, ...outages(broker.interrupt)]
  return Object.entries(Object.fromEntries(tests)).map(([name, run]) => ({
    name,
    async run() {
      const nodes: TestNode[] = []
      const node = async (): Promise<TestNode> => {
        const made = new TestNode(await broker.create())
        nodes.push(made)
        return made
      }
      try {
        await run(node)
      } finally {
        await Promise.all(nodes.map((one) => one.close()))
      }
    }
  }))
}

type Run = (node: () => Promise<TestNode>) => Promise<void>

async function two(node: () => Promise<TestNode>): Promise<[TestNode, TestNode]> {
  return [(await node()).open(), (await node()).open()]
}

const TESTS: [name: string, run: Run][] = [
  [
    'a message reaches all other nodes that have subscribed, its bytes as they are',
    async (node) => {
      const [a, b] = await two(node)
      const c = (await node()).open()
      await Promise.all([b, c].map(({ broker }) => broker.subscribe(['bytes'])))
      const payloads = [Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)), Buffer.alloc(0), Buffer.alloc(512 * 1024, 'é\n\r\0')]
      for (const payload of payloads) await a.publish('bytes', payload)
      for (const { got } of [b, c]) {
        await until(() => got.length === payloads.length, 'the arrival of all messages')
        deepStrictEqual(got.map(({ payload }) => payload), payloads)
      }
    }
  ],
  [
    'a node does not get its own messages',
    async (node) => {
      const [a, b] = await two(node)
      await Promise.all([a, b].map(({ broker }) => broker.subscribe(['echo'])))
      await a.publish('echo', 'of a')
      await b.publish('echo', 'of b')
      await until(() => a.got.length > 0 && b.got.length > 0, 'the arrival at the others')
      await sleep(SILENCE)
      deepStrictEqual([a.texts('echo'), b.texts('echo')], [['of b'], ['of a']])
    }
  ],
  [
    'messages of one node on one channel arrive in their order, each once',
    async (node) => {
      const [a, b] = await two(node)
      const c = (await node()).open()
      await c.broker.subscribe(['order', 'other'])
      const texts = Array.from({ length: 1_000 }, (_, i) => `${i}`)
      await Promise.all(texts.flatMap((text) => [a.publish('order', `a${text}`), b.publish('order', `b${text}`), a.publish('other', text)]))
      await until(() => c.got.length >= 3_000, 'the arrival of all messages')
      await sleep(SILENCE)
      const order = c.texts('order')
      deepStrictEqual(order.filter((text) => text.startsWith('a')), texts.map((text) => `a${text}`))
      deepStrictEqual(order.filter((text) => text.startsWith('b')), texts.map((text) => `b${text}`))
      deepStrictEqual(c.texts('other'), texts)
    }
  ],
  [
    'a node gets what it has subscribed to, and nothing else',
    async (node) => {
      const [a, b] = await two(node)
      await b.broker.subscribe(['one', 'two'])
      await b.broker.unsubscribe(['two'])
      for (const channel of ['two', 'three', 'one']) await a.publish(channel, channel)
      await until(() => b.texts('one').length > 0, 'the arrival on a channel')
      await sleep(SILENCE)
      deepStrictEqual(b.got.map(({ channel }) => channel), ['one'])
    }
  ],
  [
    'subscribing twice and unsubscribing from what one has not are harmless',
    async (node) => {
      const [a, b] = await two(node)
      await b.broker.subscribe([])
      await b.broker.subscribe(['twice', 'kept'])
      await b.broker.subscribe(['twice'])
      await b.broker.unsubscribe(['never', 'kept'])
      await b.broker.subscribe(['kept'])
      for (const channel of ['twice', 'kept']) await a.publish(channel, 'once')
      await until(() => b.got.length >= 2, 'the arrival')
      await sleep(SILENCE)
      deepStrictEqual([b.texts('twice'), b.texts('kept')], [['once'], ['once']])
    }
  ],
  [
    'any string is a channel, and none is another',
    async (node) => {
      const [a, b] = await two(node)
      const channels = ['a', 'A', 'a.b', 'a.*', 'a.>', '*', '>', 'a b', ' a', 'a:b', '{a}b', '[a]', 'a?', 'ä€🚀', 'a\r\nb', 'a\0', '__proto__', 'x'.repeat(300)]
      await b.broker.subscribe(channels)
      for (const channel of channels) await a.publish(channel, channel)
      await until(() => b.got.length >= channels.length, 'the arrival on all channels')
      await sleep(SILENCE)
      for (const channel of channels) deepStrictEqual(b.texts(channel), [channel])
    }
  ],
  [
    'a broker that was not opened can publish',
    async (node) => {
      const [publisher, b] = [await node(), (await node()).open()]
      await b.broker.subscribe(['news'])
      await publisher.publish('news', 'hello')
      await until(() => b.texts('news').length > 0, 'the arrival')
    }
  ],
  [
    'a broker serves one node',
    async (node) => {
      const a = (await node()).open()
      throws(() => a.open(), { code: 'FST_BLAZE_WS_BROKER_IN_USE' })
    }
  ],
  [
    'check says that the engine is there',
    async (node) => {
      const a = (await node()).open()
      await a.broker.subscribe(['any'])
      await a.broker.check()
    }
  ],
  [
    'what was published before the end is sent; nothing comes afterwards',
    async (node) => {
      const [a, b] = await two(node)
      await b.broker.subscribe(['last'])
      await a.publish('last', 'first')
      const texts = Array.from({ length: 100 }, (_, i) => `${i}`)
      const published = texts.map((text) => a.publish('last', text))
      await a.close()
      await Promise.allSettled(published)
      await until(() => b.got.length >= 101, 'the arrival of the last')
      deepStrictEqual(b.texts('last'), ['first', ...texts])
      const c = (await node()).open()
      await b.close()
      await c.publish('last', 'too late')
      await sleep(SILENCE)
      strictEqual(b.got.length, 101)
    }
  ]
]

function outages(interrupt: () => Promise<() => Promise<void>>): typeof TESTS {
  return [
    [
      'an outage is told, nothing is kept for later, and subscriptions are in force again',
      async (node) => {
        const [a, b] = await two(node)
        await b.broker.subscribe(['room'])
        await a.publish('room', 'before')
        // The engine has it, which does not mean that it has passed it on.
        await until(() => b.texts('room').includes('before'), 'the arrival before the outage')
        const restore = await interrupt()
        try {
          await until(() => b.lostWith.length > 0, 'the word of the outage')
          await rejects(a.publish('room', 'meanwhile'))
        } finally {
          await restore()
        }
        await checked(a)
        await checked(b)
        await a.publish('room', 'after')
        await until(() => b.texts('room').includes('after'), 'the arrival after the outage')
        deepStrictEqual(b.texts('room'), ['before', 'after'])
      }
    ],
    [
      'what is under way when the engine goes is answered, as done or not',
      async (node) => {
        const [a, b] = await two(node)
        await b.broker.subscribe(['room', 'left'])
        await a.publish('room', 'before')
        const underWay = [...Array.from({ length: 1_000 }, (_, i) => a.publish('room', `${i}`)), b.broker.subscribe(['new']), b.broker.unsubscribe(['left'])]
        const interrupted = interrupt()
        let isAnswered = false
        try {
          void Promise.allSettled(underWay).then(() => (isAnswered = true))
          await until(() => isAnswered, 'the answers')
        } finally {
          await (await interrupted)()
        }
        await checked(a)
        await checked(b)
      }
    ]
  ]
}
