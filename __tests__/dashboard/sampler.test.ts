import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { largest } from '../../src/dashboard/largest.ts'
import { Sampler } from '../../src/dashboard/sampler.ts'
import { Ring, SLOTS, Timeline } from '../../src/dashboard/timeline.ts'
import type { RouteStats } from '../../src/index.ts'
import { ensureDist } from '../support/dist.ts'
import { NO_STATS } from '../support/route-stats.ts'

const stats = (changes: Partial<RouteStats>): RouteStats => ({ ...NO_STATS, ...changes })

describe('a ring of samples', () => {
  test('keeps the last ten minutes, and has holes for the times without a sample', () => {
    const ring = new Ring()
    expect(ring.line(3)).toEqual(Array.from({ length: SLOTS }, () => null))
    for (const slot of [5, 6, 9]) ring.set(slot, slot)
    expect(ring.line(9).slice(-6)).toEqual([null, 5, 6, null, null, 9])
    expect(ring.line(11).slice(-4)).toEqual([null, 9, null, null])
    for (let slot = 10; slot < 10 + SLOTS; slot++) ring.set(slot, slot)
    expect(ring.line(9 + SLOTS)).toEqual(Array.from({ length: SLOTS }, (_, i) => 10 + i))
  })

  test('after a long pause shows nothing of the time before', () => {
    const ring = new Ring()
    for (let slot = 0; slot < SLOTS; slot++) ring.set(slot, 1)
    ring.set(SLOTS * 5 + 7, 2)
    expect(ring.line(SLOTS * 5 + 7).filter((value) => value !== null)).toEqual([2])
  })
})

test('a timeline has rates per second, and counts for each sample', () => {
  const timeline = new Timeline(stats({ messagesIn: 1_000, refused: { 404: 7 } }))
  timeline.add(1, 5, stats({ open: 3, messagesIn: 1_010, messagesOut: 1, refused: { 404: 8, 429: 2 }, slow: 4 }))
  // The event loop was blocked: a sample of 20 seconds.
  timeline.add(5, 20, stats({ open: 2, messagesIn: 1_110, messagesOut: 2, refused: { 404: 8, 429: 2 }, slow: 5 }))
  const lines = Object.entries(timeline.lines(5)).map(([name, line]) => [name, line.slice(-5)])
  expect(Object.fromEntries(lines)).toEqual({
    open: [3, null, null, null, 2],
    messagesIn: [2, null, null, null, 5],
    messagesOut: [0.2, null, null, null, 0.1],
    refused: [3, null, null, null, 0],
    slow: [4, null, null, null, 1]
  })
})

test('the largest are found in one pass, the earlier of equal ones first', () => {
  const numbers = Array.from({ length: 1_000 }, (_, i) => (i * 7_919) % 1_009)
  expect(largest(numbers, (number) => number, 20)).toEqual(numbers.toSorted((a, b) => b - a).slice(0, 20))
  const named = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name }))
  expect(largest(named, () => 1, 3)).toEqual(named.slice(0, 3))
  expect(largest([], Number, 3)).toEqual([])
})

test('a timer that is early, just before the end of a slot, does not miss the slot', () => {
  const times: number[] = []
  let wake = () => {}
  const sleeps: unknown[] = []
  jest.spyOn(performance, 'now').mockImplementation(() => (times.length > 1 ? times.shift() : times[0]) as number)
  jest.spyOn(global, 'setTimeout').mockImplementation(((callback: () => void, time: number) => {
    wake = callback
    sleeps.push(time)
    return { unref: () => undefined }
  }) as never)
  try {
    times.push(11_000)
    const sampler = new Sampler(() => ({ total: stats({ open: 3 }), routes: {} }))
    sampler.start()
    times.splice(0, 1, 14_999.9, 15_000.1)
    wake()
    wake()
    expect(sleeps).toEqual([4_000, 1, 5_000])
    expect(sampler.lines()?.open.at(-1)).toBe(3)
    expect(sampler.lines()?.delay.at(-1)).toBe(0)
    sampler.stop()
  } finally {
    jest.restoreAllMocks()
  }
})

/** Runs a program that uses the built package, until it ends by itself. */
function run(body: string): string {
  ensureDist()
  const root = join(__dirname, '../..')
  const url = (file: string): string => JSON.stringify(pathToFileURL(join(root, 'dist/esm', file)).href)
  const program = `
    import Fastify from 'fastify'
    import blazeWs from ${url('index.js')}
    import dashboard from ${url('dashboard.js')}
    const app = Fastify()
    await app.register(blazeWs)
    await app.register(dashboard, { prefix: '/realtime', onRequest: [] })
    await app.ready()
    ${body}`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: root,
    encoding: 'utf8',
    timeout: 25_000
  })
  expect(stderr).toBe('')
  return stdout
}

test('nothing keeps the process alive, closed or not', () => {
  expect(run("console.log('end')")).toBe('end\n')
  expect(run("await app.close(); console.log(process.getActiveResourcesInfo().includes('Timeout'))")).toBe('false\n')
})

test('a sample shows for how long the event loop was blocked', () => {
  const delay = run(`
    const until = (time) => { while (performance.now() < time); }
    await new Promise((resolve) => setTimeout(resolve, 150))
    until(performance.now() + 400)
    for (;;) {
      const { lines } = (await app.inject('/realtime/overview')).json()
      const newest = lines.delay.at(-1)
      if (newest !== null) { console.log(newest); break }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }`)
  // A histogram of Node.js has three digits, and the block may begin just after a look at the clock.
  expect(Number(delay)).toBeGreaterThanOrEqual(345)
})
