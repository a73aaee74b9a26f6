import { now } from './clock.ts'

/** Something that has to look at the clock from time to time. */
export interface Scheduled {
  /** Called regularly. Does what is due; `time` is that of `now()`. */
  check(time: number): void
  /**
   * Called before `check` if the event loop was blocked for this many milliseconds. No client could be heard meanwhile, so the
   * time should not count against it.
   */
  onLag(time: number): void
}

const MIN_PERIOD = 10
const MAX_PERIOD = 500

/**
 * One timer for the heartbeats and deadlines of all connections. It fires eight times within the shortest time that it has to
 * measure, so that nothing happens early, and nothing later than an eighth of its time. It does not keep the process alive, and
 * stops while nothing is scheduled.
 */
export class Scheduler {
  readonly #scheduled = new Set<Scheduled>()
  #period = MAX_PERIOD
  #timer: NodeJS.Timeout | undefined
  #expectedAt = 0

  /** Makes the timer fine enough to measure a time in milliseconds; 0 stands for never. */
  ensurePrecisionFor(time: number): void {
    if (time === 0) return
    this.#period = Math.min(this.#period, Math.max(MIN_PERIOD, Math.floor(time / 8)))
  }

  add(scheduled: Scheduled): void {
    this.#scheduled.add(scheduled)
    if (this.#timer === undefined) this.#sleep()
  }

  delete(scheduled: Scheduled): void {
    this.#scheduled.delete(scheduled)
    if (this.#scheduled.size > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #sleep(): void {
    this.#expectedAt = now() + this.#period
    this.#timer = setTimeout(() => this.#wake(), this.#period).unref()
  }

  #wake(): void {
    const time = now()
    const lag = time - this.#expectedAt
    this.#sleep()
    for (const scheduled of this.#scheduled) {
      if (lag > this.#period) scheduled.onLag(lag)
      scheduled.check(time)
    }
  }
}
