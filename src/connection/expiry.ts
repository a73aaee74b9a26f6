import { CloseCode } from '../internal/close.ts'
import { now, type Scheduled } from '../internal/scheduler.ts'

/** The close code for a connection whose authority has run out: 401, in the range that is an application's own. */
export const EXPIRED = 4401

/** What of a route's configuration limits how long a connection may be open, in milliseconds; 0 = without limit. */
export interface ExpiryLimits {
  firstMessageTimeout: number
  maxLifetime: number
}

/** The times at which a connection ends, whatever it does. */
export class Expiry implements Scheduled {
  readonly #close: (code: number, reason: string) => void
  #firstMessageBy: number
  readonly #endsAt: number
  /** By the wall clock, as the tokens' own times are. */
  #expiresAt = Infinity

  constructor({ firstMessageTimeout, maxLifetime }: ExpiryLimits, close: (code: number, reason: string) => void) {
    this.#close = close
    this.#firstMessageBy = firstMessageTimeout === 0 ? Infinity : now() + firstMessageTimeout
    this.#endsAt = maxLifetime === 0 ? Infinity : now() + maxLifetime
  }

  /** A message came: the first one need not be waited for any more. */
  heard(): void {
    this.#firstMessageBy = Infinity
  }

  /** Sets or moves the time, in milliseconds since 1970, at which authority runs out. */
  expireAt(time: number): void {
    this.#expiresAt = time
    this.check(now())
  }

  check(time: number): void {
    if (Date.now() >= this.#expiresAt) this.#close(EXPIRED, 'expired')
    else if (time >= this.#endsAt) this.#close(CloseCode.GoingAway, 'lifetime over')
    else if (time >= this.#firstMessageBy) this.#close(CloseCode.PolicyViolation, 'first message timeout')
  }

  onLag(time: number): void {
    this.#firstMessageBy += time
  }
}
