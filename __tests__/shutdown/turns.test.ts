import { Turns } from '../../src/shutdown/turns.ts'

/** Plays turns with a clock of its own, one check every `step` milliseconds. Returns the time of each turn. */
function play(
  count: number,
  { end = 20_000, step = 20, isReady = (_item: number, _time: number): boolean => true, lagAt = -1 } = {}
): { times: number[]; items: number[] } {
  const times: number[] = []
  const items: number[] = []
  let time = 0
  const turns = new Turns(
    Array.from({ length: count }, (_, item) => item),
    0,
    end,
    {
      isReady: (item) => isReady(item, time),
      onTurn(item) {
        times.push(time)
        items.push(item)
      }
    }
  )
  for (; time < end + step; time += step) {
    if (time === lagAt) time += 5_000
    turns.check(time)
  }
  return { times, items }
}

/** The most turns within one of the spans of so many milliseconds. */
function most(times: number[], span: number): number {
  const counts = new Map<number, number>()
  for (const time of times) counts.set(Math.floor(time / span), (counts.get(Math.floor(time / span)) ?? 0) + 1)
  return Math.max(...counts.values())
}

test('10 000 items get their turn in order, at an even pace', () => {
  const { times, items } = play(10_000)
  expect(items).toEqual(Array.from({ length: 10_000 }, (_, item) => item))
  for (let second = 0; second < 20; second++) {
    const inSecond = times.filter((time) => Math.floor(time / 1_000) === second).length
    expect(inSecond).toBeGreaterThan(480)
    expect(inSecond).toBeLessThan(520)
  }
  expect(most(times, 20)).toBeLessThanOrEqual(12)
})

test('few items are spread as well; the first gets its turn at once', () => {
  expect(play(1).times).toEqual([0])
  expect(play(4).times).toEqual([0, 5_000, 10_000, 15_000])
})

test('a busy item is passed over, and gets its turn as soon as it is ready', () => {
  const { times, items } = play(4, { isReady: (item, time) => item !== 0 || time >= 7_000 })
  expect(items).toEqual([1, 2, 0, 3])
  expect(times).toEqual([0, 5_000, 10_000, 15_000])
})

test('many that become ready together are no storm', () => {
  const { times } = play(1_000, { isReady: (_item, time) => time >= 10_000 })
  expect(times).toHaveLength(1_000)
  expect(times[0]).toBe(10_000)
  expect(most(times, 1_000)).toBeLessThan(110)
})

test('what was late because the event loop stood still is not made up for at once', () => {
  const { times } = play(1_000, { lagAt: 5_000 })
  expect(times).toHaveLength(1_000)
  expect(most(times, 1_000)).toBeLessThan(110)
})

test.each([60, 150, 500])('the pace stays even if each check comes after %i ms', (step) => {
  const { times } = play(10_000, { step })
  expect(times).toHaveLength(10_000)
  expect(most(times, 1_000)).toBeLessThan(600)
})

test('at the end all get their turn, ready or not', () => {
  const { times } = play(3, { isReady: (item) => item === 1 })
  expect(times).toEqual([0, 20_000, 20_000])
})

test('those that are gone get no turn, and do not slow down the others', () => {
  const turns = new Turns([1, 2, 3, 4], 0, 1_000, { isReady: () => true, onTurn: (item) => given.push(item) })
  const given: number[] = []
  turns.check(0)
  turns.delete(2)
  expect([turns.has(1), turns.has(2), turns.has(3)]).toEqual([false, false, true])
  turns.check(250)
  turns.check(1_000)
  expect(given).toEqual([1, 3, 4])
})
