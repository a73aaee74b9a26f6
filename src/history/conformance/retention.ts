import { deepStrictEqual } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  append,
  type HistoryTest,
  idsOf,
  message,
  newRoom,
  numbers,
  offsetsOf,
  positionOf,
  read,
  texts
} from './history-test.ts'

/** How long things are kept in tests that wait until they are gone, in milliseconds. */
const SHORT_TTL = 1_000
/** Longer than that, and shorter than twice that. */
const PAST_TTL = 1_200

/** The tests of how much is kept, and for how long. */
export const RETENTION: readonly HistoryTest[] = [
  [
    'after an append, a room has at most `size` messages: the newest',
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      for (const last of [100, 200, 300]) {
        await append(store, room, texts(last - 99, last), { size: 150 })
        deepStrictEqual(await offsetsOf(store, room), numbers(Math.max(1, last - 149), last))
      }
      for (let i = 301; i <= 400; i++) await append(store, room, [`${i}`], { size: 150 })
      deepStrictEqual(await idsOf(store, room), texts(251, 400))
    }
  ],
  [
    'a call with more messages than the room may have numbers all of them',
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      const appended = await append(store, room, texts(1, 10), { size: 3 })
      deepStrictEqual(
        appended.map(({ offset }) => offset),
        numbers(1, 10)
      )
      deepStrictEqual(await idsOf(store, room), ['8', '9', '10'])
    }
  ],
  [
    'the size may change with each call',
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      await append(store, room, texts(1, 10))
      await append(store, room, ['11'], { size: 3 })
      deepStrictEqual(await offsetsOf(store, room), [9, 10, 11])
      await append(store, room, ['12'], { size: 100 })
      deepStrictEqual(await offsetsOf(store, room), [9, 10, 11, 12])
      await append(store, room, ['13'], { size: 1 })
      deepStrictEqual(await offsetsOf(store, room), [13])
    }
  ],
  [
    'a message whose id is no longer in the history is stored again',
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      await append(store, room, ['a', 'b', 'c'], { size: 2 })
      deepStrictEqual(
        (await append(store, room, ['b', 'a'], { size: 2 })).map(({ offset, isNew }) => [offset, isNew]),
        [
          [2, false],
          [4, true]
        ]
      )
      deepStrictEqual(await idsOf(store, room), ['c', 'a'])
    }
  ],
  [
    'clear drops the messages with their ids, and the position stays',
    async (makeStore) => {
      const [a, b, room] = [await makeStore(), await makeStore(), newRoom()]
      const [first] = await append(a, room, ['a', 'b', 'c'])
      await b.clear(room)
      const { position, messages } = await read(a, room)
      deepStrictEqual([position.epoch, position.offset, messages], [first?.epoch, 3, []])
      await a.clear(room)
      const [again] = await append(b, room, [message('b', 'again')], { known: { ...position } })
      deepStrictEqual(again, { epoch: first?.epoch, offset: 4, isNew: true })
      deepStrictEqual(await idsOf(a, room), ['b'])
    }
  ],
  [
    'messages that are too old are not read, and are dropped by the next append',
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      await append(store, room, ['a', 'b'])
      await sleep(PAST_TTL)
      const { epoch } = await positionOf(store, room)
      deepStrictEqual(await idsOf(store, room, { ttl: SHORT_TTL }), [])
      deepStrictEqual(await append(store, room, ['c'], { ttl: SHORT_TTL }), [{ epoch, offset: 3, isNew: true }])
      deepStrictEqual(await idsOf(store, room), ['c'])
      deepStrictEqual(await append(store, room, ['a']), [{ epoch, offset: 4, isNew: true }])
    }
  ],
  [
    'a position outlives the messages, for twice the `ttl` after the last call that names the room',
    async (makeStore) => {
      const store = await makeStore()
      const ttl = SHORT_TTL
      const rooms = [newRoom(), newRoom(), newRoom()] as const
      const appended = await Promise.all(rooms.map((room) => append(store, room, ['a', 'b'], { ttl })))
      await sleep(PAST_TTL)
      const [asked, written, cleared] = rooms
      await Promise.all([
        positionOf(store, asked, undefined, ttl),
        append(store, written, ['c'], { ttl }),
        store.clear(cleared).then(() => read(store, cleared, { ttl }))
      ])
      await sleep(PAST_TTL)
      const positions = await Promise.all(rooms.map((room) => positionOf(store, room, undefined, ttl)))
      deepStrictEqual(
        positions,
        appended.map(([one], i) => ({ epoch: one?.epoch, offset: rooms[i] === written ? 3 : 2 }))
      )
      deepStrictEqual(await idsOf(store, written, { ttl }), [])
    }
  ]
]
