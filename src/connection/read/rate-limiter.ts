import type { RateLimit } from '../../config/rate-limit.ts'
import { now } from '../../internal/clock.ts'
import type { WebSocketMessage } from '../../internal/message.ts'
import type { Scheduler, Scheduled } from '../../internal/scheduler.ts'
import { TokenBucket } from './token-bucket.ts'

/** The part of a session that its rate limit uses. An interface, because the session imports the rate limit. */
export interface RateLimitedSession {
  /** After a message had to wait, the next one may be read. */
  onTokens(): void
  /** A message over the limit was dropped. */
  onOverLimit(): void
}

/** Applies the rate limit of a route to one connection. */
export class RateLimiter implements Scheduled {
  readonly #messages: TokenBucket
  readonly #bytes: TokenBucket | undefined
  /** True if messages over the limit wait; false if they are dropped. */
  readonly #isPausing: boolean
  readonly #scheduler: Scheduler
  readonly #session: RateLimitedSession

  constructor(
    { messages, burst = Math.max(1, Math.ceil(messages)), bytes, onLimit = 'pause' }: RateLimit,
    scheduler: Scheduler,
    session: RateLimitedSession
  ) {
    const time = now()
    this.#messages = new TokenBucket(messages, burst, time)
    if (bytes !== undefined) this.#bytes = new TokenBucket(bytes, Math.max(1, bytes), time)
    this.#isPausing = onLimit === 'pause'
    this.#scheduler = scheduler
    this.#session = session
  }

  /** Takes the tokens for a message. False, and nothing is taken, if there are none. */
  tryTake({ data }: WebSocketMessage): boolean {
    if (!this.#hasTokens(now())) return false
    this.#messages.take(1)
    this.#bytes?.take(data.length)
    return true
  }

  /** Decides about a message that is about to be read. After 'wait', `onTokens` is called once it may be decided again. */
  decide(message: WebSocketMessage): 'pass' | 'wait' | 'drop' {
    if (this.tryTake(message)) return 'pass'
    if (this.#isPausing) {
      this.#scheduler.add(this)
      return 'wait'
    }
    this.#session.onOverLimit()
    return 'drop'
  }

  check(time: number): void {
    if (!this.#hasTokens(time)) return
    this.#scheduler.delete(this)
    this.#session.onTokens()
  }

  /** Tokens come back even while the event loop is blocked. */
  onLag(): void {}

  /** No more messages wait. */
  stop(): void {
    this.#scheduler.delete(this)
  }

  #hasTokens(time: number): boolean {
    // Ask both buckets, so that both are refilled.
    const [hasMessages, hasBytes] = [this.#messages.hasAny(time), this.#bytes?.hasAny(time) ?? true]
    return hasMessages && hasBytes
  }
}
