import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
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

/** The tests of how messages are numbered and stored. */
export const NUMBERS: readonly HistoryTest[] = [
  [
    'messages are numbered from 1 without holes, in one call or in many',
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      const appended = [
        ...(await append(store, room, ['a', 'b', 'c'])),
        ...(await append(store, room, ['d'])),
        ...(await append(store, room, ['e', 'f']))
      ]
      const { epoch } = await positionOf(store, room)
      deepStrictEqual(
        appended,
        numbers(1, 6).map((offset) => ({ epoch, offset, isNew: true }))
      )
      deepStrictEqual(await idsOf(store, room), ['a', 'b', 'c', 'd', 'e', 'f'])
      deepStrictEqual(await offsetsOf(store, room), numbers(1, 6))
      deepStrictEqual(await positionOf(store, room), { epoch, offset: 6 })
    }
  ],
  [
    'a message that was appended by one store is there for another',
    async (makeStore) => {
      const [a, b, room] = [await makeStore(), await makeStore(), newRoom()]
      const [first] = await append(a, room, ['a'])
      const [second] = await append(b, room, ['b'])
      deepStrictEqual([first?.offset, second?.offset, second?.epoch], [1, 2, first?.epoch])
      for (const store of [a, b]) deepStrictEqual(await idsOf(store, room), ['a', 'b'])
    }
  ],
  [
    'calls for one room take effect in the order in which they are made, without waiting for each other',
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      const calls = [
        append(store, room, [message('a', 'x'.repeat(500_000))]),
        append(store, room, ['b']),
        positionOf(store, room),
        idsOf(store, room),
        store.clear(room),
        append(store, room, ['c']),
        idsOf(store, room),
        positionOf(store, room)
      ] as const
      const [a, b, position, before, , c, after, last] = await Promise.all(calls)
      deepStrictEqual([a[0]?.offset, b[0]?.offset, position.offset, before], [1, 2, 2, ['a', 'b']])
      deepStrictEqual([c[0]?.offset, after, last.offset], [3, ['c'], 3])
    }
  ],
  [
    'many appends that do not wait for each other are numbered in their order',
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      const ids = texts(1, 1_000)
      const appended = await Promise.all(
        ids.map((id, i) => append(store, room, [message(id, ' '.repeat(i % 7 === 0 ? 4_096 : 1))]))
      )
      deepStrictEqual(
        appended.map(([one]) => one?.offset),
        numbers(1, 1_000)
      )
      deepStrictEqual(await idsOf(store, room), ids)
    }
  ],
  [
    'two stores that append at the same time leave no hole, and keep the order of each',
    async (makeStore) => {
      const [a, b, room] = [await makeStore(), await makeStore(), newRoom()]
      const ids = texts(1, 200)
      const appended = await Promise.all(
        ids.flatMap((id) => [append(a, room, [`a${id}`]), append(b, room, [`b${id}`, `B${id}`])])
      )
      deepStrictEqual(
        appended
          .flat()
          .map(({ offset }) => offset)
          .toSorted((x, y) => x - y),
        numbers(1, 600)
      )
      strictEqual(new Set(appended.flat().map(({ epoch }) => epoch)).size, 1)
      const stored = await idsOf(a, room)
      const from = (letter: string): string[] => stored.filter((id) => id.startsWith(letter))
      for (const letter of ['a', 'b', 'B'])
        deepStrictEqual(
          from(letter),
          ids.map((id) => letter + id)
        )
      ok(
        ids.every((id) => stored.indexOf(`B${id}`) === stored.indexOf(`b${id}`) + 1),
        'the messages of one call are stored in one step'
      )
    }
  ],
  [
    'a message is not stored again while its id is in the history, and its position is told',
    async (makeStore) => {
      const [a, b, room] = [await makeStore(), await makeStore(), newRoom()]
      const { epoch } = await positionOf(a, room)
      await append(a, room, [message('a', 'first'), 'b'])
      const again = [message('b'), message('c'), message('a', 'second'), message('c', 'third')]
      const expected = [
        { epoch, offset: 2, isNew: false },
        { epoch, offset: 3, isNew: true },
        { epoch, offset: 1, isNew: false },
        { epoch, offset: 3, isNew: false }
      ]
      deepStrictEqual(await append(b, room, again), expected)
      deepStrictEqual(await append(a, room, ['a']), [{ epoch, offset: 1, isNew: false }])
      const { messages, position } = await read(a, room)
      deepStrictEqual(
        messages.map(({ body }) => Buffer.from(body).toString()),
        ['first', 'body of b', 'body of c']
      )
      strictEqual(position.offset, 3)
    }
  ],
  [
    'of messages with one id that are appended at the same time, one is stored',
    async (makeStore) => {
      const [a, b, room] = [await makeStore(), await makeStore(), newRoom()]
      const ids = texts(1, 100)
      const [ofA, ofB] = await Promise.all(
        [a, b].map((store) => Promise.all(ids.map((id) => append(store, room, [id]))))
      )
      for (const [i] of ids.entries()) {
        const [[one], [other]] = [ofA?.[i] ?? [], ofB?.[i] ?? []]
        strictEqual(one?.offset, other?.offset)
        strictEqual(one?.isNew, !(other?.isNew ?? true))
      }
      deepStrictEqual(await offsetsOf(a, room), numbers(1, 100))
    }
  ],
  [
    'an id may have 128 characters of any kind, and belongs to its room',
    async (makeStore) => {
      const [store, room, other] = [await makeStore(), newRoom(), newRoom()]
      const ids = [
        'x'.repeat(128),
        '🚀'.repeat(64),
        ' ',
        'a b',
        'é',
        '0',
        '-1',
        '__proto__',
        'constructor',
        '*',
        '{a}:b'
      ]
      for (const one of [room, other])
        deepStrictEqual(
          (await append(store, one, ids)).map(({ offset, isNew }) => [offset, isNew]),
          ids.map((_, i) => [i + 1, true])
        )
      deepStrictEqual(
        (await append(store, room, ids)).map(({ offset, isNew }) => [offset, isNew]),
        ids.map((_, i) => [i + 1, false])
      )
      deepStrictEqual(await idsOf(store, room), ids)
    }
  ]
]
