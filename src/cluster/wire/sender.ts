import { isConnectionId } from '../../internal/connection-id.ts'
import type { Channels } from './channels.ts'
import { type Envelope, encode, type Kind, newOrigin, sizeOf } from './envelope.ts'
import type { Notes } from './notes.ts'
import { SequenceNumbers } from './sequence.ts'

export type Message = Pick<Envelope, 'kind' | 'payload' | 'ids' | 'notes'>

/** What a sender sends over: the link of a node, or a publisher's broker. */
export interface Transport {
  /** Whether a message of this size, in bytes, can be published now. May throw if it never can. */
  accepts(size: number): boolean
  publish(channel: string, message: Buffer): void
}

const MAX_UINT32 = 2 ** 32 - 1

/** Addresses and numbers the messages of one node or publisher. */
export class Sender {
  /** The id of the node or publisher. */
  readonly origin = newOrigin()
  readonly #sequence = new SequenceNumbers()
  readonly #channels: Channels
  readonly #transport: Transport
  #lastCopyId = 0

  constructor(channels: Channels, transport: Transport) {
    this.#channels = channels
    this.#transport = transport
  }

  /**
   * Sends to the members of rooms and to connections named by their ids, or to all clients if `targets` is undefined. The
   * connections whose ids the message has do not get it. Returns the channels that it was sent on.
   */
  broadcast(targets: readonly string[] | undefined, message: Message): readonly string[] {
    if (targets === undefined) return this.send(this.#channels.all, message) ? [this.#channels.all] : []
    const channels = this.#channelsOf(targets)
    // A node that subscribes to several of the channels gets several copies, and recognizes them by their id.
    const copyId = channels.size > 1 ? this.#nextCopyId() : 0
    const sent: string[] = []
    for (const [channel, ids] of channels) {
      const isSent =
        ids.length === 0 ? this.send(channel, message, copyId) : this.#sendToIds(channel, ids, message, copyId)
      if (isSent) sent.push(channel)
    }
    return sent
  }

  /** Returns false if the message cannot be published now. */
  send(channel: string, message: Message, copyId = 0): boolean {
    // Only a message that is published gets a number: receivers count the numbers that are missing as lost.
    if (!this.#transport.accepts(sizeOf(message))) return false
    const { generation, sequence } = this.#sequence.next(channel)
    this.#transport.publish(channel, encode({ ...message, origin: this.origin, generation, sequence, copyId }))
    return true
  }

  /** The beginning of a message that someone else publishes for this node, and which has no number. */
  unnumberedHead(kind: Kind, notes?: Notes): Buffer {
    const payload = Buffer.alloc(0)
    return encode({ kind, origin: this.origin, generation: 0, sequence: 0, copyId: 0, ids: [], notes, payload })
  }

  /** The channels for these targets, each with the ids of the connections that are named. */
  #channelsOf(targets: readonly string[]): Map<string, string[]> {
    const channels = new Map<string, string[]>()
    for (const target of new Set(targets)) {
      const channel = this.#channels.ofTarget(target)
      const ids = channels.get(channel) ?? []
      if (isConnectionId(target)) ids.push(target)
      channels.set(channel, ids)
    }
    return channels
  }

  #sendToIds(channel: string, recipients: readonly string[], message: Message, copyId: number): boolean {
    const ids = recipients.filter((id) => !message.ids.includes(id))
    return ids.length > 0 && this.send(channel, { ...message, ids }, copyId)
  }

  #nextCopyId(): number {
    this.#lastCopyId = (this.#lastCopyId % MAX_UINT32) + 1
    return this.#lastCopyId
  }
}
