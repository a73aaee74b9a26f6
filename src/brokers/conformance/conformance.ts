import { deepStrictEqual, rejects, strictEqual, throws } from 'node:assert/strict'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import type { Broker } from '../broker.ts'
import { checked, TestNode, until } from './test-node.ts'

/** What the tests need of a broker. Each optional function adds the tests that need it. */
export interface BrokerUnderTest {
  /** Makes a broker, one for each node of a test, all over the same engine. */
  create(): Broker | Promise<Broker>
  /** Stops the engine, and resolves to what starts it again. */
  interrupt?: () => Promise<() => Promise<void>>
  /** Breaks the connections that the brokers subscribe over, and no others, if the engine can tell them apart. */
  loseSubscribers?: () => Promise<void>
  /** Has the engine refuse what the brokers publish, and resolves to what allows it again. */
  refusePublish?: () => Promise<() => Promise<void>>
  /** Has the engine refuse and end all subscriptions of the brokers, and resolves to what allows them again. */
  refuseSubscribe?: () => Promise<() => Promise<void>>
  /** Makes a broker whose engine is not there yet, and what starts the engine. */
  createLate?: () => Promise<{ broker: Broker | Promise<Broker>; start: () => Promise<void> }>
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
  return testsFor(broker).map(([name, run]) => ({
    name,
    async run() {
      const nodes: TestNode[] = []
      const node = async (given?: Broker | Promise<Broker>): Promise<TestNode> => {
        const made = new TestNode(await (given ?? broker.create()))
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

function testsFor({
  interrupt,
  loseSubscribers,
  refusePublish,
  refuseSubscribe,
  createLate
}: BrokerUnderTest): typeof TESTS {
  const tests = [...TESTS]
  if (interrupt !== undefined) tests.push(...outages(interrupt))
  if (loseSubscribers !== undefined) tests.push(lostSubscribers(loseSubscribers))
  if (refusePublish !== undefined) tests.push(refusedMessages(refusePublish))
  if (refuseSubscribe !== undefined) tests.push(...refusedSubscriptions(refuseSubscribe))
  if (createLate !== undefined) tests.push(lateStart(createLate))
  return tests
}

type MakeNode = (given?: Broker | Promise<Broker>) => Promise<TestNode>
type Run = (node: MakeNode) => Promise<void>

async function two(node: MakeNode): Promise<[TestNode, TestNode]> {
  return [(await node()).open(), (await node()).open()]
}

const TESTS: [name: string, run: Run][] = [
  [
    'a message reaches all other nodes that have subscribed, its bytes as they are',
    async (node) => {
      const [a, b] = await two(node)
      const c = (await node()).open()
      await Promise.all([b, c].map(({ broker }) => broker.subscribe(['bytes'])))
      const payloads = [
        Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
        Buffer.alloc(0),
        Buffer.alloc(512 * 1024, 'é\n\r\0')
      ]
      for (const payload of payloads) await a.publish('bytes', payload)
      for (const { got } of [b, c]) {
        await until(() => got.length === payloads.length, 'the arrival of all messages')
        deepStrictEqual(
          got.map(({ payload }) => payload),
          payloads
        )
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
      await Promise.all(
        texts.flatMap((text) => [
          a.publish('order', `a${text}`),
          b.publish('order', `b${text}`),
          a.publish('other', text)
        ])
      )
      await until(() => c.got.length >= 3_000, 'the arrival of all messages')
      await sleep(SILENCE)
      const order = c.texts('order')
      deepStrictEqual(
        order.filter((text) => text.startsWith('a')),
        texts.map((text) => `a${text}`)
      )
      deepStrictEqual(
        order.filter((text) => text.startsWith('b')),
        texts.map((text) => `b${text}`)
      )
      deepStrictEqual(c.texts('other'), texts)
    }
  ],
  [
    'order holds for a stream of messages of different lengths on several channels',
    async (node) => {
      const [a, b] = await two(node)
      const channels = ['stream 1', 'stream 2', 'stream 3', 'stream 4']
      await b.broker.subscribe(channels)
      const texts = Array.from({ length: 2_500 }, (_, i) => `${i}${' '.repeat(i % 7 === 0 ? 4_096 : 0)}`)
      const published: Promise<void>[] = []
      for (const [i, text] of texts.entries()) {
        published.push(...channels.map((channel) => a.publish(channel, text)))
        if (i % 10 === 0) await turn()
      }
      await Promise.all(published)
      await until(() => b.got.length >= texts.length * channels.length, 'the arrival of all messages')
      for (const channel of channels) deepStrictEqual(b.texts(channel), texts)
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
      deepStrictEqual(
        b.got.map(({ channel }) => channel),
        ['one']
      )
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
      const channels = [
        'a',
        'A',
        'a.b',
        'a.*',
        'a.>',
        '*',
        '>',
        'a b',
        ' a',
        'a:b',
        '{a}b',
        '[a]',
        'a?',
        'ä€🚀',
        'a\r\nb',
        'a\0',
        '__proto__',
        'x'.repeat(300)
      ]
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
        const underWay = [
          ...Array.from({ length: 1_000 }, (_, i) => a.publish('room', `${i}`)),
          b.broker.subscribe(['new']),
          b.broker.unsubscribe(['left'])
        ]
        const interrupted = interrupt()
        let isAnswered = false
        try {
          void Promise.allSettled(underWay).then(() => (isAnswered = true))
          await until(() => isAnswered, 'the answers')
        } finally {
          await (
            await interrupted
          )()
        }
        await checked(a)
        await checked(b)
      }
    ]
  ]
}

function lostSubscribers(lose: () => Promise<void>): [string, Run] {
  return [
    'a lost subscriber is reported, and subscriptions are in force again when check resolves',
    async (node) => {
      const [a, b] = await two(node)
      const channels = Array.from({ length: 50 }, (_, i) => `room ${i}`)
      await b.broker.subscribe(channels)
      for (let round = 1; round <= 3; round++) {
        const reports = b.lostWith.length
        await lose()
        await until(() => b.lostWith.length > reports, 'the report of the lost subscriber')
        await checked(b)
        await checked(a)
        for (const channel of channels) await a.publish(channel, `${round}`)
        await until(
          () => channels.every((channel) => b.texts(channel).at(-1) === `${round}`),
          'the arrival on all channels'
        )
      }
    }
  ]
}

function refusedMessages(refuse: () => Promise<() => Promise<void>>): [string, Run] {
  return [
    'a message that the engine refuses is not published',
    async (node) => {
      const [a, b] = await two(node)
      await b.broker.subscribe(['room'])
      await a.publish('room', 'before')
      await until(() => b.texts('room').length > 0, 'the arrival of the first message')
      const allow = await refuse()
      try {
        await checked(a)
        await rejects(a.publish('room', 'refused'))
        const many = await Promise.allSettled(['1', '2', '3'].map((text) => a.publish('room', text)))
        deepStrictEqual(
          many.map(({ status }) => status),
          ['rejected', 'rejected', 'rejected']
        )
      } finally {
        await allow()
      }
      await checked(a)
      await checked(b)
      await a.publish('room', 'after')
      await until(() => b.texts('room').includes('after'), 'the arrival of the last message')
      deepStrictEqual(b.texts('room'), ['before', 'after'])
    }
  ]
}

function refusedSubscriptions(refuse: () => Promise<() => Promise<void>>): typeof TESTS {
  return [
    [
      'a subscription that the engine refuses rejects',
      async (node) => {
        const [a, b] = await two(node)
        const allow = await refuse()
        try {
          await rejects(b.broker.subscribe(['room']))
        } finally {
          await allow()
        }
        await checked(b)
        await b.broker.subscribe(['room'])
        await checked(a)
        await a.publish('room', 'after')
        await until(() => b.texts('room').includes('after'), 'the arrival')
      }
    ],
    [
      'a subscription that the engine ends is reported, and check does not resolve before it is in force again',
      async (node) => {
        const [a, b] = await two(node)
        await b.broker.subscribe(['room'])
        const allow = await refuse()
        try {
          await until(() => b.lostWith.length > 0, 'the report of the end')
          strictEqual(
            (await Promise.race([
              b.broker.check().then(
                () => 'in force',
                () => 'rejected'
              ),
              sleep(500, 'waiting')
            ])) === 'in force',
            false,
            'check must not resolve'
          )
        } finally {
          await allow()
        }
        await checked(b)
        await checked(a)
        await a.publish('room', 'after')
        await until(() => b.texts('room').includes('after'), 'the arrival')
      }
    ]
  ]
}

function lateStart(createLate: NonNullable<BrokerUnderTest['createLate']>): [string, Run] {
  return [
    'a broker that is there before its engine works once the engine is there',
    async (node) => {
      const { broker, start } = await createLate()
      const late = node(broker).then((one) => one.open())
      try {
        if (!(broker instanceof Promise)) {
          await rejects((await late).broker.subscribe(['room']))
          await rejects((await late).broker.check())
        }
      } finally {
        await start()
      }
      const b = await late
      await checked(b)
      await b.broker.subscribe(['room'])
      const a = (await node()).open()
      await checked(a)
      await a.publish('room', 'hello')
      await until(() => b.texts('room').length > 0, 'the arrival')
      await b.publish('elsewhere', 'hello')
    }
  ]
}
