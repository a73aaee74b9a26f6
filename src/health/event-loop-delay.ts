import { now } from '../internal/clock.ts'
import { DelayHistogram } from '../internal/delay-histogram.ts'

/** How often the event loop is looked at, in milliseconds. */
const RESOLUTION = 20
/** A measurement lasts for this many milliseconds at least. The one before it counts as well. */
const SPAN = 10_000

/** Measures how late the event loop is. It costs nothing before it is asked for the first time. */
export class EventLoopDelay {
  #histogram: DelayHistogram | undefined
  #since = 0
  #earlier = 0
  #isStopped = false

  /** The longest delay of the last 10 to 20 seconds in milliseconds, or since it was last asked if that is longer ago. */
  get longest(): number {
    const histogram = this.#isStopped ? this.#histogram : (this.#histogram ??= this.#start())
    if (histogram === undefined) return 0
    const latest = histogram.longest
    const longest = Math.max(latest, this.#earlier)
    if (now() - this.#since < SPAN) return longest
    this.#earlier = latest
    this.#since = now()
    histogram.reset()
    return longest
  }

  /** What is asked for later starts no new measurement, which nobody would stop. */
  stop(): void {
    this.#isStopped = true
    this.#histogram?.stop()
  }

  #start(): DelayHistogram {
    const histogram = new DelayHistogram(RESOLUTION)
    histogram.start()
    this.#since = now()
    return histogram
  }
}
