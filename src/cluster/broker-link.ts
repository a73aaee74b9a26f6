import type { Broker } from '../brokers/broker.ts'
import { errors } from '../internal/errors.ts'
import { withTimeout } from '../internal/promises.ts'

/** What may be on its way to the engine at the same time, in messages and bytes; what is over is not published. */
const MAX_PENDING = 65_536
const MAX_PENDING_BYTES = 16 * 1024 * 1024
/** With more than this under way, what can wait does. */
const BUSY = 1_024
const BUSY_BYTES = 1024 * 1024
/** How long the engine may take for an answer, and how often it is asked while all is well and while it is not, in milliseconds. */
const CHECK_TIMEOUT = 2_000
const CHECK_INTERVAL = 1_000
const RETRY_INTERVAL = 200

/** Who is told that the engine is away, and that it is back. */
export interface LinkEvents {
  degraded(error: Error): void
  /** The engine is there and has not taken a message: the first since it has taken one. */
  refused(error: Error): void
  /** There was too much for it, and it has taken what was under way. */
  drained(): void
  /** It answers. Once everything is in force again, `recovered` is to be called. */
  up(): void
}

/**
 * The way to the engine: knows whether it is open, and keeps what is under way within bounds. Nothing waits for it: what cannot
 * be published is counted.
 */
export class BrokerLink {
  readonly #broker: Broker
  readonly #events: LinkEvents
  #pending = 0
  #pendingBytes = 0
  #isAsking = false
  #isRefused = false
  #isOver = false
  #checkedAt = -Infinity
  isClosed = false
  /** True while the engine answers. */
  isUp = false
  /** Why it cannot be reached; undefined where it can, and until it has been asked first. */
  error: Error | undefined
  published = 0
  /** Messages that may not have reached the other nodes. */
  unpublished = 0

  constructor(broker: Broker, events: LinkEvents) {
    this.#broker = broker
    this.#events = events
  }

  /** True where a message of this size may go out now; otherwise too much is under way, and it is counted. */
  takes(size: number): boolean {
    if (this.#pending < MAX_PENDING && (this.#pending === 0 || this.#pendingBytes + size <= MAX_PENDING_BYTES))
      return true
    this.unpublished++
    this.#isOver = true
    this.#refuse(new errors.BROKER_UNAVAILABLE('it takes messages too slowly'))
    return false
  }

  /** True where there is more under way than should be, for what can wait. */
  get isBusy(): boolean {
    return this.#pendingBytes > BUSY_BYTES || this.#pending > BUSY
  }

  /** Sends a message to the other nodes. */
  publish(channel: string, message: Buffer): void {
    this.#pending++
    this.#pendingBytes += message.length
    this.#broker.publish(channel, message).then(
      () => this.#taken(message),
      (error: Error) => {
        this.#done(message)
        this.#failed(error)
      }
    )
  }

  #taken(message: Buffer): void {
    this.#done(message)
    this.published++
    this.#isRefused = false
  }

  #done(message: Buffer): void {
    this.#pending--
    this.#pendingBytes -= message.length
    if (this.#pending > 0 || !this.#isOver) return
    this.#isOver = false
    this.#events.drained()
  }

  #failed(error: Error): void {
    this.unpublished++
    if (error instanceof errors.BROKER_UNAVAILABLE) this.lost(error)
    else this.#refuse(error)
  }

  /** Said once, until it takes something again. Where the connection has broken, the broker says so itself. */
  #refuse(error: Error): void {
    if (this.#isRefused || !this.isUp) return
    this.#isRefused = true
    this.#events.refused(error)
  }

  /** The engine cannot be reached. */
  lost(error: Error): void {
    if (this.isClosed) return
    this.isUp = false
    this.#checkedAt = -Infinity
    if (this.error !== undefined) return
    this.error = error
    this.#events.degraded(error)
  }

  /** Looks after the engine, at a time of `now()`. There is one question at a time, however long the answer takes. */
  check(time: number): void {
    if (this.#isAsking) {
      if (time - this.#checkedAt > CHECK_TIMEOUT) this.#late(time)
    } else if (time - this.#checkedAt >= (this.isUp ? CHECK_INTERVAL : RETRY_INTERVAL)) {
      this.#ask(time)
    }
  }

  #ask(time: number): void {
    this.#isAsking = true
    this.#checkedAt = time
    this.#broker.check().then(
      () => this.#answered(),
      (error: Error) => {
        this.#isAsking = false
        this.lost(error)
        this.#checkedAt = time
      }
    )
  }

  #late(time: number): void {
    this.lost(new errors.BROKER_UNAVAILABLE(`it has not answered for ${CHECK_TIMEOUT} ms`))
    this.#checkedAt = time
  }

  #answered(): void {
    this.#isAsking = false
    if (this.isUp || this.isClosed) return
    this.isUp = true
    this.#events.up()
  }

  /** All is well; true where it was not. */
  recovered(): boolean {
    const wasDegraded = this.error !== undefined
    this.error = undefined
    return wasDegraded
  }

  /** Sends what is under way and gives the broker back, for as long as an answer may take. Nobody is told any more. */
  async close(): Promise<void> {
    this.isClosed = true
    await withTimeout(CHECK_TIMEOUT, this.#broker.close())
  }
}
