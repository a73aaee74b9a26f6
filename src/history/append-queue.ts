import type { Appended, NewMessage } from './store.ts'

/** How many messages, and about how many bytes of them, are appended in one step. */
const BATCH = 128
const BATCH_BYTES = 1024 * 1024

/** A message that waits for the store, and the caller that waits with it. */
export class PendingAppend<Message extends NewMessage> {
  readonly message: Message
  /** When the caller gives up, by `now()`. */
  readonly deadline: number
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: Error) => void
  /** The caller does not wait any more. */
  isSettled = false

  constructor(
    message: Message,
    deadline: number,
    { resolve, reject }: Pick<PendingAppend<Message>, 'resolve' | 'reject'>
  ) {
    this.message = message
    this.deadline = deadline
    this.resolve = resolve
    this.reject = reject
  }

  get size(): number {
    return this.message.body.length
  }
}

/** The messages of a room that wait for the store, in order. */
export class AppendQueue<Message extends NewMessage> {
  #waiting: PendingAppend<Message>[] = []
  /** True after an error: the next messages go one by one, so that one that the store refuses does not take others with it. */
  isCareful = false

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  push(pending: PendingAppend<Message>): void {
    this.#waiting.push(pending)
  }

  /** Takes out the messages that go together in the next step. */
  takeBatch(): PendingAppend<Message>[] {
    let bytes = 0
    let count = 0
    const limit = this.isCareful ? 1 : BATCH
    while (count < limit && count < this.#waiting.length && bytes < BATCH_BYTES)
      bytes += (this.#waiting[count++] as PendingAppend<Message>).size
    return this.#waiting.splice(0, count)
  }

  /** Puts a batch back to where it was. */
  putBack(batch: readonly PendingAppend<Message>[]): void {
    this.#waiting.unshift(...batch)
  }

  /** Takes out the messages that nobody waits for any more. */
  removeSettled(): PendingAppend<Message>[] {
    const settled = this.#waiting.filter(({ isSettled }) => isSettled)
    if (settled.length > 0) this.#waiting = this.#waiting.filter(({ isSettled }) => !isSettled)
    return settled
  }
}
