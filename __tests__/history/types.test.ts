import { expectTypeOf } from 'expect-type'
import { z } from 'zod'
import { defineContract } from '../../src/contract.ts'
import {
  BinaryMessage,
  type HistoryEntries,
  type HistoryOptions,
  memoryHistory,
  type Position,
  type Published,
  type Publisher,
  type WebSocketHub
} from '../../src/index.ts'

const chat = defineContract({
  name: 'chat',
  fromServer: { said: z.object({ text: z.string() }), left: null }
})

// Nothing here is run: TypeScript checks it.
function check(hub: WebSocketHub, publisher: Publisher): void {
  for (const target of [hub.to('room'), publisher.to('room')]) {
    expectTypeOf(target.publish('text')).toEqualTypeOf<Promise<Published>>()
    void target.publish(new Uint8Array(1), { type: BinaryMessage, id: 'one' })
    void target.publish(chat, 'said', { text: 'x' }, { id: 'one' })
    void target.publish(chat, 'left')
    // @ts-expect-error there is no such event
    void target.publish(chat, 'sayd', { text: 'x' })
    // @ts-expect-error the data does not fit
    void target.publish(chat, 'said', { txt: 'x' })
    // @ts-expect-error a stream is the same for all members
    void target.publish('text', { except: 'id' })
  }
  void hub.publish('text', { to: 'room' })
  void hub.publish(chat, 'said', { text: 'x' }, { to: 'room' })
  // @ts-expect-error a message belongs to a room
  void hub.publish('text')
  expectTypeOf(hub.history.read('room', { last: 1 })).toEqualTypeOf<Promise<HistoryEntries>>()
  expectTypeOf(hub.history.position('room')).toEqualTypeOf<Promise<Position>>()
  expectTypeOf({ store: memoryHistory(), rooms: { 'a:*': { size: 1 } } }).toExtend<HistoryOptions>()
}

test('the types of publishing compile', () => {
  expect(check).toBeInstanceOf(Function)
})
