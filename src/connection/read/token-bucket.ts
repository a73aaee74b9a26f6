/** Tokens that come back with time, up to as many as fit. Times are milliseconds of one clock. */
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

  /** True where at least one token is there. */
  hasAny(time: number): boolean {
    // A clock that goes back brings none and takes none.
    const passed = Math.max(0, time - this.#filledAt)
    this.#filledAt = time
    this.#tokens = Math.min(this.#size, this.#tokens + (passed * this.#perSecond) / 1000)
    return this.#tokens >= 1
  }

  /** Takes tokens, also more than there are: the debt is waited for. */
  take(count: number): void {
    this.#tokens -= count
  }
}
