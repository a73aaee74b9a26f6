import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'

/** How often the delay is measured, in milliseconds. Delays are found to be at most this much shorter than they were. */
const RESOLUTION = 50
const NANOSECONDS = 1_000_000

/**
 * The longest time for which the event loop was blocked.
 *
 * A timer of Node.js in C++ looks at the clock 20 times a second. That costs a process that does nothing 0.15 % of a core, and a busy
 * one less. The lateness of the sampler's own timer would cost nothing, but that timer is due once in five seconds: it would miss
 * nineteen of twenty blocks of 250 ms. It is used as well, for the one case that the histogram misses: the sampler's timer runs before
 * the histogram's after a block, and resets it.
 */
export class EventLoopDelay {
  readonly #histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION })

  start(): void {
    this.#histogram.enable()
  }

  stop(): void {
    this.#histogram.disable()
  }

  /** The longest delay since the last call, in whole milliseconds. `lateness` is that of the timer which calls this. */
  take(lateness: number): number {
    const longest = this.#histogram.count === 0 ? 0 : this.#histogram.max / NANOSECONDS - RESOLUTION
    this.#histogram.reset()
    return Math.round(Math.max(0, longest, lateness))
  }
}
