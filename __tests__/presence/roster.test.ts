import fc from 'fast-check'
import { LogicalClock } from '../../src/presence/logical-clock.ts'
import { BUCKETS, Digest, Digests, hashOfRoom, sumsOf } from '../../src/presence/sync/digest.ts'
import { PresenceRoom } from '../../src/presence/room.ts'
import type { PresenceEntry } from '../../src/cluster/wire/protocol.ts'
import { type Change, Roster } from '../../src/presence/roster.ts'

const NODES = ['a', 'b', 'c']
const entry: fc.Arbitrary<PresenceEntry> = fc.record({
  id: fc.constantFrom('1', '2', '3', '4'),
  key: fc.constantFrom('Ann', 'Bob'),
  info: fc.oneof(
    fc.constantFrom(1, 2),
    fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown)
  ),
  since: fc.nat(5)
})
const step = fc.oneof(
  fc.record({ do: fc.constant('set' as const), node: fc.constantFrom(...NODES), entry }),
  fc.record({
    do: fc.constant('delete' as const),
    node: fc.constantFrom(...NODES),
    id: fc.constantFrom('1', '2', '3', '4')
  }),
  fc.record({
    do: fc.constant('replace' as const),
    node: fc.constantFrom(...NODES),
    entries: fc.uniqueArray(entry, { selector: ({ id }) => id })
  })
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** Applies a step; prefixes ids with the node, because connection ids are unique in a cluster. */
function apply(roster: Roster, one: Step): Change[] {
  const own = (entry: PresenceEntry): PresenceEntry => ({ ...entry, id: one.node + entry.id })
  if (one.do === 'set') return roster.set(one.node, own(one.entry))
  return one.do === 'delete'
    ? roster.delete(one.node, one.node + one.id)
    : roster.replace(one.node, one.entries.map(own))
}

/** All entries of one node. */
function entriesOf(roster: Roster, node: string): PresenceEntry[] {
  return roster.idsOf(node).map((id) => roster.entryOf(node, id) as PresenceEntry)
}

/** The contents of a roster, in a fixed order. */
function shown(roster: Roster): unknown[] {
  return roster
    .list()
    .map(({ key, info, connections }) => ({ key, info, connections: connections.toSorted() }))
    .toSorted((x, y) => (x.key < y.key ? -1 : 1))
}

test('the hash of a node depends only on its entries, not on their history, and the reported changes add up to it', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const counted = new Map(NODES.map((node) => [node, 0]))
      const roster = new Roster(hashOfRoom('tea'), (node, by) =>
        counted.set(node, ((counted.get(node) as number) + by) | 0)
      )
      for (const one of steps) apply(roster, one)
      for (const node of NODES) {
        const fresh = new Roster(hashOfRoom('tea'))
        for (const one of entriesOf(roster, node).toReversed()) fresh.set(node, structuredClone(one))
        expect(fresh.hashOf(node)).toBe(roster.hashOf(node))
        expect(counted.get(node)).toBe(roster.hashOf(node))
        expect(roster.hasAny(node) ? 0 : roster.hashOf(node)).toBe(0)
      }
    })
  )
})

test('rosters with equal hashes have equal contents, and a missed change shows in the hash', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(step, fc.boolean()), { maxLength: 40 }), (steps) => {
      const [all, some] = [new Roster(), new Roster()]
      for (const [one, isLost] of steps) {
        apply(all, one)
        if (!isLost) apply(some, one)
      }
      for (const node of NODES) {
        const isEqual = JSON.stringify(sortedEntries(all, node)) === JSON.stringify(sortedEntries(some, node))
        expect(some.hashOf(node) === all.hashOf(node)).toBe(isEqual)
        // As anti-entropy does, replace the entries that differ.
        if (!isEqual) some.replace(node, entriesOf(all, node))
      }
      expect(shown(some)).toEqual(shown(all))
    })
  )
})

function sortedEntries(roster: Roster, node: string): PresenceEntry[] {
  return entriesOf(roster, node).toSorted((x, y) => (x.id < y.id ? -1 : 1))
}

test('the reported changes add up to the contents of the roster', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const roster = new Roster()
      const heard = new Map<string, unknown>()
      for (const one of steps) {
        for (const { event, present } of apply(roster, one)) {
          expect(heard.has(present.key)).toBe(event !== 'join')
          if (event === 'leave') heard.delete(present.key)
          else heard.set(present.key, present.info)
        }
        expect(new Map(roster.list().map(({ key, info }) => [key, info]))).toEqual(heard)
      }
    })
  )
})

test('the hash of an entry depends on its room, id, key, info and time', () => {
  const one = { id: '1', key: 'Ann', info: { a: 1 }, since: 1 }
  const hashes = [
    [hashOfRoom('tea'), one],
    [hashOfRoom('milk'), one],
    ...[{ id: '2' }, { key: 'Bob' }, { info: { a: 2 } }, { since: 2 }].map(
      (change) => [hashOfRoom('tea'), { ...one, ...change }] as const
    )
  ].map(([room, each]) => {
    const roster = new Roster(room as number)
    roster.set('a', each as PresenceEntry)
    return roster.hashOf('a')
  })
  expect(new Set(hashes).size).toBe(hashes.length)
})

test('sumsOf reads a digest back as it was written, and rejects an invalid one', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(BUCKETS - 1), fc.integer()), { maxLength: 20 }), (sums) => {
      const digest = new Digest()
      for (const [bucket, by] of sums) digest.add(bucket, by)
      expect(sumsOf(digest.toString())).toEqual(digest.sums)
    })
  )
  expect(new Digest().toString()).toBe('')
  for (const text of [undefined, 'AAAA', 'x'.repeat(5_000)]) expect(sumsOf(text)).toBeUndefined()
})

describe('the clock', () => {
  afterEach(() => jest.restoreAllMocks())

  test('gives times later than all it has given or heard, however far apart the clocks of the machines are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(2), fc.nat(2)), { maxLength: 40 }),
        fc.array(fc.integer({ min: -1e9, max: 1e9 }), { minLength: 3, maxLength: 3 }),
        (talks, skews) => {
          const wall = jest.spyOn(Date, 'now')
          const clocks = skews.map(() => new LogicalClock())
          let last = 0
          for (const [from, to] of talks) {
            wall.mockReturnValue(1.8e12 + (skews[from] as number))
            const time = (clocks[from] as LogicalClock).next()
            wall.mockReturnValue(1.8e12 + (skews[to] as number))
            ;(clocks[to] as LogicalClock).hear(time)
            const answer = (clocks[to] as LogicalClock).next()
            expect(answer).toBeGreaterThan(time)
            last = Math.max(last, answer)
          }
          expect(Number.isSafeInteger(last)).toBe(true)
        }
      )
    )
  })

  test('ignores absurd times, so that it cannot be exhausted', () => {
    const clock = new LogicalClock()
    for (const time of [Number.MAX_SAFE_INTEGER, Number.MAX_VALUE, Infinity, NaN, 1e15]) clock.hear(time)
    expect(clock.next()).toBeLessThanOrEqual(Date.now())
    // It cannot be exhausted in small steps either.
    for (let i = 0; i < 1_000; i++) clock.hear(clock.next() + 365 * 24 * 3_600_000)
    expect(clock.next()).toBeLessThan(Date.now() + 101 * 365 * 24 * 3_600_000)
  })
})

test('a snapshot with a missing part does not replace the entries of a node', () => {
  const room = new PresenceRoom('tea', Promise.resolve(), new LogicalClock(), new Digests())
  const said = (id: string): PresenceEntry[] => [{ id, key: id, info: null, since: 1 }]
  const part = (id: string, isFirst: boolean, isLast: boolean): unknown =>
    room.onNotice('a', { type: 'snapshot', isFirst, isLast, entries: said(id) })
  room.onNotice('a', { type: 'present', entries: [...said('1'), ...said('2')] })
  part('1', true, false)
  expect([room.isReceiving('a'), room.isReceiving('a')]).toEqual([true, false])
  room.onGap('a')
  part('3', false, true)
  expect(room.roster.idsOf('a')).toEqual(['1', '2'])
})
