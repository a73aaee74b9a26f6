/** Counts latencies, in whole milliseconds. */
export class Latencies {
  #counts = new Map()

  constructor(entries = []) {
    for (const [milliseconds, count] of entries) this.add(milliseconds, count)
  }

  add(milliseconds, count = 1) {
    this.#counts.set(milliseconds, (this.#counts.get(milliseconds) ?? 0) + count)
  }

  /** Undefined if there are none. */
  percentile(percent) {
    const sorted = [...this.#counts].toSorted(([a], [b]) => a - b)
    const total = sorted.reduce((sum, [, count]) => sum + count, 0)
    let sum = 0
    return sorted.find(([, count]) => (sum += count) >= (total * percent) / 100)?.[0]
  }

  /** For another process. */
  get entries() {
    return [...this.#counts]
  }
}
