import { errors } from '../errors.ts'
import type { Channels } from './channels.ts'
import { type Envelope, encode, MAX_NAMES, newOrigin, sizeOf } from '../brokers/envelope.ts'
import { Numbering } from './numbering.ts'

/** What a node or a publisher has to say. */
export type Message = Pick<Envelope, 'kind' | 'payload' | 'excluded'>

/** Sends a message of this size, or does not: only what `bytes` was called for gets a number. */
export type Post = (channel: string, size: number, bytes: () => Buffer) => void

const NOBODY: readonly string[] = []

/** Addresses and numbers what one node or publisher sends. */
export class Outgoing {
  readonly origin = newOrigin()
  readonly #numbering = new Numbering()
  readonly #channels: Channels
  readonly #post: Post
  #lastId = 0

  constructor(channels: Channels, post: Post) {
    this.#channels = channels
    this.#post = post
  }

  /** Sends to those who have one of these rooms, or to all. Throws a RangeError where too many are named. */
  publish(rooms: readonly string[] | undefined, message: Message): void {
    assertFew('except', message.excluded)
    if (rooms === undefined) return this.send(this.#channels.all, message)
    assertFew('to', rooms)
    const names = new Set(rooms)
    // Who has several of them gets several copies: each names all rooms, and the id tells it from other messages.
    const id = (this.#lastId = (this.#lastId + 1) >>> 0)
    for (const room of names) this.send(this.#channels.ofRoom(room), message, names.size > 1 ? [...names] : NOBODY, id)
  }

  send(channel: string, message: Message, rooms: readonly string[] = NOBODY, id = 0): void {
    this.#post(channel, sizeOf({ ...message, rooms }), () => {
      return encode({ ...message, ...this.#numbering.next(channel), origin: this.origin, rooms, id })
    })
  }
}

function assertFew(name: string, list: readonly string[]): void {
  if (list.length > MAX_NAMES) throw new errors.OUT_OF_RANGE(name, `at most ${MAX_NAMES} can be named to other nodes, got ${list.length}`)
}
