import type { CloseError } from '../../internal/close-codes.ts'
import { atEndOfTick } from '../../internal/end-of-turn.ts'
import { errors } from '../../internal/errors.ts'
import { microtask } from '../../internal/event-loop.ts'
import type { WebSocketMessage } from '../../internal/message.ts'
import type { RateLimiter } from './rate-limiter.ts'

/** How many bytes a message counts in addition to its payload, so that a flood of empty messages counts, too. */
const MESSAGE_COST = 32

/** After this many read messages the rest of the queue is moved to the front of its array. */
const COMPACT_FROM = 64

/** The messages of every connection that never had an unread one. Nothing is ever put into it. */
const NO_MESSAGES: WebSocketMessage[] = []

/** Waits for the next message. Exactly one of the methods is called. */
export interface Reader {
  message(message: WebSocketMessage): void
  /** The connection has ended. The error is made only if the reader needs it, because its stack trace costs time. */
  end(error: () => CloseError): void
  /** Another reader has the queue, or the read was aborted. */
  refuse(error: Error): void
}

/** Where the messages come from: a session. An interface, because the session imports the read queue. */
export interface MessageSource {
  /** Too much is unread: read nothing more from the stream. */
  pause(): void
  /** The queue is no longer full. */
  resume(): void
  /** After `stop`: all messages were read, and a reader has asked for the next one. */
  onAllAnswered(): void
}

/**
 * The received messages that were not read yet, in order. If a reader waits, a message goes straight to it. If more than
 * `limit` is unread at the end of a tick, the source is paused, and resumed once everything was read.
 */
export class ReadQueue {
  readonly #source: MessageSource
  #messages = NO_MESSAGES
  #head = 0
  #reader: Reader | undefined
  /** If set, the only reader that may read. */
  #reservedFor: Reader | undefined
  /** True from when a message was read until the next one is asked for. */
  #isAnswering = false
  #end: (() => CloseError) | undefined
  #isStopped = false
  #isCheckScheduled = false
  /** Decides whether the next message may be read; undefined if there is no rate limit. */
  limiter: RateLimiter | undefined
  /** If more bytes than this are unread, the queue is full. */
  limit: number
  /** How many bytes are unread. */
  unreadBytes = 0
  /** True while the source is paused. */
  isPaused = false

  constructor(source: MessageSource, limit: number) {
    this.#source = source
    this.limit = limit
  }

  /** Adds a received message. After `stop` it is dropped. */
  push(message: WebSocketMessage): void {
    if (this.#isStopped) return
    if (this.#reader !== undefined && this.#head === this.#messages.length) {
      const decision = this.limiter?.decide(message) ?? 'pass'
      if (decision === 'pass') return this.#give(message)
      if (decision === 'drop') return
    }
    if (this.#messages === NO_MESSAGES) this.#messages = []
    this.#messages.push(message)
    this.unreadBytes += message.data.length + MESSAGE_COST
    if (this.isFull && !this.isPaused) this.#checkLater()
  }

  /**
   * Gives the next message to `reader`, now or when it comes. Refuses the reader with FST_BLAZE_WS_CONCURRENT_READ if another one
   * waits, or if the queue is reserved for another one.
   */
  read(reader: Reader): void {
    if (this.#reader !== undefined || (this.#reservedFor !== undefined && this.#reservedFor !== reader))
      reader.refuse(new errors.CONCURRENT_READ())
    else this.#read(reader)
  }

  /** Lets only `reader` read, until `endReservation`. Refuses one that already waits with FST_BLAZE_WS_CONCURRENT_READ. */
  reserveFor(reader: Reader): void {
    const waiting = this.#reader
    this.#reader = undefined
    this.#reservedFor = reader
    waiting?.refuse(new errors.CONCURRENT_READ())
  }

  /** Lets any reader read again. Unread messages stay for it. */
  endReservation(): void {
    this.#reader = undefined
    this.#reservedFor = undefined
  }

  /** Stops `reader` from waiting. No message is lost. */
  cancel(reader: Reader): void {
    if (this.#reader === reader) this.#reader = undefined
  }

  /** True while a reader waits. */
  get hasReader(): boolean {
    return this.#reader !== undefined
  }

  /** True while the handler may still answer a message: some are unread, or it has not asked for another after the last one. */
  get hasUnanswered(): boolean {
    return this.#isAnswering || this.#head < this.#messages.length
  }

  /** True while more than `limit` is unread. False after `stop`. */
  get isFull(): boolean {
    return this.unreadBytes > this.limit && !this.#isStopped
  }

  /** True if more than `limit` is unread with this message. False if a reader waits for it. */
  isFullWith(message: WebSocketMessage): boolean {
    return !this.hasReader && this.unreadBytes + message.data.length + MESSAGE_COST > this.limit
  }

  /** Drops further messages. Unread ones can still be read. */
  stop(): void {
    this.#isStopped = true
    this.#resume()
  }

  /** Drops further messages. Unread ones can still be read; after them reads end with this error. */
  end(error: () => CloseError): void {
    this.stop()
    this.#end = error
    // The unread messages need no rate limit: they fit in the buffer, and the client cannot send more.
    this.limiter?.stop()
    this.limiter = undefined
    const reader = this.#reader
    this.#reader = undefined
    if (reader !== undefined) this.#read(reader)
  }

  /** The queue may be no longer full, because its limit was raised. */
  onLimitRaised(): void {
    if (!this.isFull) this.#resume()
  }

  /** Tries again to give a message to the reader that waits, after the rate limit made it wait. */
  retry(): void {
    const reader = this.#reader
    if (reader === undefined) return
    this.#reader = undefined
    this.#read(reader)
  }

  /** By now the handler had its chance to read, because its promise continuations run before the end of the tick. */
  endOfTick(): void {
    this.#isCheckScheduled = false
    if (this.isPaused) return
    this.isPaused = this.isFull
    if (this.isPaused) this.#source.pause()
    else this.#source.resume()
  }

  /** In a socket's event, a direct call of `atEndOfTick` would run before the handler's promise continuations. */
  #checkLater(): void {
    if (this.#isCheckScheduled) return
    this.#isCheckScheduled = true
    microtask(() => atEndOfTick(this))
  }

  /**
   * The next message, if there is one that may be read. Undefined while a reader waits, or if the queue is reserved for a
   * reader other than this one.
   */
  take(reader?: Reader): WebSocketMessage | undefined {
    if (this.#reader !== undefined || this.#reservedFor !== reader) return undefined
    this.#isAnswering = false
    while (this.#head < this.#messages.length) {
      const decision = this.limiter?.decide(this.#messages[this.#head] as WebSocketMessage) ?? 'pass'
      if (decision === 'wait') return undefined
      // Before the shift, which can resume the source: the client's close frame may come next.
      this.#isAnswering = decision === 'pass'
      const message = this.#shift()
      if (decision === 'pass') return message
    }
    if (this.#isStopped) this.#source.onAllAnswered()
    return undefined
  }

  #read(reader: Reader): void {
    const message = this.take(this.#reservedFor)
    if (message !== undefined) reader.message(message)
    else if (this.#end !== undefined) reader.end(this.#end)
    else this.#reader = reader
  }

  #give(message: WebSocketMessage): void {
    const reader = this.#reader
    this.#reader = undefined
    this.#isAnswering = true
    reader?.message(message)
  }

  #shift(): WebSocketMessage {
    const message = this.#messages[this.#head] as WebSocketMessage
    this.#messages[this.#head++] = undefined as never
    this.unreadBytes -= message.data.length + MESSAGE_COST
    if (this.#head === this.#messages.length) {
      this.#messages.length = 0
      this.#head = 0
      this.#resume()
    } else if (this.#head >= COMPACT_FROM && this.#head * 2 >= this.#messages.length) {
      this.#messages.splice(0, this.#head)
      this.#head = 0
    }
    return message
  }

  #resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    this.#source.resume()
  }
}
