import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Position } from '../../rpc/position.ts'
import type { Appended, HistoryStore } from '../store.ts'
import {
  append,
  eventually,
  type HistoryTest,
  idsOf,
  message,
  messagesOf,
  newRoom,
  positionOf,
  read,
  settled,
  texts
} from './history-test.ts'

/** How long a call must at least not be fulfilled while the engine is away, in milliseconds. */
const AWAY = 500

/** The test of an engine that starts again and has lost nothing. */
export function restarts(restart: () => Promise<void>): HistoryTest {
  return [
    'after a restart of the engine, everything is there and the numbers go on',
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      await append(store, room, ['a', 'b', 'c'])
      const known = await positionOf(store, room)
      await restart()
      deepStrictEqual(await eventually(() => positionOf(store, room, known)), known)
      deepStrictEqual(await idsOf(store, room), ['a', 'b', 'c'])
      const appended = await append(store, room, ['b', 'd'], { known })
      deepStrictEqual(
        appended.map(({ epoch, offset, isNew }) => [epoch, offset, isNew]),
        [
          [known.epoch, 2, false],
          [known.epoch, 4, true]
        ]
      )
    }
  ]
}

/** The tests of an engine that loses what was stored. */
export function losses(lose: () => Promise<void>): HistoryTest[] {
  const lost = async (store: HistoryStore, room: string): Promise<Position> => {
    await append(store, room, texts(1, 3))
    await append(store, room, texts(4, 5))
    const known = await positionOf(store, room)
    await lose()
    return known
  }
  return [
    [
      'after a loss, numbers that a caller knows are not given to others: append begins an epoch',
      async (makeStore) => {
        const [store, room] = [await makeStore(), newRoom()]
        const known = await lost(store, room)
        const [appended] = await eventually(() => append(store, room, ['new'], { known }))
        strictEqual(appended?.offset, 1)
        ok((appended?.epoch ?? '') > known.epoch, 'the epoch must sort after the one that was lost')
        deepStrictEqual(await idsOf(store, room), ['new'])
        // Another caller that still knows the lost epoch.
        const [next] = await append(await makeStore(), room, ['next'], { known })
        deepStrictEqual([next?.epoch, next?.offset], [appended?.epoch, 2])
      }
    ],
    [
      'after a loss, numbers that a caller knows are not given to others: positions begins an epoch',
      async (makeStore) => {
        const [store, room] = [await makeStore(), newRoom()]
        const known = await lost(store, room)
        const begun = await eventually(() => positionOf(store, room, known))
        strictEqual(begun.offset, 0)
        ok(begun.epoch > known.epoch, 'the epoch must sort after the one that was lost')
        deepStrictEqual(await idsOf(store, room), [])
        deepStrictEqual(await positionOf(await makeStore(), room, known), begun)
      }
    ]
  ]
}

/** Makes each call once. None may throw. */
function callAll(store: HistoryStore, room: string): Promise<unknown>[] {
  const calls: (() => Promise<unknown>)[] = [
    () => store.append(room, [message('meanwhile')], { known: undefined, size: 10, ttl: 60_000 }),
    () => store.read(room, { after: 0, limit: 1, maxBytes: 1, ttl: 60_000 }),
    () => store.positions([{ room, known: undefined, ttl: 60_000 }]),
    () => store.clear(newRoom())
  ]
  return calls.map((call) => {
    const answer = call()
    // If a later call throws, nobody waits for this one.
    answer.catch(() => {})
    return answer
  })
}

/** Checks that what was promised is still true, unless the engine has lost it and has begun an epoch. */
async function checkPromised(
  store: HistoryStore,
  room: string,
  promised: readonly [string, Appended][]
): Promise<void> {
  const { epoch } = await positionOf(store, room)
  const stored = new Map((await messagesOf(store, room)).map(({ id, offset }) => [offset, id]))
  for (const [id, position] of promised)
    if (position.epoch === epoch) strictEqual(stored.get(position.offset), id, `number ${position.offset}`)
  deepStrictEqual(
    [...stored.keys()],
    Array.from({ length: stored.size }, (_, i) => i + 1)
  )
}

function highest(promised: readonly [string, Appended][]): Position | undefined {
  return promised.map(([, { epoch, offset }]) => ({ epoch, offset })).at(-1)
}

/** The tests of an engine that stops and starts again. */
export function interruptions(interrupt: () => Promise<() => Promise<void>>): HistoryTest[] {
  return [
    [
      'nothing is fulfilled while the engine is away, every call settles, and no method throws',
      async (makeStore) => {
        const [store, room] = [await makeStore(), newRoom()]
        await append(store, room, ['before'])
        const restore = await interrupt()
        let calls: Promise<unknown>[] = []
        try {
          calls = callAll(store, room)
          const fulfilled = Promise.any(calls).then(
            () => 'fulfilled',
            () => 'rejected'
          )
          const outcome = await Promise.race([fulfilled, sleep(AWAY, 'waiting')])
          ok(outcome !== 'fulfilled', 'a call must not be fulfilled')
        } finally {
          await restore()
        }
        await settled(calls, 'the answers')
        const [again] = await eventually(() => append(store, room, ['meanwhile']))
        const { position, messages } = await read(store, room)
        strictEqual(again?.epoch, position.epoch)
        strictEqual(messages.filter(({ id }) => id === 'meanwhile').length, 1)
      }
    ],
    [
      'calls that are under way when the engine stops are settled, and what was promised is true',
      async (makeStore) => {
        const [store, room] = [await makeStore(), newRoom()]
        await append(store, room, ['before'])
        const ids = texts(1, 1_000)
        const underWay = ids.map((id) => append(store, room, [id]))
        const interrupted = interrupt()
        let results: PromiseSettledResult<Appended[]>[] = []
        try {
          results = await settled(underWay, 'the answers')
        } finally {
          await (
            await interrupted
          )()
        }
        const promised = results.flatMap((result, i): [string, Appended][] =>
          result.status === 'fulfilled' ? [[ids[i] as string, result.value[0] as Appended]] : []
        )
        await eventually(() => append(store, room, ['after'], { known: highest(promised) }))
        await checkPromised(store, room, promised)
      }
    ],
    [
      'open does not wait for the engine, and close does not reject without it',
      async (makeStore) => {
        const store = await makeStore()
        await positionOf(store, newRoom())
        const restore = await interrupt()
        try {
          strictEqual(store.open?.(), undefined)
          const closed = store.close?.() ?? Promise.resolve()
          for (const { status } of await settled([closed], 'the end')) strictEqual(status, 'fulfilled')
        } finally {
          await restore()
        }
        await eventually(() => positionOf(store, newRoom()))
      }
    ]
  ]
}
