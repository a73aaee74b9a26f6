import type { Position } from '../rpc/position.ts'
import { unpooledCopy } from '../internal/unpooled.ts'
import type { Linked } from './recency-list.ts'
import type { Appended, NewMessage, ReadRange, StoredMessage } from './store.ts'

/** About what a room takes beside its name, and a message beside its id and its body, in bytes. */
const ROOM_OVERHEAD = 400
const MESSAGE_OVERHEAD = 300
/** So many dropped messages may leave their places empty, so that dropping the oldest of many does not move all others each time. */
const MIN_EMPTY = 64

/** How many bytes a room takes if it has no messages. */
export function sizeOfRoom(name: string): number {
  return ROOM_OVERHEAD + sizeOfText(name)
}

/** How many bytes a message takes. */
export function sizeOfMessage({ id, body }: NewMessage): number {
  return MESSAGE_OVERHEAD + sizeOfText(id) + body.byteLength
}

/** A character takes two bytes at most. */
function sizeOfText(text: string): number {
  return text.length * 2
}

/** The messages of a room in the memory of this process, and their numbers. */
export class MemoryRoom implements Position, Linked<MemoryRoom> {
  older: MemoryRoom | undefined = undefined
  newer: MemoryRoom | undefined = undefined
  readonly name: string
  epoch: string
  /** The number of the last message. */
  offset = 0
  /** How much memory the room takes. */
  bytes: number
  /** Until when the position must be kept. */
  keptUntil = 0
  #ttl = 0
  /** The messages after `#empty` places of dropped ones. Their offsets have no holes, and their times never go back. */
  #messages: (StoredMessage | undefined)[] = []
  #empty = 0
  /** The offsets of the messages, by their ids. Most rooms have no messages, and so no map. */
  #offsets: Map<string, number> | undefined

  constructor(name: string, epoch: string) {
    this.name = name
    this.epoch = epoch
    this.bytes = sizeOfRoom(name)
  }

  get count(): number {
    return this.#messages.length - this.#empty
  }

  get position(): Position {
    return { epoch: this.epoch, offset: this.offset }
  }

  /** Keeps the position for twice the `ttl`. A call without one has that of the call before. */
  keep(now: number, ttl = this.#ttl): void {
    this.#ttl = ttl
    this.keptUntil = Math.max(this.keptUntil, now + 2 * ttl)
  }

  /** Begins an epoch: the numbers begin again. */
  begin(epoch: string): void {
    this.clear()
    this.epoch = epoch
    this.offset = 0
  }

  clear(): void {
    this.#messages = []
    this.#empty = 0
    this.#offsets = undefined
    this.bytes = sizeOfRoom(this.name)
  }

  /** Adds a message, unless there is one with its id. */
  add(message: NewMessage): Appended {
    const { epoch } = this
    const { id, body } = message
    const stored = this.#offsets?.get(id)
    if (stored !== undefined) return { epoch, offset: stored, isNew: false }
    const offset = ++this.offset
    // The clock of a machine may go back. The times of messages do not, so that the oldest are those that are too old.
    const time = Math.max(Date.now(), this.#messages.at(-1)?.time ?? 0)
    // A copy: the bytes may be a small part of much memory, and the caller may change them.
    this.#messages.push({ id, body: unpooledCopy(body), offset, time })
    this.#offsets ??= new Map()
    this.#offsets.set(id, offset)
    this.bytes += sizeOfMessage(message)
    return { epoch, offset, isNew: true }
  }

  /** Drops the oldest message. */
  dropOldest(): void {
    const oldest = this.#messages[this.#empty]
    if (oldest === undefined) return
    this.bytes -= sizeOfMessage(oldest)
    this.#offsets?.delete(oldest.id)
    this.#messages[this.#empty++] = undefined
    if (this.#empty >= MIN_EMPTY && this.#empty * 2 >= this.#messages.length) {
      this.#messages = this.#messages.slice(this.#empty)
      this.#empty = 0
    }
  }

  /** Drops the messages that are older than this time. */
  dropBefore(time: number): void {
    for (let end = this.#indexOf(time); end > 0; end--) this.dropOldest()
  }

  /** Drops the oldest messages until there are at most so many. */
  dropTo(count: number): void {
    while (this.count > count) this.dropOldest()
  }

  read({ after, limit, maxBytes, ttl }: ReadRange): StoredMessage[] {
    const messages: StoredMessage[] = []
    const first = this.offset - this.count + 1
    let index = Math.max(after + 1 - first, this.#indexOf(Date.now() - ttl)) + this.#empty
    for (let bytes = 0; messages.length < limit && index < this.#messages.length; index++) {
      if (messages.length > 0 && bytes >= maxBytes) break
      const message = this.#messages[index] as StoredMessage
      messages.push(message)
      bytes += message.body.byteLength
    }
    return messages
  }

  /** How many messages are older than this time. */
  #indexOf(time: number): number {
    let [low, high] = [this.#empty, this.#messages.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#messages[middle] as StoredMessage).time < time) low = middle + 1
      else high = middle
    }
    return low - this.#empty
  }
}
