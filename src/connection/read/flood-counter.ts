import { now } from '../../internal/clock.ts'

/** How many frames are read from a client while its connection is closing. */
const MAX_LATE_FRAMES = 100_000

/** Counts the frames that no reader asks for, so that a client cannot send any number of them. */
export class FloodCounter {
  /** When the current second of control frames began, by `now()`. */
  #second = 0
  #control = 0
  #late = 0
  /** True once so many frames came while the connection was closing that nothing more is read. */
  get isFlooded(): boolean {
    return this.#late >= MAX_LATE_FRAMES
  }

  /** Counts a ping or pong. True if more than `limit` have come within a second. */
  exceedsControlLimit(limit: number): boolean {
    const time = now()
    if (time - this.#second >= 1000) {
      this.#second = time
      this.#control = 0
    }
    return ++this.#control > limit
  }

  /** Counts a frame that came while the connection was closing. True once, when the limit is reached. */
  reachesLateLimit(): boolean {
    return ++this.#late === MAX_LATE_FRAMES
  }
}
