import type { WebSocketConnection } from '../connection/connection.ts'
import type { Position } from '../rpc/position.ts'
import { joinedText, type Recovery, sendNotice, takesNotices } from './join.ts'
import type { PublishedMessage } from './published-message.ts'

/** A client gets no further message of the past while it has more unsent bytes than this: about a part of what was read. */
const MAX_UNSENT_BYTES = 256 * 1024

/** Where a catch-up begins. */
export interface Start {
  /** After this position, if that can be recovered. */
  readonly since: Position | undefined
  /** Otherwise with the last so many messages; undefined for all that are there if there was a position, and else for none. */
  readonly last: number | undefined
  /** True if the client has sent the position, not the handler. */
  readonly isResume: boolean
}

/** The stream that a client catches up with. */
export interface CaughtUpStream {
  readonly label: string
  /** Where this node is in the stream; undefined as long as it does not know. */
  readonly position: Position | undefined
  /** The messages after an offset, with or without those that follow them; undefined if they have to be loaded. */
  messagesAfter(offset: number): readonly PublishedMessage[] | undefined
  /** Loads messages after an offset. Resolves to false if that was not possible; `pump` is called later then. */
  load(offset: number): Promise<boolean>
  /** Compares the position with that of the store; `onCompared` is called with the result. */
  compareSoon(): void
  /** Calls `pump` once the position has advanced. */
  awaitAdvance(catchUp: CatchUp): void
  /** The client has everything up to the position of the stream. From now on it gets live messages. */
  onCaughtUp(catchUp: CatchUp): void
}

/**
 * One client that gets messages of the past. They are read in parts, and sent as fast as the client takes them. Meanwhile it gets no
 * live messages of this room, and none are kept for it: they will be read, too. It goes live in the turn in which it has everything.
 */
export class CatchUp {
  readonly ws: WebSocketConnection
  readonly #stream: CaughtUpStream
  /** Undefined once it has begun. */
  #start: Start | undefined
  /** How many of the last messages are enough if a position of the client is lost. */
  readonly #last: number | undefined
  /** The last message that the client has, or has been told that it misses. */
  #offset = 0
  /** What the client must be told before the next message. */
  #notice: Recovery | undefined
  /** True if the client expects the message after `#offset`: if that is gone, it must be told. */
  #expectsNext = false
  #hasAsked = false
  #isWaiting = false
  #hasEnded = false

  constructor(ws: WebSocketConnection, stream: CaughtUpStream, start?: Start) {
    this.ws = ws
    this.#stream = stream
    this.#start = start
    this.#last = start?.isResume === true ? start.last : undefined
  }

  /** Goes on after an offset. With a notice, that is where the client is set to. */
  continueAfter(offset: number, notice?: Recovery): void {
    this.#start = undefined
    this.#offset = offset
    this.#notice = notice
    this.#expectsNext = notice === undefined
  }

  /** The client has begun: its position is one of the current epoch. */
  get hasBegun(): boolean {
    return this.#start === undefined
  }

  end(): void {
    this.#hasEnded = true
  }

  /** Waits until the client has taken what it was sent. */
  waitForClient(): void {
    if (this.#isWaiting) return
    this.#isWaiting = true
    this.ws.session.writer.onCaughtUp(() => {
      this.#isWaiting = false
      this.pump()
    })
  }

  /** Sends what can be sent now. */
  pump(): void {
    while (!this.#isWaiting && !this.#hasEnded) {
      const { position } = this.#stream
      if (position === undefined) return
      if (this.#start !== undefined && !this.#begin(this.#start, position)) return
      if (this.#offset >= position.offset) return this.#arrive(position)
      const messages = this.#stream.messagesAfter(this.#offset)
      if (messages === undefined) return void this.#load()
      this.#sendAll(messages, position)
    }
  }

  /** The position of the store is known, which was asked for because the client knows a later one than this node. */
  onCompared(stored: Position): void {
    const start = this.#start
    if (start === undefined || !this.#hasAsked || this.#hasEnded) return
    const { since } = start
    const isThere = since?.epoch === stored.epoch && since.offset <= stored.offset
    if (isThere) this.#beginAfter(since.offset, true)
    else this.#beginLost(start, this.#stream.position ?? stored)
    this.pump()
  }

  /** False if the position of the store has to be known first. */
  #begin(start: Start, position: Position): boolean {
    const { since, last = 0 } = start
    if (since === undefined) this.#beginWith(position.offset - last, {})
    else if (since.epoch === position.epoch && since.offset <= position.offset) this.#beginAfter(since.offset, true)
    else if (since.epoch < position.epoch) this.#beginLost(start, position)
    else {
      if (!this.#hasAsked) this.#stream.compareSoon()
      this.#hasAsked = true
      return false
    }
    return true
  }

  #beginAfter(offset: number, recovered: boolean): void {
    this.continueAfter(offset, { recovered })
    this.#expectsNext = true
  }

  #beginLost({ last }: Start, position: Position): void {
    this.#beginWith(last === undefined ? 0 : position.offset - last, { recovered: false, reason: 'epoch' })
  }

  #beginWith(offset: number, notice: Recovery): void {
    this.continueAfter(Math.max(0, offset), notice)
  }

  #sendAll(messages: readonly PublishedMessage[], position: Position): void {
    if (messages.length === 0) return this.#skipTo(position.offset, position)
    for (const message of messages) {
      if (message.offset > this.#offset + 1) this.#skipTo(Math.min(message.offset - 1, position.offset), position)
      if (message.offset > position.offset) return
      if (message.offset > this.#offset && !this.#send(message)) return
    }
  }

  /** The messages up to this offset are gone. */
  #skipTo(offset: number, position: Position): void {
    let next = offset
    if (this.#expectsNext) {
      this.#notice = { recovered: false, reason: 'trimmed' }
      this.#expectsNext = false
      if (this.#last !== undefined) next = Math.max(offset, position.offset - this.#last)
    }
    this.#offset = next
  }

  /** False if the client has to take something first. */
  #send(message: PublishedMessage): boolean {
    const { session } = this.ws
    if (!message.isFor(session)) {
      this.#notice ??= {}
      this.#advance(message.offset)
      return true
    }
    if (session.writer.unsentBytes > MAX_UNSENT_BYTES) return this.#pause()
    this.#sendNotice()
    const offer = session.writer.offer(message.frameFor(session.deflate), false)
    if (offer === 'full') return this.#pause()
    if (offer === 'closed') this.end()
    else this.#advance(message.offset)
    return offer === 'taken'
  }

  #pause(): false {
    this.waitForClient()
    return false
  }

  #advance(offset: number): void {
    this.#offset = offset
    this.#expectsNext = true
  }

  #sendNotice(): void {
    const notice = this.#notice
    this.#notice = undefined
    const { label, position } = this.#stream
    const { session } = this.ws
    if (notice === undefined || position === undefined || !takesNotices(session)) return
    sendNotice(session, joinedText(label, { epoch: position.epoch, offset: this.#offset }, notice))
  }

  #arrive({ offset }: Position): void {
    this.#sendNotice()
    if (this.#offset > offset) return this.#stream.awaitAdvance(this)
    this.end()
    this.#stream.onCaughtUp(this)
  }

  async #load(): Promise<void> {
    this.#isWaiting = true
    const isLoaded = await this.#stream.load(this.#offset)
    this.#isWaiting = false
    if (isLoaded) this.pump()
  }
}
