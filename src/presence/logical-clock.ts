/** How far the clock of another machine may be ahead of this one's, in milliseconds: a hundred years. */
const MAX_AHEAD = 100 * 365 * 24 * 3_600_000

/**
 * A hybrid logical clock: the time of this machine, or a later one if a later one was heard. A node that has heard of a change
 * and then makes another has the later time, however far apart the clocks of the machines are.
 */
export class LogicalClock {
  #last = 0

  /** Returns a time that is later than all earlier ones, returned or heard. */
  next(): number {
    this.#last = Math.max(Date.now(), this.#last + 1)
    return this.#last
  }

  /** Takes note of a time of another node. An absurd one must not use up the numbers that are left. */
  hear(time: number): void {
    if (time > this.#last && time < Date.now() + MAX_AHEAD) this.#last = time
  }
}
