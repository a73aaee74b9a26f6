import { now } from '../internal/clock.ts'
import type { WebSocketStats } from '../observe/stats.ts'
import { EventLoopDelay } from './event-loop-delay.ts'
import { type Line, type Lines, PERIOD, Ring, Timeline } from './timeline.ts'

/** How many routes are sampled at most, those that are used first. They need 5 KB each. */
const MAX_ROUTES = 100

/**
 * Samples the numbers of a server every five seconds, so that the last ten minutes are there when someone looks. It has one timer,
 * which does not keep the process alive.
 */
export class Sampler {
  readonly #read: () => WebSocketStats
  readonly #delay = new EventLoopDelay()
  readonly #delays = new Ring()
  readonly #routes = new Map<string, Timeline>()
  readonly #total: Timeline
  #timer: NodeJS.Timeout | undefined
  #sampledAt = now()
  #isStarted = false

  constructor(read: () => WebSocketStats) {
    this.#read = read
    this.#total = new Timeline(read().total)
  }

  start(): void {
    this.#isStarted = true
    this.#sampledAt = now()
    this.#delay.start()
    this.#sleep(this.#sampledAt)
  }

  stop(): void {
    this.#isStarted = false
    clearTimeout(this.#timer)
    this.#delay.stop()
  }

  /** The samples of a route, or of all routes; undefined if there are none of this route. */
  lines(route?: string): (Lines & { delay: Line }) | undefined {
    const timeline = route === undefined ? this.#total : this.#routes.get(route)
    const slot = this.#slot
    return timeline && { ...timeline.lines(slot), delay: this.#delays.line(slot) }
  }

  /** The newest slot that must have a sample. While the event loop is blocked, the slots stay empty. */
  get #slot(): number {
    return slotOf(this.#sampledAt)
  }

  #sleep(time: number): void {
    if (this.#isStarted) this.#timer = setTimeout(() => this.#wake(), PERIOD - (time % PERIOD)).unref()
  }

  #wake(): void {
    const time = now()
    // A timer may be a millisecond early. The clock is read once: the next slot may begin now, and must not be slept through.
    if (slotOf(time) > slotOf(this.#sampledAt)) this.#sample(time)
    this.#sleep(time)
  }

  #sample(time: number): void {
    const slot = slotOf(time)
    const seconds = (time - this.#sampledAt) / 1000
    const { total, routes } = this.#read()
    this.#total.add(slot, seconds, total)
    for (const [route, stats] of Object.entries(routes)) {
      if (stats.opened === 0 && Object.keys(stats.refused).length === 0) continue
      this.#timelineOf(route)?.add(slot, seconds, stats)
    }
    const dueAt = (slotOf(this.#sampledAt) + 1) * PERIOD
    this.#delays.set(slot, this.#delay.take(time - dueAt))
    this.#sampledAt = time
  }

  #timelineOf(route: string): Timeline | undefined {
    const timeline = this.#routes.get(route)
    if (timeline !== undefined || this.#routes.size === MAX_ROUTES) return timeline
    const added = new Timeline(undefined)
    this.#routes.set(route, added)
    return added
  }
}

function slotOf(time: number): number {
  return Math.floor(time / PERIOD)
}
