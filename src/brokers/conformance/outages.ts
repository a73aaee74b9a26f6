import { deepStrictEqual, rejects } from 'node:assert/strict'
import { type BrokerTest, openTwo } from './broker-test.ts'
import { checked, until } from './test-node.ts'

/** The tests of an engine that stops and starts again. */
export function outages(interrupt: () => Promise<() => Promise<void>>): BrokerTest[] {
  return [
    [
      'an outage is reported, messages are not kept for later, and subscriptions are restored',
      async (makeNode) => {
        const [a, b] = await openTwo(makeNode)
        await b.broker.subscribe(['room'])
        await a.publish('room', 'before')
        // publish resolves once the engine has the message, which may be before the engine delivers it.
        await until(() => b.texts('room').includes('before'), 'the arrival before the outage')
        const restore = await interrupt()
        try {
          await until(() => b.lostWith.length > 0, 'the report of the outage')
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
      'calls that are under way when the engine stops are settled',
      async (makeNode) => {
        const [a, b] = await openTwo(makeNode)
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

/** The test of an engine that drops the connections of subscriptions. */
export function lostSubscribers(lose: () => Promise<void>): BrokerTest {
  return [
    'a lost connection of subscriptions is reported, and subscriptions are restored before check resolves',
    async (makeNode) => {
      const [a, b] = await openTwo(makeNode)
      const channels = Array.from({ length: 50 }, (_, i) => `room ${i}`)
      await b.broker.subscribe(channels)
      for (let round = 1; round <= 3; round++) {
        const reports = b.lostWith.length
        await lose()
        await until(() => b.lostWith.length > reports, 'the report of the lost connection')
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
