import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { WebSocketConnection } from '../../src/index.ts'
import { Deduplicator } from '../../src/hub/deduplicator.ts'
import { eventually } from '../support/server.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

test('does not keep the recipients of a message alive', async () => {
  const deduplicator = new Deduplicator()
  let members: WebSocketConnection[] = Array.from({ length: 100 }, () => ({}) as WebSocketConnection)
  const references = members.map((ws) => new WeakRef(ws))
  expect(deduplicator.addRecipients('a:1', members)).toHaveLength(100)
  expect(deduplicator.addRecipients('a:1', members)).toEqual([])
  members = []
  await eventually(() => {
    gc()
    return references.every((reference) => reference.deref() === undefined)
  }, 'the recipients to be garbage collected')
  expect(deduplicator.addRecipients('a:2', [])).toEqual([])
})

test('copies of two messages to very many clients may arrive alternately', () => {
  const deduplicator = new Deduplicator()
  const many = Array.from({ length: 40_000 }, () => ({}) as WebSocketConnection)
  const one = {} as WebSocketConnection
  const added = [many, [one]].flatMap((members) =>
    ['a:1', 'b:1'].map((message) => deduplicator.addRecipients(message, members).length)
  )
  expect(added).toEqual([40_000, 40_000, 1, 1])
})
