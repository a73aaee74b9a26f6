import { deepStrictEqual, strictEqual, throws } from 'node:assert/strict'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { type BrokerTest, openNode, openTwo, SILENCE } from './broker-test.ts'
import { type TestNode, until } from './test-node.ts'

/** What arrived from the other node. A broker may also deliver a message to its sender. */
function textsOfOther(node: TestNode, own: string): string[] {
  return node.texts('both').filter((text) => text !== own)
}

/** The tests of a broker whose engine works. */
export const BASICS: readonly BrokerTest[] = [
  [
    'a message reaches all other nodes that have subscribed, with its bytes unchanged',
    async (makeNode) => {
      const [a, b] = await openTwo(makeNode)
      const c = await openNode(makeNode)
      await Promise.all([b, c].map(({ broker }) => broker.subscribe(['bytes'])))
      const messages = [
        Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
        Buffer.alloc(0),
        Buffer.alloc(512 * 1024, 'é\n\r\0')
      ]
      for (const message of messages) await a.publish('bytes', message)
      for (const { got } of [b, c]) {
        await until(() => got.length === messages.length, 'the arrival of all messages')
        deepStrictEqual(
          got.map(({ message }) => message),
          messages
        )
      }
    }
  ],
  [
    'two nodes on one channel get the messages of each other',
    async (makeNode) => {
      const [a, b] = await openTwo(makeNode)
      await Promise.all([a, b].map(({ broker }) => broker.subscribe(['both'])))
      await a.publish('both', 'of a')
      await b.publish('both', 'of b')
      await until(
        () => textsOfOther(a, 'of a').length > 0 && textsOfOther(b, 'of b').length > 0,
        'the arrival at the other node'
      )
      await sleep(SILENCE)
      deepStrictEqual([textsOfOther(a, 'of a'), textsOfOther(b, 'of b')], [['of b'], ['of a']])
    }
  ],
  [
    'the messages of one node on one channel arrive in order, each once',
    async (makeNode) => {
      const [a, b] = await openTwo(makeNode)
      const c = await openNode(makeNode)
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
    'a stream of messages of different lengths on several channels arrives in order',
    async (makeNode) => {
      const [a, b] = await openTwo(makeNode)
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
    'a node gets messages only on channels that it has subscribed to',
    async (makeNode) => {
      const [a, b] = await openTwo(makeNode)
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
    'it is harmless to subscribe twice, and to unsubscribe from a channel that was not subscribed to',
    async (makeNode) => {
      const [a, b] = await openTwo(makeNode)
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
    'any string is a channel, and different strings are different channels',
    async (makeNode) => {
      const [a, b] = await openTwo(makeNode)
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
    async (makeNode) => {
      const [publisher, b] = [await makeNode(), await openNode(makeNode)]
      await b.broker.subscribe(['news'])
      await publisher.publish('news', 'hello')
      await until(() => b.texts('news').length > 0, 'the arrival')
    }
  ],
  [
    'a broker serves one node',
    async (makeNode) => {
      const a = await openNode(makeNode)
      throws(() => a.open(), { code: 'FST_BLAZE_WS_BROKER_IN_USE' })
    }
  ],
  [
    'check resolves while the engine is there',
    async (makeNode) => {
      const a = await openNode(makeNode)
      await a.broker.subscribe(['any'])
      await a.broker.check()
    }
  ],
  [
    'messages that were published before close are sent, and nothing arrives after close',
    async (makeNode) => {
      const [a, b] = await openTwo(makeNode)
      await b.broker.subscribe(['last'])
      await a.publish('last', 'first')
      const texts = Array.from({ length: 100 }, (_, i) => `${i}`)
      const published = texts.map((text) => a.publish('last', text))
      await a.close()
      await Promise.allSettled(published)
      await until(() => b.got.length >= 101, 'the arrival of the last')
      deepStrictEqual(b.texts('last'), ['first', ...texts])
      const c = await openNode(makeNode)
      await b.close()
      await c.publish('last', 'too late')
      await sleep(SILENCE)
      strictEqual(b.got.length, 101)
    }
  ]
]
