import { errors } from '../../internal/errors.ts'
import type { WebSocketMessage } from '../../internal/message.ts'
import { atEndOfTick } from '../../internal/end-of-turn.ts'

/** What a message costs beside its payload, in bytes: it makes a flood of empty messages count, too. */
const MESSAGE_COST = 32

/** From how many messages that were read on the rest is moved to the front. */
const COMPACT_FROM = 64

/** Stands for the messages of every connection that never had an unread one. Nothing is put into it. */
const NONE: WebSocketMessage[] = []

/** Who waits for the next message. */
export interface Reader {
  message(message: WebSocketMessage): void
  /** No message will come. */
  end(error: Error): void
}

/** Decides over a message that is about to be read. After 'wait', `Inbound.reopen` is called when it may be asked again. */
export interface Gate {
  admit(message: WebSocketMessage): 'pass' | 'wait' | 'drop'
  /** No more messages come. */
  stop(): void
}

/** What the queue of received messages does to its source. */
export interface Source {
  pause(): void
  resume(): void
  /** A reader has asked for more when nothing was left and nothing more is taken: all that came is answered. */
  exhausted(): void
}

/**
 * The received messages that nobody has read yet, in order. A message goes straight to a waiting reader; with more than
 * `readBufferSize` unread at the end of a tick the source is paused, and resumed once all was read.
 */
export class ReadQueue {
  readonly #source: Source
  readonly #readBufferSize: number
  #messages = NONE
  #head = 0
  #reader: Reader | undefined
  /** The only one who may read, where there is one. */
  #owner: Reader | undefined
  /** True from when a message was given out until the next one is asked for. */
  #isAnswering = false
  #end: (() => Error) | undefined
  #stopped = false
  #checking = false
  #onDrained: (() => void) | undefined
  /** What holds messages back; a rate limit. */
  gate: Gate | undefined
  /** What is unread, in bytes. */
  unread = 0
  isPaused = false

  constructor(source: Source, readBufferSize: number) {
    this.#source = source
    this.#readBufferSize = readBufferSize
  }

  /** Takes a received message. After `stop` messages are dropped. */
  push(message: WebSocketMessage): void {
    if (this.#stopped) return
    if (this.#reader !== undefined && this.#head === this.#messages.length) {
      const verdict = this.gate?.admit(message) ?? 'pass'
      if (verdict === 'pass') return this.#give(message)
      if (verdict === 'drop') return
    }
    if (this.#messages === NONE) this.#messages = []
    this.#messages.push(message)
    this.unread += message.data.length + MESSAGE_COST
    if (this.isFull && !this.isPaused) this.#checkLater()
  }

  /** Gives the next message to `reader`, now or when it comes; an error where another reader waits or owns the messages. */
  read(reader: Reader): void {
    if (this.#reader !== undefined || (this.#owner !== undefined && this.#owner !== reader))
      reader.end(new errors.CONCURRENT_READ())
    else this.#read(reader)
  }

  /** Makes `reader` the only one who may read, until `release`; one that waits gets an error. */
  reserveFor(reader: Reader): void {
    const waiting = this.#reader
    this.#reader = undefined
    this.#owner = reader
    waiting?.end(new errors.CONCURRENT_READ())
  }

  /** Takes `seize` back. What is unread stays for others. */
  release(): void {
    this.#reader = undefined
    this.#owner = undefined
  }

  /** Lets go of a reader that does not want to wait any longer; nothing is lost by it. */
  cancel(reader: Reader): void {
    if (this.#reader === reader) this.#reader = undefined
  }

  /** True while a reader waits. */
  get isAwaited(): boolean {
    return this.#reader !== undefined
  }

  /** True while messages are unread, or one was read and the next one not asked for: its reader may still answer it. */
  get isBusy(): boolean {
    return this.#isAnswering || this.#head < this.#messages.length
  }

  /** True while more than `readBufferSize` is unread and still wanted. */
  get isFull(): boolean {
    return this.unread > this.#readBufferSize && !this.#stopped
  }

  /** Calls back once, when all was read or nothing is taken any more. */
  onDrained(callback: () => void): void {
    this.#onDrained = callback
  }

  /** Takes no more messages. What is unread stays. */
  stop(): void {
    this.#stopped = true
    this.#drained()
  }

  /** Takes no more messages. What is unread stays; behind it every read ends with this error. */
  end(error: () => Error): void {
    this.stop()
    this.#end = error
    // What is held back is no more than the buffer, and the client cannot send more.
    this.gate?.stop()
    this.gate = undefined
    const reader = this.#reader
    this.#reader = undefined
    if (reader !== undefined) this.#read(reader)
  }

  /** The gate may let something through again. */
  reopen(): void {
    const reader = this.#reader
    if (reader === undefined) return
    this.#reader = undefined
    this.#read(reader)
  }

  /** The handler, whose continuations run before the end of the tick, has had its chance to read: now unread is unread. */
  endOfTick(): void {
    this.#checking = false
    if (!this.isFull || this.isPaused) return
    this.isPaused = true
    this.#source.pause()
  }

  /** Not `atEndOfTick` at once: from a socket's event that would come before the handler's continuations. */
  #checkLater(): void {
    if (this.#checking) return
    this.#checking = true
    queueMicrotask(() => atEndOfTick(this))
  }

  /** The next message, where there is one that may be read and no other reader waits or owns the messages. */
  take(owner?: Reader): WebSocketMessage | undefined {
    if (this.#reader !== undefined || this.#owner !== owner) return undefined
    this.#isAnswering = false
    while (this.#head < this.#messages.length) {
      const verdict = this.gate?.admit(this.#messages[this.#head] as WebSocketMessage) ?? 'pass'
      if (verdict === 'wait') return undefined
      const message = this.#shift()
      if (verdict === 'pass') {
        this.#isAnswering = true
        return message
      }
    }
    if (this.#stopped) this.#source.exhausted()
    return undefined
  }

  #read(reader: Reader): void {
    const message = this.take(this.#owner)
    if (message !== undefined) reader.message(message)
    else if (this.#end !== undefined) reader.end(this.#end())
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
    this.unread -= message.data.length + MESSAGE_COST
    if (this.#head === this.#messages.length) {
      this.#messages.length = 0
      this.#head = 0
      this.#drained()
    } else if (this.#head >= COMPACT_FROM && this.#head * 2 >= this.#messages.length) {
      this.#messages.splice(0, this.#head)
      this.#head = 0
    }
    return message
  }

  #drained(): void {
    if (this.isPaused) {
      this.isPaused = false
      this.#source.resume()
    }
    const onDrained = this.#onDrained
    this.#onDrained = undefined
    onDrained?.()
  }
}
