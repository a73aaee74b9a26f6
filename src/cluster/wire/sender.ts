import { isConnectionId } from '../../internal/connection-id.ts'
import type { Channels } from './channels.ts'
import { type Envelope, encode, newOrigin, sizeOf } from './envelope.ts'
import { SequenceNumbers } from './sequence.ts'

/** What a node or a publisher has to say. */
export type Message = Pick<Envelope, 'kind' | 'payload' | 'ids'>

/** Sends a message of this size, or does not: only what `bytes` was called for gets a number. */
export type Post = (channel: string, size: number, bytes: () => Buffer) => void

const MAX_UINT32 = 2 ** 32 - 1

/** Addresses and numbers what one node or publisher sends. */
export class Sender {
  readonly origin = newOrigin()
  readonly #numbering = new SequenceNumbers()
  readonly #channels: Channels
  readonly #post: Post
  #lastId = 0

  constructor(channels: Channels, post: Post) {
    this.#channels = channels
    this.#post = post
  }

  /** Sends to those who have one of these rooms or ids, or to all; not to the connections with the ids of the message. */
  publish(targets: readonly string[] | undefined, message: Message): void {
    if (targets === undefined) return this.send(this.#channels.all, message)
    const channels = new Map<string, string[]>()
    for (const name of new Set(targets)) {
      const channel = this.#channels.of(name)
      const ids = channels.get(channel) ?? []
      channels.set(channel, ids)
      if (isConnectionId(name)) ids.push(name)
    }
    // A node that has several of them gets several copies, which have one id.
    const id = channels.size > 1 ? this.#nextId() : 0
    for (const [channel, ids] of channels) {
      if (ids.length === 0) this.send(channel, message, id)
      else this.#sendTo(channel, ids, message, id)
    }
  }

  #sendTo(channel: string, recipients: string[], message: Message, id: number): void {
    const ids = recipients.filter((one) => !message.ids.includes(one))
    if (ids.length > 0) this.send(channel, { ...message, ids }, id)
  }

  send(channel: string, message: Message, id = 0): void {
    this.#post(channel, sizeOf(message), () =>
      encode({ ...message, ...this.#numbering.next(channel), origin: this.origin, id })
    )
  }

  #nextId(): number {
    this.#lastId = (this.#lastId % MAX_UINT32) + 1
    return this.#lastId
  }
}
