import type { Duplex } from 'node:stream'
import type { WebSocketConfig } from '../../config/route-config.ts'
import type { CloseError } from '../../internal/close-codes.ts'
import { atEndOfTurn, type EndOfTurn } from '../../internal/end-of-turn.ts'
import { rejected } from '../../internal/promises.ts'
import { Backpressure, type BlockableWriter, SendProgress, type StallTimer } from './backpressure.ts'
import type { Broadcast, Frame } from './frame.ts'
import { giveBack, NO_QUEUE, takeQueue } from './send-queue.ts'
import type { SharedFrames } from './shared-frames.ts'
import { isBroken } from './stream-state.ts'

/** How many bytes a connection may have unsent beyond its `writeBufferSize`, even if writes are not awaited. */
export const MAX_UNSENT = 16 * 1024 * 1024

const DONE = Promise.resolve()

/** What a writer needs of its session. */
export interface WriterSession {
  /** Frames were accepted; `messages` does not count control frames. */
  onFramesAccepted(messages: number, bytes: number): void
}

/** What became of a message that was offered. */
export type Offer = 'taken' | 'full' | 'closed'

/**
 * Sends the frames of a connection. Nothing else writes to its stream. All frames, data and control, wait in one queue and
 * leave in order, in one write at the end of the turn. While the kernel has not taken everything that the stream was given,
 * frames stay in the queue, where they can be counted, dropped and replaced.
 */
export class Writer implements BlockableWriter, EndOfTurn {
  readonly #stream: Duplex
  readonly #config: WebSocketConfig
  readonly #session: WriterSession
  #queue = NO_QUEUE
  /** Frames that other connections send too. While there are any, the queue is empty and the connection is not blocked. */
  #shared: SharedFrames | undefined
  #isScheduled = false
  #pong: Frame | undefined
  // Both are created when first needed: most connections are never blocked, and have no writes that wait.
  #backpressure: Backpressure | undefined
  #progress: SendProgress | undefined
  /** The error for writes; undefined while they are accepted. */
  #closeError: (() => CloseError) | undefined

  constructor(stream: Duplex, config: WebSocketConfig, session: WriterSession) {
    this.#stream = stream
    this.#config = config
    this.#session = session
  }

  /** True while the stream has bytes that the kernel did not take. */
  get isBlocked(): boolean {
    return this.#backpressure !== undefined && this.#backpressure.isBlocked
  }

  /** True if a message would have to wait for what the kernel did not take. */
  get isBehind(): boolean {
    return this.#backpressure?.isExcused(false) === false && this.#closeError === undefined
  }

  /** Measures how long frames have waited; undefined if the connection was never blocked. */
  get stallTimer(): StallTimer | undefined {
    return this.#backpressure?.stallTimer
  }

  /** How many frames wait in the queue. */
  get queuedFrames(): number {
    return this.#queue.length
  }

  /** How many bytes were accepted and not yet taken by the kernel. */
  get unsentBytes(): number {
    return this.#queue.bytes + (this.#shared?.bytes ?? 0) + this.#stream.writableLength
  }

  /**
   * Sends a frame. Resolves once at most `writeBufferSize` is unsent; at once, if that is already so and the payload was
   * copied. Rejects if the connection ends first.
   */
  write(frame: Frame): Promise<void> {
    if (this.#closeError !== undefined) return rejected(this.#closeError())
    this.#enqueue(frame)
    if (frame.isCopied && this.unsentBytes <= this.#config.writeBufferSize) return DONE
    return (this.#progress ??= new SendProgress()).waitForRoom()
  }

  /**
   * Sends a message if the queue has room. With `isBroadcast`, the limit of the queue does not apply until the event loop has
   * given the stream a chance to send.
   */
  offer(frame: Frame, isBroadcast: boolean): Offer {
    if (this.#closeError !== undefined) return 'closed'
    this.#moveSharedToQueue()
    if (!this.#hasRoom(frame, isBroadcast)) return isBroken(this.#stream) ? 'closed' : 'full'
    this.#enqueue(frame)
    return 'taken'
  }

  /**
   * Sends a broadcast in place of the one with the same key that waits. It goes to the end of the queue, so that everything arrives in
   * the order in which it was sent. False, and nothing happens, if none waits.
   */
  replace(frame: Frame, key: string): boolean {
    // Before the connection is blocked, nothing waits: the frames leave at the end of the turn.
    if (!this.isBlocked || this.#closeError !== undefined) return false
    const position = this.#queue.replace(frame, key, this.#config.sendQueueSize)
    if (position === -1) return false
    this.#backpressure?.stallTimer.onDropped(position)
    this.#onQueued(frame)
    return true
  }

  /**
   * Sends the shared frames at the end of the turn. False, and nothing happens, if other frames wait or the connection is
   * closing.
   */
  attachShared(shared: SharedFrames): boolean {
    if (this.isBlocked || this.#shared !== undefined || this.#queue.length > 0 || this.#closeError !== undefined)
      return false
    this.#shared = shared
    this.#schedule()
    return true
  }

  /** Answers a ping. While the connection is blocked, only the newest pong waits (RFC 6455, 5.5.3). */
  pong(frame: Frame): void {
    if (this.#closeError !== undefined) return
    const earlier = this.isBlocked && this.#pong !== undefined ? this.#queue.indexOf(this.#pong) : -1
    if (earlier !== -1) this.#remove(earlier)
    this.#pong = frame
    this.#enqueue(frame)
  }

  /** True if this many more bytes would exceed what a connection may have unsent. A single message may have any size. */
  wouldOverflow(bytes: number): boolean {
    const limit = MAX_UNSENT + this.#config.writeBufferSize
    if (this.unsentBytes === 0 || this.unsentBytes + bytes <= limit) return false
    if (!this.isBlocked) this.flush()
    return this.unsentBytes > 0 && this.unsentBytes + bytes > limit
  }

  /** Drops the oldest queued broadcast that may be dropped and meets the condition. False if there is none. */
  dropWaiting(condition: (broadcast: Broadcast) => boolean): boolean {
    const position = this.#queue.find(
      ({ broadcast }) => broadcast !== undefined && !broadcast.mustArrive && condition(broadcast)
    )
    if (position === -1) return false
    this.#remove(position)
    return true
  }

  /** Drops everything in the queue, and rejects the writes that wait. Returns how many messages were dropped. */
  clear(error: () => CloseError): number {
    this.#moveSharedToQueue()
    const dropped = this.#queue.length
    this.#queue.clear()
    this.#backpressure?.stallTimer.onCleared()
    this.#progress?.rejectWrites(error)
    return dropped
  }

  /** Rejects further writes with this error. Sends what is queued, then calls `onEmpty`. */
  end(error: () => CloseError, onEmpty: () => void): void {
    this.#closeError = error
    ;(this.#progress ??= new SendProgress()).onEmpty(onEmpty)
    this.flush(true)
  }

  /** The connection is closed: drops what is queued, and rejects all writes with this error. */
  fail(error: () => CloseError): void {
    this.#closeError = error
    this.#progress?.onEmpty(undefined)
    this.clear(error)
  }

  /** Calls back once the queue is empty. */
  onCaughtUp(callback: () => void): void {
    ;(this.#progress ??= new SendProgress()).onCaughtUp(callback)
  }

  endOfTurn(): void {
    this.#isScheduled = false
    const inGracePeriod = this.#backpressure?.isInGracePeriod === true ? this.#backpressure : undefined
    this.flush()
    if (inGracePeriod === undefined) return
    if (inGracePeriod.isBlocked) this.#queue.exemptQueued()
    inGracePeriod.isInGracePeriod = false
  }

  /** Writes batches until the kernel takes no more. With `evenIfBlocked`, until no frame is left that is ready. */
  flush(evenIfBlocked = false): void {
    if (this.#shared !== undefined) this.#sendShared(this.#shared)
    while (this.#queue.length > 0 && this.#writeBatch(evenIfBlocked)) {
      // Each call writes a batch.
    }
    // A broken stream has nothing unsent, but its writes have failed: `fail` will reject them.
    if (
      this.#progress?.hasWrites === true &&
      this.unsentBytes <= this.#config.writeBufferSize &&
      !isBroken(this.#stream)
    )
      this.#progress.resolveWrites()
    if (this.#queue.length > 0) return
    if (this.#queue !== NO_QUEUE) giveBack(this.#queue)
    this.#queue = NO_QUEUE
    this.#progress?.reportEmpty()
  }

  #hasRoom(frame: Frame, isBroadcast: boolean): boolean {
    const { sendQueueSize } = this.#config
    if (!this.#queue.isFull(frame, sendQueueSize)) return true
    if (!this.isBlocked) this.flush()
    // If frames are left although the connection is not blocked, the first of them is still being compressed.
    if (this.#backpressure?.isExcused(isBroadcast) ?? true) return this.unsentBytes + frame.size <= MAX_UNSENT
    return !this.#queue.isFull(frame, sendQueueSize)
  }

  #enqueue(frame: Frame): void {
    this.#moveSharedToQueue()
    if (this.#queue === NO_QUEUE) this.#queue = takeQueue()
    this.#queue.push(frame)
    this.#onQueued(frame)
  }

  #onQueued(frame: Frame): void {
    this.#session.onFramesAccepted(frame.isControl ? 0 : 1, frame.size)
    if (frame.head === undefined) frame.onReady(() => this.flush(this.#closeError !== undefined))
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    atEndOfTurn(this)
  }

  #remove(position: number): void {
    this.#queue.remove(position)
    this.#backpressure?.stallTimer.onDropped(position)
  }

  /** Another frame comes after the shared ones, so this connection needs a queue of its own. */
  #moveSharedToQueue(): void {
    const shared = this.#shared
    if (shared === undefined) return
    this.#detachShared(shared)
    this.#queue = takeQueue()
    for (const frame of shared.frames) this.#queue.push(frame)
  }

  #detachShared(shared: SharedFrames): void {
    this.#shared = undefined
    shared.close()
    this.#session.onFramesAccepted(shared.frames.length, shared.bytes)
  }

  #sendShared(shared: SharedFrames): void {
    if (isBroken(this.#stream)) return this.#moveSharedToQueue()
    this.#detachShared(shared)
    this.#stream.write(shared.joined())
    this.#onWritten(shared.frames.length)
  }

  /** Writes one batch. False if nothing was written. */
  #writeBatch(evenIfBlocked: boolean): boolean {
    if ((this.isBlocked && !evenIfBlocked) || isBroken(this.#stream)) return false
    const count = this.#queue.writeBatch(this.#stream)
    if (count > 0) this.#onWritten(count)
    return count > 0
  }

  /** Usually the kernel takes everything at once. */
  #onWritten(count: number): void {
    if (this.#stream.writableLength === 0) this.#backpressure?.stallTimer.onSentAtOnce(count)
    else if ((this.#backpressure ??= new Backpressure(this.#stream, this)).addUnsent(count)) this.#schedule()
  }
}
