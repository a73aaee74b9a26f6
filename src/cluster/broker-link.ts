import type { Broker } from '../brokers/broker.ts'
import { errors } from '../internal/errors.ts'
import { withTimeout } from '../internal/promises.ts'
import { limitOf } from './wire/envelope.ts'
import type { Transport } from './wire/sender.ts'

/** How many messages, and how many bytes of them, may wait for the engine's confirmation. Further messages are not published. */
const MAX_PENDING = 65_536
const MAX_PENDING_BYTES = 16 * 1024 * 1024
/** How many may wait while the engine does not answer. A frozen one takes nothing for long, and libraries keep some KiB for each. */
const MAX_PENDING_AWAY = 8_192
/** With more than this pending, messages that can wait should wait. */
const BUSY = 1_024
const BUSY_BYTES = 1024 * 1024
/** How long the engine may take to answer a check, in milliseconds. */
const CHECK_TIMEOUT = 2_000
/** How often the engine is checked while it answers, and while it does not, in milliseconds. */
const CHECK_INTERVAL = 1_000
const RETRY_INTERVAL = 200

export interface LinkListener {
  /** The engine cannot be reached. */
  onDown(error: Error): void
  /** The engine answers. The link counts as degraded until `recovered` is called. */
  onUp(): void
  /** The engine is there, but a message was not published. Of messages in a row, only the first is reported. */
  onRefused(error: Error): void
  /** Some messages were not published because too many were pending. The engine has now confirmed these. */
  onDrained(): void
}

/**
 * The link of a node to the engine, through its broker. It knows whether the engine can be reached, and bounds what is pending.
 * Nothing waits for the engine: a message that cannot be published now is counted and dropped.
 */
export class BrokerLink implements Transport {
  readonly #broker: Broker
  readonly #listener: LinkListener
  #pending = 0
  #pendingBytes = 0
  #isChecking = false
  #isRefusing = false
  #isOverflowing = false
  #checkedAt = -Infinity
  #isClosed = false
  /** Whether the engine answered the last check. */
  isUp = false
  /** Why the engine cannot be reached; undefined if it can, and before the first check. */
  error: Error | undefined
  published = 0
  /** Messages that may not have reached the other nodes. */
  unpublished = 0

  constructor(broker: Broker, listener: LinkListener) {
    this.#broker = broker
    this.#listener = listener
  }

  get isBusy(): boolean {
    return this.#pendingBytes > BUSY_BYTES || this.#pending > BUSY
  }

  /** Whether a message of this size may be published now. If not, it is counted as unpublished. */
  accepts(size: number): boolean {
    if (this.#isClosed) return false
    const limit = limitOf(this.#broker)
    if (size <= limit && this.#hasRoomFor(size)) return true
    this.unpublished++
    if (size > limit) this.#listener.onRefused(new errors.MESSAGE_TOO_LONG(size, limit))
    else this.#overflow()
    return false
  }

  publish(channel: string, message: Buffer): void {
    this.#pending++
    this.#pendingBytes += message.length
    this.#broker.publish(channel, message).then(
      () => this.#onPublished(message),
      (error: Error) => this.#onPublishFailed(message, error)
    )
  }

  /** The broker reports that the engine cannot be reached. */
  down(error: Error): void {
    if (this.#isClosed) return
    this.isUp = false
    this.#checkedAt = -Infinity
    if (this.error !== undefined) return
    this.error = error
    this.#listener.onDown(error)
  }

  /** Checks the engine if it is time, by `now()`. There is one check at a time, however long the answer takes. */
  check(time: number): void {
    if (this.#isChecking) {
      if (time - this.#checkedAt > CHECK_TIMEOUT) this.#onLateAnswer(time)
    } else if (time - this.#checkedAt >= (this.isUp ? CHECK_INTERVAL : RETRY_INTERVAL)) {
      this.#startCheck(time)
    }
  }

  /** Ends the degraded state. Returns whether there was one. */
  recovered(): boolean {
    const wasDegraded = this.error !== undefined
    this.error = undefined
    return wasDegraded
  }

  /** Closes the broker, which first sends what is pending. The listener is not called any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    await withTimeout(this.#broker.close(), CHECK_TIMEOUT, () => {}, { isRef: true })
  }

  /** A message that is pending alone may be of any size. */
  #hasRoomFor(size: number): boolean {
    const limit = this.error === undefined ? MAX_PENDING : MAX_PENDING_AWAY
    return this.#pending < limit && (this.#pending === 0 || this.#pendingBytes + size <= MAX_PENDING_BYTES)
  }

  #overflow(): void {
    this.#isOverflowing = true
    this.#refuse(new errors.BROKER_UNAVAILABLE('it takes messages too slowly'))
  }

  #onPublished(message: Buffer): void {
    this.#settle(message)
    this.published++
    this.#isRefusing = false
  }

  #onPublishFailed(message: Buffer, error: Error): void {
    this.#settle(message)
    this.unpublished++
    if (error instanceof errors.BROKER_UNAVAILABLE) this.down(error)
    else this.#refuse(error)
  }

  #settle(message: Buffer): void {
    this.#pending--
    this.#pendingBytes -= message.length
    if (this.#pending > 0 || !this.#isOverflowing) return
    this.#isOverflowing = false
    this.#listener.onDrained()
  }

  /** If the connection is broken, the broker reports that itself. */
  #refuse(error: Error): void {
    if (this.#isRefusing || !this.isUp) return
    this.#isRefusing = true
    this.#listener.onRefused(error)
  }

  #startCheck(time: number): void {
    this.#isChecking = true
    this.#checkedAt = time
    this.#broker.check().then(
      () => this.#onAnswer(),
      (error: Error) => {
        this.#isChecking = false
        this.down(error)
        this.#checkedAt = time
      }
    )
  }

  #onAnswer(): void {
    this.#isChecking = false
    if (this.isUp || this.#isClosed) return
    this.isUp = true
    this.#listener.onUp()
  }

  #onLateAnswer(time: number): void {
    this.down(new errors.BROKER_UNAVAILABLE(`it has not answered for ${CHECK_TIMEOUT} ms`))
    this.#checkedAt = time
  }
}
