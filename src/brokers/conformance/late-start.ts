import { rejects } from 'node:assert/strict'
import { type BrokerTest, type BrokerUnderTest, openNode } from './broker-test.ts'
import { checked, until } from './test-node.ts'

/** The test of an engine that starts after the broker was made. */
export function lateStart(createLate: NonNullable<BrokerUnderTest['createLate']>): BrokerTest {
  return [
    'a broker that was made before its engine started works once the engine is there',
    async (makeNode) => {
      const { broker, start } = await createLate()
      const late = makeNode(broker).then((one) => one.open())
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
      const a = await openNode(makeNode)
      await checked(a)
      await a.publish('room', 'hello')
      await until(() => b.texts('room').length > 0, 'the arrival')
      await b.publish('elsewhere', 'hello')
    }
  ]
}
