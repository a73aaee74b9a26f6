import type { Duplex } from 'node:stream'
import type { WebSocketConfig } from '../../config/route-config.ts'
import { CloseCode } from '../../internal/close-codes.ts'
import type { ReadQueue } from '../read/read-queue.ts'
import type { ServerSocket } from '../socket.ts'
import { inflate } from './deflate.ts'
import type { DeflateExtension } from '../ws-private.ts'

const EMPTY = Buffer.alloc(0)
/**
 * How many inflated bytes a client may leave unread when it disconnects. More than this, which a slow handler would have to
 * read later, is treated as an attack.
 */
const MAX_UNREAD_AFTER_CLOSE = 16 * 1024 * 1024

type Callback = (error: Error | null, result: Buffer) => void

/** The part of a session that compression uses. An interface, because the session imports its compression. */
export interface CompressedSession {
  readonly socket: ServerSocket
  readonly stream: Duplex
  readonly config: WebSocketConfig
  readonly readQueue: ReadQueue
  /** A message cannot be inflated. The connection is to be closed with this code. */
  onBadMessage(closeCode: number, reason: string): void
}

/**
 * Inflates the compressed messages of one connection. `ws` waits for the callback before it parses the next frame, so this is
 * also the place to apply back-pressure: a small chunk of data can contain many long messages, and to pause the socket does not
 * stop messages that have already arrived.
 */
export class Inflater implements DeflateExtension {
  readonly #session: CompressedSession
  #fragments: Buffer[] | undefined

  constructor(session: CompressedSession) {
    this.#session = session
  }

  /**
   * Takes the payload of one frame. The callback gets the message after the last one, and an empty buffer before. It is never
   * called before this returns.
   */
  decompress(data: Buffer, isLast: boolean, callback: Callback): void {
    const fragments = (this.#fragments ??= [])
    fragments.push(data)
    if (!isLast) {
      process.nextTick(callback, null, EMPTY)
      return
    }
    this.#fragments = undefined
    const { readQueue, stream, config } = this.#session
    const run = (): void =>
      inflate(fragments, config.maxMessageSize, (error, result) => this.#finish(error, result, callback))
    if (readQueue.isFull && !stream.destroyed) this.#runWhenDrained(run)
    else run()
  }

  /** Nothing to clean up: no zlib state is kept. */
  cleanup(): void {}

  /**
   * Waits until the handler has read its messages. If the stream closes, no more data comes, and the connection must learn of
   * its end.
   */
  #runWhenDrained(run: () => void): void {
    const { readQueue, stream } = this.#session
    let isWaiting = true
    const stopWaiting = (): void => {
      if (isWaiting) run()
      isWaiting = false
      stream.removeListener('close', stopWaiting)
    }
    readQueue.onDrained(stopWaiting)
    stream.once('close', stopWaiting)
  }

  #finish(error: Error | null, result: Buffer, callback: Callback): void {
    const { readQueue, stream } = this.#session
    if (error === null && stream.destroyed && readQueue.unreadBytes > MAX_UNREAD_AFTER_CLOSE) {
      error = new Error('the client disconnected and left too many unread bytes')
    }
    if (error !== null) {
      const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
      if (isTooLarge) this.#session.onBadMessage(CloseCode.MessageTooBig, 'message too big')
      else this.#session.onBadMessage(CloseCode.InvalidFramePayloadData, 'invalid compressed data')
    }
    callback(error, result)
  }
}
