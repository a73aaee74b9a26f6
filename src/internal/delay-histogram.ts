import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'

const NANOSECONDS = 1_000_000

/** Measures for how long the event loop stands still, with a timer of Node.js in C++ that looks at the clock. */
export class DelayHistogram {
  readonly #resolution: number
  readonly #histogram: IntervalHistogram

  /** @param resolution how often it looks, in milliseconds. Delays may be up to this much longer than what is found. */
  constructor(resolution: number) {
    this.#resolution = resolution
    this.#histogram = monitorEventLoopDelay({ resolution })
  }

  start(): void {
    this.#histogram.enable()
  }

  stop(): void {
    this.#histogram.disable()
  }

  /** The longest delay since the start or the last `reset`, in whole milliseconds. */
  get longest(): number {
    // Node.js counts the time between two looks as a part of the delay.
    return Math.max(0, Math.round(this.#histogram.max / NANOSECONDS - this.#resolution))
  }

  reset(): void {
    this.#histogram.reset()
  }
}
