import { AssertionError, deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import type { HistoryStore } from '../store.ts'
import type { Position } from '../../rpc/position.ts'
import { append, type HistoryTest, idsOf, newRoom, offsetsOf, positionOf, renew, texts } from './history-test.ts'

function sortsAfter(later: string, earlier: string): void {
  ok(later > earlier, `the epoch ${later} must sort after ${earlier}`)
}

/** An epoch of the same engine that sorts after this one. */
async function epochAfter(store: HistoryStore, epoch: string): Promise<string> {
  const room = newRoom()
  for (let i = 0; i < 1_000; i++) {
    const later = await renew(store, room)
    if (later.epoch > epoch) return later.epoch
  }
  throw new AssertionError({ message: 'a store that is behind its caller must begin a later epoch' })
}

/** Calls that know the position of a room, and tell where it is afterwards. */
const KNOWING: readonly [string, (store: HistoryStore, room: string, known: Position) => Promise<Position>][] = [
  ['positions', positionOf],
  [
    'append',
    async (store, room, known) => {
      const [appended] = await append(store, room, ['new'], { known })
      const { epoch, offset } = appended as Position
      // Where the room was before the message was appended.
      return { epoch, offset: offset - 1 }
    }
  ]
]

/** The tests of when an epoch begins, as told by one of the calls above. */
const BEGINNINGS = KNOWING.flatMap(([name, call]): HistoryTest[] => [
  [
    `${name}: what the caller knows changes nothing if the store has it`,
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      await append(store, room, texts(1, 5))
      const earlier = await positionOf(store, room)
      const { epoch } = await renew(store, room)
      await append(store, room, ['a', 'b'])
      const known = [
        { epoch, offset: 0 },
        { epoch, offset: 1 },
        { epoch: earlier.epoch, offset: 5 },
        { epoch: earlier.epoch, offset: 1_000 }
      ]
      for (const one of known) {
        strictEqual((await call(store, room, one)).epoch, epoch)
        deepStrictEqual((await idsOf(store, room)).slice(0, 2), ['a', 'b'])
      }
      const here = await positionOf(store, room)
      deepStrictEqual(await call(store, room, here), name === 'append' ? { epoch, offset: 2 } : here)
    }
  ],
  [
    `${name}: an epoch begins if the caller knows a higher offset`,
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      await append(store, room, ['a', 'new'])
      const known = { ...(await positionOf(store, room)), offset: 3 }
      const begun = await call(store, room, known)
      sortsAfter(begun.epoch, known.epoch)
      strictEqual(begun.offset, 0)
      deepStrictEqual(await idsOf(store, room), name === 'append' ? ['new'] : [])
    }
  ],
  [
    `${name}: an epoch begins if the caller knows a later one`,
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      await append(store, room, ['a', 'b', 'new'])
      const later = await epochAfter(store, (await positionOf(store, room)).epoch)
      const begun = await call(store, room, { epoch: later, offset: 1 })
      sortsAfter(begun.epoch, later)
      strictEqual(begun.offset, 0)
      deepStrictEqual(await idsOf(store, room), name === 'append' ? ['new'] : [])
    }
  ],
  [
    `${name}: an epoch begins if the store does not know the room, and sorts after what the caller knows`,
    async (makeStore) => {
      const [store, room] = [await makeStore(), newRoom()]
      const known = await epochAfter(store, '')
      const begun = await call(store, room, { epoch: known, offset: 7 })
      sortsAfter(begun.epoch, known)
      strictEqual(begun.offset, 0)
    }
  ]
])

/** The tests of epochs. */
export const EPOCHS: readonly HistoryTest[] = [
  ...BEGINNINGS,
  [
    'each epoch of a room has 1 to 64 characters, and sorts after those before it',
    async (makeStore) => {
      const [a, b, room] = [await makeStore(), await makeStore(), newRoom()]
      let { epoch } = await positionOf(a, room)
      for (let i = 0; i < 40; i++) {
        const begun = await renew(i % 3 === 0 ? b : a, room)
        sortsAfter(begun.epoch, epoch)
        epoch = begun.epoch
        ok(epoch.length >= 1 && epoch.length <= 64, `${epoch} must have 1 to 64 characters`)
      }
    }
  ],
  [
    'if several callers know what the store does not have, one epoch begins',
    async (makeStore) => {
      const [a, b, room] = [await makeStore(), await makeStore(), newRoom()]
      await append(a, room, ['a'])
      const known = { ...(await positionOf(a, room)), offset: 4 }
      const appended = await Promise.all([a, b, a, b].map((store, i) => append(store, room, [`${i}`], { known })))
      const epochs = new Set(appended.map(([one]) => one?.epoch))
      strictEqual(epochs.size, 1)
      ok(!epochs.has(known.epoch), 'the epoch must be new')
      deepStrictEqual(await offsetsOf(b, room), [1, 2, 3, 4])
    }
  ],
  [
    'an epoch that begins in one room changes no other',
    async (makeStore) => {
      const [store, room, other] = [await makeStore(), newRoom(), newRoom()]
      await append(store, room, ['a'])
      await append(store, other, ['a'])
      const [before, kept] = [await positionOf(store, room), await positionOf(store, other)]
      const ahead = { ...before, offset: 2 }
      const [begun, untouched] = await store.positions([
        { room, known: ahead, ttl: 60_000 },
        { room: other, known: kept, ttl: 60_000 }
      ])
      sortsAfter((begun as Position).epoch, before.epoch)
      strictEqual(untouched?.epoch, kept.epoch)
      deepStrictEqual(await idsOf(store, other), ['a'])
    }
  ]
]
