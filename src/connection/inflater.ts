import type { Duplex } from 'node:stream'
import { CloseCode } from '../close.ts'
import { inflate } from './deflate.ts'
import type { Inbound } from './inbound.ts'

const NOTHING = Buffer.alloc(0)
/** What a client that is gone may leave behind for a handler that is slow, inflated, in bytes: more is only sent to harm. */
const MAX_LEFT_BEHIND = 16 * 1024 * 1024

type Callback = (error: Error | null, result: Buffer) => void

/**
 * Inflates the compressed messages of one connection, for `ws`'s receiver, which waits for the callback before it looks at the
 * next frame. That makes it the place to hold a client whose messages nobody reads: a few bytes of one chunk can stand for
 * many long messages, and pausing the socket does not stop those that are already here.
 */
export class Inflater {
  readonly #inbound: Inbound
  readonly #socket: Duplex
  readonly #limit: number
  readonly #onFailure: (closeCode: number) => void
  #fragments: Buffer[] = []

  constructor(inbound: Inbound, socket: Duplex, limit: number, onFailure: (closeCode: number) => void) {
    this.#inbound = inbound
    this.#socket = socket
    this.#limit = limit
    this.#onFailure = onFailure
  }

  /** Takes one frame's payload; the message comes with the last one, and nothing before it. Never calls back at once. */
  decompress(data: Buffer, isLast: boolean, callback: Callback): void {
    this.#fragments.push(data)
    if (!isLast) {
      process.nextTick(callback, null, NOTHING)
      return
    }
    const fragments = this.#fragments
    this.#fragments = []
    const run = (): void => inflate(fragments, this.#limit, (error, result) => this.#finish(error, result, callback))
    if (this.#inbound.isFull && !this.#socket.destroyed) this.#hold(run)
    else run()
  }

  /** A closed socket is not held: what is here is all that comes, and the connection must learn of its end. */
  #hold(run: () => void): void {
    let isHeld = true
    const release = (): void => {
      if (isHeld) run()
      isHeld = false
      this.#socket.removeListener('close', release)
    }
    this.#inbound.onDrained(release)
    this.#socket.once('close', release)
  }

  #finish(error: Error | null, result: Buffer, callback: Callback): void {
    if (error === null && this.#socket.destroyed && this.#inbound.unread > MAX_LEFT_BEHIND) {
      error = new Error('the peer left before its messages were read')
    }
    if (error !== null) {
      const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
      this.#onFailure(isTooLarge ? CloseCode.MessageTooBig : CloseCode.InvalidFramePayloadData)
    }
    callback(error, result)
  }
}
