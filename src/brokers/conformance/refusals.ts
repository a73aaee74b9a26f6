import { deepStrictEqual, rejects, strictEqual } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BrokerTest, openTwo } from './broker-test.ts'
import { checked, until } from './test-node.ts'

/** The test of an engine that refuses messages. */
export function refusedMessages(refuse: () => Promise<() => Promise<void>>): BrokerTest {
  return [
    'publish rejects if the engine refuses the message',
    async (makeNode) => {
      const [a, b] = await openTwo(makeNode)
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

/** The tests of an engine that refuses and ends subscriptions. */
export function refusedSubscriptions(refuse: () => Promise<() => Promise<void>>): BrokerTest[] {
  return [
    [
      'subscribe rejects if the engine refuses the subscription',
      async (makeNode) => {
        const [a, b] = await openTwo(makeNode)
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
      'a subscription that the engine ends is reported, and check does not resolve before it is restored',
      async (makeNode) => {
        const [a, b] = await openTwo(makeNode)
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
