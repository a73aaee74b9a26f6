/** Allows `burst` actions at once, and `perSecond` on average. */
export class TokenBucket {
  #tokens
  #at = performance.now()

  constructor({ burst, perSecond }) {
    this.burst = burst
    this.perSecond = perSecond
    this.#tokens = burst
  }

  take() {
    const now = performance.now()
    this.#tokens = Math.min(this.burst, this.#tokens + ((now - this.#at) / 1000) * this.perSecond)
    this.#at = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
