import type { Duplex } from 'node:stream'
import { CloseCode } from '../../internal/close.ts'
import { inflate } from './deflate.ts'
import type { ReadQueue } from '../read/read-queue.ts'
import type { DeflateExtension } from './ws-private.ts'

const NOTHING = Buffer.alloc(0)
/** What a client that is gone may leave behind for a handler that is slow, inflated, in bytes: more is only sent to harm. */
const MAX_LEFT_BEHIND = 16 * 1024 * 1024

type Callback = (error: Error | null, result: Buffer) => void

/** A connection as its inflater knows it. */
export interface InflaterSubject {
  readonly readQueue: ReadQueue
  readonly raw: Duplex
  readonly config: { maxMessageSize: number }
  /** A message could not be inflated: the connection is to be closed with this. */
  onBadMessage(closeCode: number, reason: string): void
}

/**
 * Inflates the compressed messages of one connection, for `ws`'s receiver, which waits for the callback before it looks at the
 * next frame. That makes it the place to hold a client whose messages nobody reads: a few bytes of one chunk can stand for
 * many long messages, and pausing the socket does not stop those that are already here.
 */
export class Inflater implements DeflateExtension {
  readonly #subject: InflaterSubject
  #fragments: Buffer[] | undefined

  constructor(subject: InflaterSubject) {
    this.#subject = subject
  }

  /** Takes one frame's payload; the message comes with the last one, and nothing before it. Never calls back at once. */
  decompress(data: Buffer, isLast: boolean, callback: Callback): void {
    const fragments = (this.#fragments ??= [])
    fragments.push(data)
    if (!isLast) {
      process.nextTick(callback, null, NOTHING)
      return
    }
    this.#fragments = undefined
    const { readQueue, raw, config } = this.#subject
    const run = (): void =>
      inflate(fragments, config.maxMessageSize, (error, result) => this.#finish(error, result, callback))
    if (readQueue.isFull && !raw.destroyed) this.#hold(run)
    else run()
  }

  /** Nothing of zlib's is held. */
  cleanup(): void {}

  /** A closed socket is not held: what is here is all that comes, and the connection must learn of its end. */
  #hold(run: () => void): void {
    const { readQueue, raw } = this.#subject
    let isHeld = true
    const release = (): void => {
      if (isHeld) run()
      isHeld = false
      raw.removeListener('close', release)
    }
    readQueue.onDrained(release)
    raw.once('close', release)
  }

  #finish(error: Error | null, result: Buffer, callback: Callback): void {
    const { readQueue, raw } = this.#subject
    if (error === null && raw.destroyed && readQueue.unread > MAX_LEFT_BEHIND) {
      error = new Error('the peer left before its messages were read')
    }
    if (error !== null) {
      const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
      if (isTooLarge) this.#subject.onBadMessage(CloseCode.MessageTooBig, 'message too big')
      else this.#subject.onBadMessage(CloseCode.InvalidFramePayloadData, 'invalid compressed data')
    }
    callback(error, result)
  }
}
