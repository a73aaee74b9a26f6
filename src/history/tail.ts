import { costOf, type PublishedMessage } from './published-message.ts'

/** How many bytes of a room a node keeps. */
const MAX_BYTES = 256 * 1024
/** How many bytes all rooms of a hub keep together. Beyond it, a room keeps its last message alone. */
const MAX_TOTAL_BYTES = 32 * 1024 * 1024

/** The bytes in all tails of a hub. */
export interface TailBudget {
  bytes: number
}

/**
 * The last messages of a room that this node has delivered. Clients that have almost caught up get them from here: a read from the
 * store would always be a little behind a busy room.
 */
export class Tail {
  readonly #budget: TailBudget
  #messages: PublishedMessage[] = []
  #bytes = 0

  constructor(budget: TailBudget) {
    this.#budget = budget
  }

  push(message: PublishedMessage): void {
    this.#messages.push(message)
    this.#count(costOf(message))
    const limit = this.#budget.bytes > MAX_TOTAL_BYTES ? 0 : MAX_BYTES
    if (this.#bytes > limit) this.#trim(limit)
  }

  /** The messages after an offset; undefined if some of them are not here any more. */
  after(offset: number): readonly PublishedMessage[] | undefined {
    const first = this.#messages[0]?.offset
    return first === undefined || offset + 1 < first ? undefined : this.#messages.slice(offset + 1 - first)
  }

  find(offset: number): PublishedMessage | undefined {
    return this.after(offset - 1)?.[0]
  }

  clear(): void {
    this.#messages = []
    this.#count(-this.#bytes)
  }

  /** Drops a message that is too large alone, or the oldest messages until three quarters of the limit are left: to remove one at a time would move all others each time. */
  #trim(limit: number): void {
    const last = this.#messages.at(-1) as PublishedMessage
    if (costOf(last) > MAX_BYTES) return this.clear()
    let bytes = this.#bytes
    let count = 0
    while (count < this.#messages.length - 1 && bytes > limit * 0.75)
      bytes -= costOf(this.#messages[count++] as PublishedMessage)
    this.#messages.splice(0, count)
    this.#count(bytes - this.#bytes)
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    this.#budget.bytes += bytes
  }
}
