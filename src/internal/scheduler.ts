/** The monotonic clock in whole milliseconds: V8 keeps small integers without a box, and a connection keeps several times. */
export function now(): number {
  return Math.floor(performance.now())
}

/** Something that the watchdog looks after. */
export interface Scheduled {
  /** Enforces what is due at a time of `now()`. */
  check(time: number): void
  /** The event loop was held up for so many milliseconds, in which no peer could be heard: they do not count. */
  onLag(time: number): void
}

const MIN_PERIOD = 10
const MAX_PERIOD = 500

/**
 * One timer for the heartbeats and deadlines of all connections. It wakes at an eighth of the shortest time that anyone asked
 * for, so that nothing is early and nothing late by more; it is unref'd, and stopped while there is no connection.
 */
export class Scheduler {
  readonly #watched = new Set<Scheduled>()
  #period = MAX_PERIOD
  #timer: NodeJS.Timeout | undefined
  #expectedAt = 0

  /** Makes the timer fine enough for a time in milliseconds; 0 stands for never. */
  require(time: number): void {
    if (time === 0) return
    this.#period = Math.min(this.#period, Math.max(MIN_PERIOD, Math.floor(time / 8)))
  }

  add(watched: Scheduled): void {
    this.#watched.add(watched)
    if (this.#timer === undefined) this.#sleep()
  }

  delete(watched: Scheduled): void {
    this.#watched.delete(watched)
    if (this.#watched.size > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #sleep(): void {
    this.#expectedAt = now() + this.#period
    this.#timer = setTimeout(() => this.#wake(), this.#period).unref()
  }

  #wake(): void {
    const time = now()
    const late = time - this.#expectedAt
    this.#sleep()
    for (const watched of this.#watched) {
      if (late > this.#period) watched.onLag(late)
      watched.check(time)
    }
  }
}
