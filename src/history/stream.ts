import type { WebSocketConnection } from '../connection/connection.ts'
import type { Position } from '../rpc/position.ts'
import { CatchUp, type CaughtUpStream, type Start } from './catch-up.ts'
import { type Content, contentOf } from './content.ts'
import { HeldMessages } from './held-messages.ts'
import { type Part, type PartCache, Past } from './part-cache.ts'
import { PublishedMessage } from './published-message.ts'
import { isBehind, type StoredPart } from './store.ts'
import { type StreamClients, StreamMembers } from './stream-members.ts'
import { Tail, type TailBudget } from './tail.ts'

/** How many messages a node reads at once to fill a gap. */
const FILL_LIMIT = 256

/** How many epochs a stream may hear of before it knows its position. */
const MAX_EARLY_EPOCHS = 16

/** What all streams of a hub share. */
export interface StreamHost {
  readonly clients: StreamClients
  readonly parts: PartCache
  readonly tails: TailBudget
  /** Reads from the store. */
  read(room: string, after: number, limit: number): Promise<StoredPart>
  /** Asks the store for the position of a stream, and calls `onPosition`. */
  compareSoon(stream: Stream): void
  /** Begins a new epoch: the store has given numbers to two messages. */
  renew(stream: Stream): void
  /** The store could not be read. Calls `retry` later. */
  retryLater(stream: Stream): void
}

interface Waiter {
  readonly offset: number
  readonly resolve: (receivers: number) => void
}

/**
 * One room on this node: brings its published messages into order, and passes each to the members once. `position` is that of the last
 * message that was passed on. If messages before a live one are missing, they are read from the store first, once for all members.
 */
export class Stream implements CaughtUpStream {
  readonly room: string
  readonly label: string
  position: Position | undefined
  past = new Past()
  readonly #host: StreamHost
  readonly #members: StreamMembers
  readonly #tail: Tail
  readonly #held = new HeldMessages()
  /** The first message of each epoch, and the last of all, that have come while the position was not known. */
  readonly #earliest = new Map<string, number>()
  #latest: Position | undefined
  /** The highest offset that is known to exist. */
  #target = 0
  #isFilling = false
  #isClosed = false
  #waiters: Waiter[] = []

  constructor(room: string, label: string, host: StreamHost) {
    this.room = room
    this.label = label
    this.#host = host
    this.#members = new StreamMembers(room, this, host.clients)
    this.#tail = new Tail(host.tails)
  }

  /** The highest position that is known to exist. */
  get known(): Position | undefined {
    return this.position && { epoch: this.position.epoch, offset: Math.max(this.position.offset, this.#target) }
  }

  // ---- Members

  join(ws: WebSocketConnection, start: Start): void {
    this.#members.join(ws, start)
  }

  leave(ws: WebSocketConnection): void {
    this.#members.leave(ws)
  }

  /** Members have come or left. */
  onMembersChanged(): void {
    this.#members.onChanged()
  }

  /** The last member has left. That can happen while messages are passed on, in a listener of the hub. */
  close(): void {
    this.#isClosed = true
    this.#tail.clear()
    this.#held.drop(Infinity)
    this.#releaseWaiters(Infinity)
  }

  // ---- Messages

  /**
   * Takes a message that has just been stored. Returns how many members it was passed to, or undefined if that was not now: the node
   * misses earlier messages, or has passed it on before.
   */
  receive(at: Position, id: string, content: Content | undefined): number | undefined {
    if (this.position === undefined) return this.#noteEarly(at)
    if (at.epoch < this.position.epoch) return undefined
    if (at.epoch > this.position.epoch) this.#beginEpoch(at.epoch)
    const next = this.position.offset + 1
    if (at.offset < next) return this.#onOld(at.offset, id)
    const message = new PublishedMessage(content, { id, offset: at.offset, label: this.label })
    if (at.offset > next) return this.#onAhead(message)
    const receivers = this.#take(message)
    this.#takeHeld()
    return receivers
  }

  /** Takes a message that another node says is stored. That a new epoch has begun, only the store is believed: there is no way back. */
  receiveNotice(at: Position, id: string, content: Content | undefined): void {
    if (this.position !== undefined && at.epoch > this.position.epoch) this.#host.compareSoon(this)
    else this.receive(at, id, content)
  }

  /** Resolves once the message at this position was passed on, to the number of members that got it. */
  passedOn(at: Position): Promise<number> {
    const { position } = this
    const isDone = this.#isClosed || (position !== undefined && !isBehind(position, at))
    return isDone ? Promise.resolve(0) : new Promise((resolve) => this.#waiters.push({ offset: at.offset, resolve }))
  }

  /** Takes the position of the store. */
  onPosition(stored: Position): void {
    if (this.#isClosed) return
    if (this.position === undefined) this.#startAt(stored)
    else if (stored.epoch > this.position.epoch) this.#beginEpoch(stored.epoch)
    if (stored.epoch === this.position?.epoch) this.#reachFor(stored.offset)
    this.#members.onCompared(stored)
  }

  /** Drops what it keeps of messages that were passed on. */
  forgetPast(): void {
    this.past = new Past()
    this.#tail.clear()
  }

  /** Goes on after the store could not be read. */
  retry(): void {
    if (this.position === undefined) return
    this.#reachFor(this.#target)
    this.#members.pump()
  }

  // ---- For members that catch up

  messagesAfter(offset: number): readonly PublishedMessage[] | undefined {
    return this.#tail.after(offset) ?? this.#host.parts.after(this, offset)
  }

  async load(offset: number): Promise<boolean> {
    const { position } = this
    try {
      await this.#host.parts.load(this, offset)
      // Nothing may have been loaded because the store has lost messages. It has been asked what it knows.
      if (position !== this.position || this.messagesAfter(offset) !== undefined) return true
    } catch {
      // The store has been reported to be away.
    }
    if (!this.#isClosed) this.#host.retryLater(this)
    return false
  }

  async readPart(after: number, limit: number): Promise<Part | undefined> {
    const { position, messages } = await this.#host.read(this.room, after, limit)
    if (position.epoch !== this.position?.epoch || position.offset < this.position.offset) {
      this.#host.compareSoon(this)
      return undefined
    }
    const published = messages.map((stored) => this.#published(stored))
    return { after, end: messages.at(-1)?.offset ?? position.offset, messages: published }
  }

  compareSoon(): void {
    this.#host.compareSoon(this)
  }

  awaitAdvance(catchUp: CatchUp): void {
    this.#members.awaitAdvance(catchUp)
  }

  onCaughtUp(catchUp: CatchUp): void {
    this.#members.onCaughtUp(catchUp)
  }

  // ---- The order of messages

  /** The position is not known yet. It is before this message, which may be later than what the store will say. */
  #noteEarly(at: Position): undefined {
    const first = this.#earliest.get(at.epoch) ?? at.offset
    if (this.#earliest.size < MAX_EARLY_EPOCHS) this.#earliest.set(at.epoch, Math.min(first, at.offset))
    if (this.#latest === undefined || isBehind(this.#latest, at)) this.#latest = at
  }

  #startAt(stored: Position): void {
    const { epoch, offset } = stored
    const earliest = this.#earliest.get(epoch) ?? Infinity
    this.position = { epoch, offset: Math.max(0, Math.min(offset, earliest - 1)) }
    this.#earliest.clear()
    this.#releaseWaiters(this.position.offset)
    this.#members.pump()
    if (this.#latest?.epoch === epoch) this.#reachFor(this.#latest.offset)
    else if (this.#latest !== undefined) this.#host.compareSoon(this)
  }

  #take(message: PublishedMessage): number {
    const { offset } = message
    this.position = { epoch: (this.position as Position).epoch, offset }
    this.#tail.push(message)
    const receivers = this.#members.deliver(message)
    this.#members.onAdvanced()
    this.#releaseWaiters(offset, receivers)
    return receivers
  }

  /** The number of a message that was passed on before. It is a copy of it, unless the store has lost the other one. */
  #onOld(offset: number, id: string): undefined {
    const known = this.#tail.find(offset)
    if (known === undefined) this.#host.compareSoon(this)
    else if (known.id !== id) this.#host.renew(this)
  }

  #onAhead(message: PublishedMessage): undefined {
    this.#held.add(message)
    this.#reachFor(message.offset)
  }

  #takeHeld(): void {
    for (;;) {
      const message = this.#held.take((this.position as Position).offset + 1)
      if (message === undefined) return this.#held.drop((this.position as Position).offset)
      this.#take(message)
    }
  }

  /** Nothing of the earlier epoch is left. */
  #beginEpoch(epoch: string): void {
    this.#jumpTo({ epoch, offset: 0 })
    this.#target = 0
    this.#releaseWaiters(Infinity)
    this.#members.restartAt(this.position as Position, { recovered: false, reason: 'epoch' })
  }

  /** The messages up to this offset are gone before this node could pass them on. */
  #skipTo(offset: number): void {
    this.#jumpTo({ epoch: (this.position as Position).epoch, offset })
    this.#releaseWaiters(offset)
    this.#members.skipTo(this.position as Position)
  }

  #jumpTo(position: Position): void {
    this.position = position
    this.#tail.clear()
    this.#held.drop(position.offset === 0 ? Infinity : position.offset)
  }

  // ---- Filling gaps

  /** Messages up to this offset exist. Reads those that are missing. */
  #reachFor(offset: number): void {
    this.#target = Math.max(this.#target, offset)
    if (!this.#isFilling && this.#isIncomplete) void this.#fill()
  }

  get #isIncomplete(): boolean {
    return !this.#isClosed && (this.position as Position).offset < this.#target
  }

  async #fill(): Promise<void> {
    this.#isFilling = true
    try {
      const last = this.#tail.find((this.position as Position).offset)
      if (last !== undefined && (await this.#isReplaced(last))) this.#target = (this.position as Position).offset
      while (this.#isIncomplete) {
        const part = await this.#host.read(this.room, (this.position as Position).offset, FILL_LIMIT)
        if (!this.#fillWith(part)) break
      }
    } catch {
      if (!this.#isClosed) this.#host.retryLater(this)
    }
    this.#isFilling = false
  }

  /**
   * True if the store has another message in the place of the last one that was passed on: it has lost that one, and has given its number
   * away before this node could ask. What came in between was missed, too.
   */
  async #isReplaced({ offset, id }: PublishedMessage): Promise<boolean> {
    const { epoch } = this.position as Position
    const { position, messages } = await this.#host.read(this.room, offset - 1, 1)
    const [stored] = messages
    if (position.epoch !== epoch || stored?.offset !== offset || stored.id === id) return false
    this.#host.renew(this)
    return true
  }

  /** False if the store does not have what is missing. */
  #fillWith({ position: stored, messages }: StoredPart): boolean {
    if (this.#isClosed) return false
    const { epoch } = this.position as Position
    if (stored.epoch > epoch) {
      this.onPosition(stored)
      return true
    }
    if (stored.epoch < epoch || stored.offset < this.#target) {
      this.#host.compareSoon(this)
      return false
    }
    for (const message of messages.map((one) => this.#published(one))) this.#takeNext(message)
    if (messages.length === 0 && this.#isIncomplete) this.#skipTo(stored.offset)
    this.#takeHeld()
    return true
  }

  #takeNext(message: PublishedMessage): void {
    const { offset } = this.position as Position
    if (this.#isClosed) return
    if (message.offset > offset + 1) this.#skipTo(message.offset - 1)
    if (message.offset > offset) this.#take(message)
  }

  #published({ id, offset, body }: StoredPart['messages'][number]): PublishedMessage {
    return new PublishedMessage(contentOf(body), { id, offset, label: this.label })
  }

  // ---- Publishers that wait

  #releaseWaiters(offset: number, receivers = 0): void {
    if (this.#waiters.length === 0) return
    const due = this.#waiters.filter((waiter) => waiter.offset <= offset)
    this.#waiters = this.#waiters.filter((waiter) => waiter.offset > offset)
    for (const waiter of due) waiter.resolve(waiter.offset === offset ? receivers : 0)
  }
}
