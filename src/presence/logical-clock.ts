/** How far ahead of this machine's clock another node's may be, in milliseconds: a hundred years. */
const MAX_AHEAD = 100 * 365 * 24 * 3_600_000

/**
 * A hybrid logical clock: the time of this machine, raised above every time that has been heard. Whoever changes something after
 * hearing of a change is later than that change, however far apart the clocks of the machines are.
 */
export class LogicalClock {
  #last = 0

  /** A time that is later than all that were given or heard. */
  next(): number {
    this.#last = Math.max(Date.now(), this.#last + 1)
    return this.#last
  }

  /** Another node has set something at this time. A time that no machine's clock can show must not use up the numbers that are left. */
  hear(time: number): void {
    if (time > this.#last && time < Date.now() + MAX_AHEAD) this.#last = time
  }
}
