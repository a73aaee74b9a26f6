import { CloseCode } from '../internal/close-codes.ts'
import type { WebSocketConfig } from '../config/route-config.ts'
import { now } from '../internal/clock.ts'
import type { Scheduled } from '../internal/scheduler.ts'

/** The close code for a token that has expired: 401, in the range for applications (4000 to 4999). */
const EXPIRED = 4401

/** Limits how long a connection may stay open, whatever it does: `firstMessageTimeout`, `maxLifetime` and `expireAt`. */
export class Lifetime implements Scheduled {
  readonly #close: (code: number, reason: string) => void
  #firstMessageBy: number
  readonly #endsAt: number
  /** In milliseconds since 1970, like the expiry times of tokens. */
  #expiresAt = Infinity

  constructor({ firstMessageTimeout, maxLifetime }: WebSocketConfig, close: (code: number, reason: string) => void) {
    this.#close = close
    this.#firstMessageBy = firstMessageTimeout === 0 ? Infinity : now() + firstMessageTimeout
    this.#endsAt = maxLifetime === 0 ? Infinity : now() + maxLifetime
  }

  /** A message came, so `firstMessageTimeout` no longer applies. */
  onMessage(): void {
    this.#firstMessageBy = Infinity
  }

  /** Sets or moves the time at which the connection expires, in milliseconds since 1970. */
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
