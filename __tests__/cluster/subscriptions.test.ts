import fc from 'fast-check'
import type { Broker } from '../../src/index.ts'
import { Subscriptions, type SubscriptionsListener } from '../../src/cluster/subscriptions.ts'

/** An engine that answers when the test tells it to, and may refuse. */
class SlowEngine {
  readonly subscribed = new Set<string>()
  readonly #waiting: ((fails: boolean) => void)[] = []

  readonly broker = {
    subscribe: (channels: readonly string[]) =>
      this.#later(() => channels.forEach((channel) => this.subscribed.add(channel))),
    unsubscribe: (channels: readonly string[]) =>
      this.#later(() => channels.forEach((channel) => this.subscribed.delete(channel)))
  } as unknown as Broker

  #later(act: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push((fails) => {
        if (fails) return reject(new Error('refused'))
        act()
        resolve()
      })
    })
  }

  /** Answers the oldest call. */
  async answer(fails: boolean): Promise<void> {
    this.#waiting.shift()?.(fails)
    await settled()
  }

  get isAsked(): boolean {
    return this.#waiting.length > 0
  }
}

/** Subscriptions on this engine, and the channels that they have left. */
function subscriptionsOf(
  engine: SlowEngine,
  listener: Partial<SubscriptionsListener> = {}
): { subscriptions: Subscriptions; left: string[] } {
  const left: string[] = []
  const subscriptions = new Subscriptions(engine.broker, {
    isAway: () => false,
    onFailed: () => {},
    onSubscribed: () => {},
    onUnsubscribed: (channel) => left.push(channel),
    ...listener
  })
  return { subscriptions, left }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const LINGER = 2_000

test('after random changes and refusals, the engine has exactly the needed subscriptions', async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constantFrom('need', 'release'), channel: fc.constantFrom('a', 'b', 'c') }),
    fc.record({ do: fc.constant('answer'), fails: fc.boolean() }),
    fc.record({ do: fc.constant('wait'), time: fc.constantFrom(100, LINGER) })
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const engine = new SlowEngine()
      const { subscriptions } = subscriptionsOf(engine)
      const needed = new Map<string, number>()
      let time = 0
      for (const one of steps) {
        if (one.do === 'answer') await engine.answer((one as { fails: boolean }).fails)
        else if (one.do === 'wait') subscriptions.check((time += (one as { time: number }).time))
        else {
          const { channel } = one as { channel: string }
          const users = needed.get(channel) ?? 0
          if (one.do === 'need') subscriptions.need(channel)
          else if (users > 0) subscriptions.release(channel, time)
          needed.set(channel, Math.max(0, users + (one.do === 'need' ? 1 : -1)))
        }
        await settled()
        // ready must not resolve for a channel that the engine does not have.
        const isReady = await Promise.race([subscriptions.ready('a').then(() => true), settled().then(() => false)])
        const isRelied = isReady && (needed.get('a') ?? 0) > 0
        expect(isRelied ? engine.subscribed.has('a') : true).toBe(true)
      }
      for (let i = 0; i < 10; i++) {
        subscriptions.check((time += LINGER))
        while (engine.isAsked) await engine.answer(false)
      }
      await subscriptions.ready()
      const expected = [...needed].flatMap(([channel, users]) => (users > 0 ? [channel] : []))
      expect([...engine.subscribed].toSorted()).toEqual(expected.toSorted())
      for (const channel of ['a', 'b', 'c']) expect(subscriptions.has(channel)).toBe(expected.includes(channel))
    }),
    { numRuns: 300 }
  )
})

test('a channel that is needed again soon costs no call, and a refused unsubscribe keeps the subscription', async () => {
  const engine = new SlowEngine()
  const errors: string[] = []
  const { subscriptions, left } = subscriptionsOf(engine, { onFailed: ({ message }) => errors.push(message) })
  subscriptions.need('a')
  await settled()
  await engine.answer(false)
  subscriptions.release('a', 0)
  subscriptions.check(LINGER - 1)
  subscriptions.need('a')
  subscriptions.check(LINGER)
  expect(engine.isAsked).toBe(false)
  subscriptions.release('a', LINGER)
  subscriptions.check(2 * LINGER)
  subscriptions.need('a')
  await engine.answer(true)
  await subscriptions.ready('a')
  // But the state learned from it before is dropped.
  expect([errors, left, [...engine.subscribed]]).toEqual([['refused'], ['a'], ['a']])
})

test('a channel released before the engine confirms it is forgotten, and a waiter that times out gets false', async () => {
  const engine = new SlowEngine()
  const { subscriptions, left } = subscriptionsOf(engine)
  for (const channel of ['a', 'b']) subscriptions.need(channel)
  await settled()
  expect(await Promise.all([subscriptions.ready('a', 1), subscriptions.ready(undefined, 1)])).toEqual([false, false])
  const late = subscriptions.ready(undefined, 3_600_000)
  // While a call is pending, only the state learned from the channel is dropped, not the channel.
  subscriptions.release('a', 0)
  expect([left, subscriptions.has('a')]).toEqual([['a'], true])
  await engine.answer(true)
  expect([subscriptions.has('a'), subscriptions.has('b')]).toEqual([false, true])
  subscriptions.release('b', 0)
  expect([left, subscriptions.has('b'), await late]).toEqual([['a', 'a', 'b'], false, true])
})

test('the state of a channel is dropped again when the engine confirms the unsubscribe', async () => {
  const engine = new SlowEngine()
  const { subscriptions, left } = subscriptionsOf(engine)
  subscriptions.need('a')
  await settled()
  await engine.answer(false)
  subscriptions.release('a', 0)
  subscriptions.check(LINGER)
  left.length = 0
  await engine.answer(false)
  expect([left, subscriptions.has('a')]).toEqual([['a'], false])
})

test('after close, no call to ready waits', async () => {
  const { subscriptions } = subscriptionsOf(new SlowEngine())
  subscriptions.need('a')
  const ready = subscriptions.ready()
  subscriptions.close()
  await ready
  subscriptions.release('a', 0)
  subscriptions.need('b')
  await subscriptions.ready()
})

test('when an engine is back, it is asked only for channels that are still needed', async () => {
  const engine = new SlowEngine()
  let isAway = true
  const { subscriptions } = subscriptionsOf(engine, { isAway: () => isAway })
  for (let i = 0; i < 1_000; i++) {
    subscriptions.need(`room ${i}`)
    await settled()
    subscriptions.release(`room ${i}`, 0)
  }
  subscriptions.need('kept')
  await settled()
  expect([engine.isAsked, subscriptions.has('room 0'), await subscriptions.ready('kept', 1)]).toEqual([
    false,
    false,
    false
  ])
  isAway = false
  subscriptions.check(0)
  await engine.answer(false)
  expect([[...engine.subscribed], await subscriptions.ready('kept')]).toEqual([['kept'], true])
})
