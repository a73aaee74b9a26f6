import { costOf, type PublishedMessage } from './published-message.ts'

const MAX_BYTES = 256 * 1024

/** Messages that have come before earlier ones. What does not fit is read from the store. */
export class HeldMessages {
  readonly #messages = new Map<number, PublishedMessage>()
  #bytes = 0

  add(message: PublishedMessage): void {
    if (this.#bytes + costOf(message) > MAX_BYTES || this.#messages.has(message.offset)) return
    this.#messages.set(message.offset, message)
    this.#bytes += costOf(message)
  }

  /** Takes out the message with this offset, if it is here. */
  take(offset: number): PublishedMessage | undefined {
    const message = this.#messages.get(offset)
    if (message === undefined) return undefined
    this.#messages.delete(offset)
    this.#bytes -= costOf(message)
    return message
  }

  /** Drops the messages up to this offset. */
  drop(offset: number): void {
    for (const one of this.#messages.keys()) if (one <= offset) this.take(one)
  }
}
