import type { RateLimit } from '../../config/rate-limit.ts'
import { TokenBucket } from './token-bucket.ts'
import type { WebSocketMessage } from '../../internal/message.ts'
import type { Gate } from './read-queue.ts'
import { now, type Scheduler, type Scheduled } from '../../internal/scheduler.ts'

/** A connection as its rate limit knows it. */
export interface Limited {
  /** There are tokens again. */
  reopen(): void
  /** A message over the limit is dropped. */
  limited(): void
}

/** Holds the messages of one connection to its route's rate limit. */
export class RateLimiter implements Scheduled, Gate {
  readonly #messages: TokenBucket
  readonly #bytes: TokenBucket | undefined
  readonly #isWaiting: boolean
  readonly #clock: Scheduler
  readonly #subject: Limited

  constructor(
    { messages, burst = Math.max(1, Math.ceil(messages)), bytes, onLimit = 'pause' }: RateLimit,
    clock: Scheduler,
    subject: Limited
  ) {
    const time = now()
    this.#messages = new TokenBucket(messages, burst, time)
    if (bytes !== undefined) this.#bytes = new TokenBucket(bytes, Math.max(1, bytes), time)
    this.#isWaiting = onLimit === 'pause'
    this.#clock = clock
    this.#subject = subject
  }

  /** Takes the tokens for a message; false, and nothing is taken, where there are none. */
  takes({ data }: WebSocketMessage): boolean {
    if (!this.#isOpen(now())) return false
    this.#messages.take(1)
    this.#bytes?.take(data.length)
    return true
  }

  admit(message: WebSocketMessage): 'pass' | 'wait' | 'drop' {
    if (this.takes(message)) return 'pass'
    if (this.#isWaiting) {
      this.#clock.add(this)
      return 'wait'
    }
    this.#subject.limited()
    return 'drop'
  }

  check(time: number): void {
    if (!this.#isOpen(time)) return
    this.#clock.delete(this)
    this.#subject.reopen()
  }

  /** Time in which the server did nothing is the client's, too. */
  onLag(): void {}

  stop(): void {
    this.#clock.delete(this)
  }

  #isOpen(time: number): boolean {
    // Both, so that both are filled.
    const [hasMessages, hasBytes] = [this.#messages.hasAny(time), this.#bytes?.hasAny(time) ?? true]
    return hasMessages && hasBytes
  }
}
