import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import {
  append,
  type HistoryTest,
  idsOf,
  message,
  messagesOf,
  newRoom,
  numbers,
  offsetsOf,
  plain,
  positionOf,
  read,
  texts
} from './history-test.ts'

/** The longest difference between the clock of the engine and that of this process, in milliseconds. */
const CLOCK_ERROR = 3_600_000

const STRANGE_NAMES = [
  'a',
  'A',
  ' a ',
  'a:b',
  '{a}b',
  '{}',
  '}{',
  '[a]*?',
  'a.>',
  'a\r\nb',
  'a\0',
  'ä€🚀',
  '__proto__',
  'constructor',
  'x'.repeat(299),
  'x'.repeat(300)
]

/** The tests of what is read. */
export const READS: readonly HistoryTest[] = [
  [
    'bodies are returned as they were appended, and so is the time',
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      const bodies = [
        Buffer.alloc(0),
        Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
        Buffer.from('line\r\nline\n\0é🚀'),
        Buffer.alloc(1024 * 1024, Buffer.from([0, 255, 128, 10]))
      ]
      const messages = bodies.map((body, i) => message(`${i}`, body))
      await append(store, room, messages)
      for (const { body } of messages) body.fill(1)
      const stored = await messagesOf(store, room)
      deepStrictEqual(
        stored.map(({ body }) => Buffer.from(body)),
        bodies
      )
      for (const { time } of stored) ok(Math.abs(time - Date.now()) < CLOCK_ERROR, `${time} is not the time`)
    }
  ],
  [
    'any string of up to 300 characters is a room, and different strings are different rooms',
    async (makeStore) => {
      const store = await makeStore()
      // Such a name cannot be made unique, so the room may have a history.
      const ids = STRANGE_NAMES.map(() => randomUUID())
      const before = await store.positions(STRANGE_NAMES.map((room) => ({ room, known: undefined, ttl: 60_000 })))
      await Promise.all(STRANGE_NAMES.map((room) => store.clear(room)))
      for (const [i, room] of STRANGE_NAMES.entries()) {
        const [appended] = await append(store, room, [ids[i] as string])
        deepStrictEqual([appended?.epoch, appended?.offset], [before[i]?.epoch, (before[i]?.offset ?? 0) + 1])
      }
      for (const [i, room] of STRANGE_NAMES.entries()) deepStrictEqual(await idsOf(store, room), [ids[i]])
    }
  ],
  [
    'the messages after an offset are read, at most as many as asked for',
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      await append(store, room, texts(1, 20))
      deepStrictEqual(await offsetsOf(store, room, { after: 15 }), numbers(16, 20))
      deepStrictEqual(await offsetsOf(store, room, { after: 5, limit: 3 }), [6, 7, 8])
      deepStrictEqual(await offsetsOf(store, room, { after: 19, limit: 1 }), [20])
      deepStrictEqual(await offsetsOf(store, room, { limit: 20 }), numbers(1, 20))
    }
  ],
  [
    'after the last message there is nothing, and the position is told all the same',
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      const [, last] = await append(store, room, ['a', 'b'])
      for (const after of [2, 3, 1_000_000_000]) {
        const { position, messages } = await read(store, room, { after })
        deepStrictEqual([plain(position), messages], [{ epoch: last?.epoch, offset: 2 }, []])
      }
    }
  ],
  [
    'no further message is read once there are enough bytes, but at least one',
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      const body = Buffer.alloc(1_000)
      await append(
        store,
        room,
        texts(1, 30).map((id) => message(id, body))
      )
      for (const maxBytes of [1, 999, 1_000, 2_500, 10_000]) {
        const offsets: number[] = []
        while (offsets.length < 30) {
          const part = await offsetsOf(store, room, { after: offsets.length, maxBytes })
          ok(part.length > 0, 'at least one message must be read')
          ok(
            (part.length - 1) * 1_000 < maxBytes,
            `${part.length} messages of 1000 bytes are more than ${maxBytes} bytes`
          )
          offsets.push(...part)
        }
        deepStrictEqual(offsets, numbers(1, 30))
      }
    }
  ],
  [
    'if the oldest messages of a range are gone, those that are left are read',
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      await append(store, room, texts(1, 10), { size: 4 })
      deepStrictEqual(await offsetsOf(store, room, { after: 2 }), [7, 8, 9, 10])
      deepStrictEqual(await offsetsOf(store, room, { after: 2, limit: 2 }), [7, 8])
      deepStrictEqual(await offsetsOf(store, room, { after: 2, maxBytes: 1 }), [7])
      deepStrictEqual(await offsetsOf(store, room, { after: 8 }), [9, 10])
    }
  ],
  [
    'a room that nobody knows has an epoch once it is read, and no messages',
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      await store.clear(room)
      const { position, messages } = await read(store, room)
      deepStrictEqual([position.offset, messages], [0, []])
      deepStrictEqual(await positionOf(store, room), plain(position))
      deepStrictEqual(await append(store, room, ['a']), [{ epoch: position.epoch, offset: 1, isNew: true }])
    }
  ],
  [
    'the positions of many rooms are told in the order of the list',
    async (makeStore) => {
      const store = await makeStore()
      const rooms = Array.from({ length: 1_000 }, newRoom)
      await Promise.all(rooms.slice(0, 500).map((room, i) => append(store, room, texts(0, i % 5))))
      const asked = rooms.toReversed().map((room) => ({ room, known: undefined, ttl: 60_000 }))
      const positions = await store.positions(asked)
      deepStrictEqual(
        positions.map(({ offset }) => offset),
        rooms.map((_, i) => (i < 500 ? (i % 5) + 1 : 0)).toReversed()
      )
      deepStrictEqual((await store.positions(asked)).map(plain), positions.map(plain))
      strictEqual((await store.positions([])).length, 0)
    }
  ]
]
