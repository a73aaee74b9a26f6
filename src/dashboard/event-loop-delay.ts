import { DelayHistogram } from '../internal/delay-histogram.ts'

/** How often the event loop is looked at, in milliseconds. */
const RESOLUTION = 50

/**
 * The longest time for which the event loop was blocked.
 *
 * A timer of Node.js in C++ looks at the clock 20 times a second. That costs a process that does nothing 0.15 % of a core, and a busy
 * one less. The lateness of the sampler's own timer would cost nothing, but that timer is due once in five seconds: it would miss
 * nineteen of twenty blocks of 250 ms. It is used as well, for the one case that the histogram misses: the sampler's timer runs before
 * the histogram's after a block, and resets it.
 */
export class EventLoopDelay {
  readonly #histogram = new DelayHistogram(RESOLUTION)

  start(): void {
    this.#histogram.start()
  }

  stop(): void {
    this.#histogram.stop()
  }

  /** The longest delay since the last call, in whole milliseconds. `lateness` is that of the timer which calls this. */
  take(lateness: number): number {
    const { longest } = this.#histogram
    this.#histogram.reset()
    return Math.round(Math.max(longest, lateness))
  }
}
