import { deepStrictEqual, ok } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { SILENCE } from '../../brokers/conformance/broker-test.ts'
import { TestNode, until } from '../../brokers/conformance/test-node.ts'
import { append, type HistoryTest, type HistoryUnderTest, message, newRoom } from './history-test.ts'

/** The test of a store that publishes what it appends over a broker. */
export function publications(createBroker: NonNullable<HistoryUnderTest['createBroker']>): HistoryTest {
  return [
    'each message that is appended is published, new or not, with its position',
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      const nodes = [new TestNode(await createBroker()), new TestNode(await createBroker())] as const
      const [publisher, listener] = nodes
      try {
        for (const node of nodes) node.open()
        await listener.broker.subscribe([room])
        const over = store.publishesOver?.(publisher.broker)
        ok(over !== undefined, 'the store must publish over this broker')
        const head = Buffer.from([1, 0, 255, 10])
        const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
        await append(store, room, ['silent'])
        await append(store, room, [message('bytes', bytes), 'silent'], { publish: { over, head } })
        const [{ epoch } = { epoch: '' }] = await append(store, room, [message('empty', '')], {
          publish: { over, head }
        })
        const published = (line: string, body: Uint8Array): Buffer =>
          Buffer.concat([head, Buffer.from(`${epoch} ${line}\n`), body])
        await until(() => listener.got.length >= 3, 'the arrival of all messages')
        await sleep(SILENCE)
        deepStrictEqual(listener.got, [
          { channel: room, message: published('2 bytes', bytes) },
          { channel: room, message: published('1 silent', Buffer.from('body of silent')) },
          { channel: room, message: published('3 empty', Buffer.alloc(0)) }
        ])
      } finally {
        await Promise.all(nodes.map((node) => node.close()))
      }
    }
  ]
}
