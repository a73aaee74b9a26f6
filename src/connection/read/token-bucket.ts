/** A token bucket: it begins full, and is refilled at a constant rate. Times are in milliseconds, by any one clock. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #size: number
  #tokens: number
  #filledAt: number

  constructor(perSecond: number, size: number, time: number) {
    this.#perSecond = perSecond
    this.#size = size
    this.#tokens = size
    this.#filledAt = time
  }

  /** Refills the bucket. True if it has at least one token. */
  hasAny(time: number): boolean {
    // If the clock goes back, no tokens come and none go.
    const passed = Math.max(0, time - this.#filledAt)
    this.#filledAt = time
    this.#tokens = Math.min(this.#size, this.#tokens + (passed * this.#perSecond) / 1000)
    return this.#tokens >= 1
  }

  /** Takes tokens. It may take more than there are: the missing ones must come back first. */
  take(count: number): void {
    this.#tokens -= count
  }
}
