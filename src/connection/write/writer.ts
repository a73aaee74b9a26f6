import type { Duplex } from 'node:stream'
import type { CloseError } from '../../internal/close.ts'
import { type Blockable, Blockage } from './blockage.ts'
import { atEndOfTurn, type EndOfTurn } from '../../internal/end-of-turn.ts'
import type { Broadcast, Frame } from './frame.ts'
import { isBroken } from './stream.ts'
import { giveBack, NO_QUEUE, takeQueue } from './send-queue.ts'
import type { SharedFrames } from './shared-frames.ts'
import { rejected } from '../silenced.ts'
import type { Stall } from './stall.ts'
import { Waiters } from './waiters.ts'

/** What one connection may have unsent over its `writeBufferSize`, whoever wrote it without waiting, in bytes. */
export const MAX_UNSENT = 16 * 1024 * 1024

const DONE = Promise.resolve()

/** What of a route's configuration concerns sending. */
export interface OutboundLimits {
  writeBufferSize: number
  sendQueueSize: number
}

/** What became of a message that was offered. */
export type Offer = 'taken' | 'full' | 'closed'

/**
 * The only place that writes to a connection's socket. Frames wait in one queue, in order, data and control alike, and leave
 * at the end of the turn in one write. While the socket has bytes that the kernel did not take, the queue stays here, where it
 * can be counted, dropped and replaced.
 */
export class Writer implements Blockable, EndOfTurn {
  readonly #socket: Duplex
  readonly #limits: OutboundLimits
  #queue = NO_QUEUE
  /** Where others have the same to send. Then the queue is empty and the socket free. */
  #shared: SharedFrames | undefined
  #isScheduled = false
  #pong: Frame | undefined
  // Both are made when first needed: most connections never are blocked, and nobody waits for them.
  #blockage: Blockage | undefined
  #waiters: Waiters | undefined
  #closed: (() => CloseError) | undefined
  /** How many messages were taken, and how many bytes they and all other frames are; what is dropped later counts, too. */
  messages = 0
  bytes = 0

  constructor(socket: Duplex, limits: OutboundLimits) {
    this.#socket = socket
    this.#limits = limits
  }

  /** True while there are bytes that the kernel did not take. */
  get isBlocked(): boolean {
    return this.#blockage !== undefined && this.#blockage.isOn
  }

  /** Measures for how long; undefined where there never were any. */
  get stall(): Stall | undefined {
    return this.#blockage?.stall
  }

  /** How many frames the socket does not have yet. */
  get queued(): number {
    return this.#queue.length
  }

  /** How many bytes are accepted and not taken by the kernel. */
  get unsent(): number {
    return this.#queue.bytes + (this.#shared?.bytes ?? 0) + this.#socket.writableLength
  }

  /**
   * Sends a frame; resolves once no more than `writeBufferSize` is unsent, rejects once the connection ends before that. A
   * frame whose payload was copied into little enough unsent data resolves at once.
   */
  write(frame: Frame): Promise<void> {
    if (this.#closed !== undefined) return rejected(this.#closed())
    this.#enqueue(frame)
    if (frame.isCopied && this.unsent <= this.#limits.writeBufferSize) return DONE
    return (this.#waiters ??= new Waiters()).write()
  }

  /**
   * Takes a message if there is place for it among those that wait. With `isBroadcast` the queue's size does not count for
   * what is written before the socket had time to take anything.
   */
  offer(frame: Frame, isBroadcast: boolean): Offer {
    if (this.#closed !== undefined) return 'closed'
    this.#unshare()
    if (!this.#hasPlace(frame, isBroadcast)) return isBroken(this.#socket) ? 'closed' : 'full'
    this.#enqueue(frame)
    return 'taken'
  }

  /** Sends what is in `frames` by the end of the turn; false, and nothing happens, where anything else waits or nothing can be sent. */
  share(frames: SharedFrames): boolean {
    if (this.isBlocked || this.#shared !== undefined || this.#queue.length > 0 || this.#closed !== undefined)
      return false
    this.#shared = frames
    this.#schedule()
    return true
  }

  /** Answers a ping. While the socket is blocked only the newest pong waits (RFC 6455, 5.5.3). */
  pong(frame: Frame): void {
    if (this.#closed !== undefined) return
    const earlier = this.isBlocked && this.#pong !== undefined ? this.#queue.indexOf(this.#pong) : -1
    if (earlier !== -1) this.#remove(earlier)
    this.#pong = frame
    this.#enqueue(frame)
  }

  /** True where this many bytes more would be over what a connection may have unsent; a lone message may be of any size. */
  wouldOverflow(bytes: number): boolean {
    const limit = MAX_UNSENT + this.#limits.writeBufferSize
    if (this.unsent === 0 || this.unsent + bytes <= limit) return false
    if (!this.isBlocked) this.flush()
    return this.unsent > 0 && this.unsent + bytes > limit
  }

  /** Drops the oldest waiting broadcast that `condition` holds for; false where there is none. */
  dropWaiting(condition: (broadcast: Broadcast) => boolean): boolean {
    const position = this.#queue.find(({ broadcast }) => broadcast !== undefined && condition(broadcast))
    if (position === -1) return false
    this.#remove(position)
    return true
  }

  /** Drops everything that waits: writes reject with this error. Says how many messages that were. */
  clear(error: () => CloseError): number {
    this.#unshare()
    const dropped = this.#queue.length
    this.#queue.clear()
    this.#blockage?.stall.cleared()
    this.#waiters?.reject(error)
    return dropped
  }

  /** Takes no more writes: from now on they reject with this error. What is queued is sent, then `onEmpty` is called. */
  end(error: () => CloseError, onEmpty: () => void): void {
    this.#closed = error
    ;(this.#waiters ??= new Waiters()).onEmpty(onEmpty)
    this.flush(true)
  }

  /** The connection is gone: whoever waits is rejected. */
  fail(error: () => CloseError): void {
    this.#closed = error
    this.#waiters?.onEmpty(undefined)
    this.clear(error)
  }

  /** Calls back once the queue is empty again. */
  onCaughtUp(callback: () => void): void {
    ;(this.#waiters ??= new Waiters()).onCaughtUp(callback)
  }

  endOfTurn(): void {
    this.#isScheduled = false
    const burst = this.#blockage?.isInGrace === true ? this.#blockage : undefined
    this.flush()
    if (burst === undefined) return
    if (burst.isOn) this.#queue.excuseQueued()
    burst.isInGrace = false
  }

  /** Writes batches until the kernel takes no more, or, with `all`, until nothing is left that is ready. */
  flush(all = false): void {
    if (this.#shared !== undefined) this.#sendShared(this.#shared)
    while (this.#queue.length > 0 && this.#writeBatch(all)) {
      // Until it says that there is nothing more to do.
    }
    // A broken socket has nothing unsent; `fail` will tell the waiters.
    if (this.#waiters?.hasWrites === true && this.unsent <= this.#limits.writeBufferSize && !isBroken(this.#socket))
      this.#waiters.resolve()
    if (this.#queue.length > 0) return
    if (this.#queue !== NO_QUEUE) giveBack(this.#queue)
    this.#queue = NO_QUEUE
    this.#waiters?.empty()
  }

  #hasPlace(frame: Frame, isBroadcast: boolean): boolean {
    const { sendQueueSize } = this.#limits
    if (!this.#queue.isFull(frame, sendQueueSize)) return true
    if (!this.isBlocked) this.flush()
    // What is left in front of a free socket is being compressed.
    if (this.#blockage?.excuses(isBroadcast) ?? true) return this.unsent + frame.size <= MAX_UNSENT
    return !this.#queue.isFull(frame, sendQueueSize)
  }

  #enqueue(frame: Frame): void {
    this.#unshare()
    if (this.#queue === NO_QUEUE) this.#queue = takeQueue()
    this.#queue.push(frame)
    this.bytes += frame.size
    if (!frame.isControl) this.messages++
    if (frame.head === undefined) frame.whenReady(() => this.flush(this.#closed !== undefined))
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    atEndOfTurn(this)
  }

  #remove(position: number): void {
    this.#queue.remove(position)
    this.#blockage?.stall.dropped(position)
  }

  /** Something else is to come behind what is shared. */
  #unshare(): void {
    const shared = this.#shared
    if (shared === undefined) return
    this.#endShare(shared)
    this.#queue = takeQueue()
    for (const frame of shared.frames) this.#queue.push(frame)
  }

  /** Nothing can be added any more. */
  #endShare(shared: SharedFrames): void {
    this.#shared = undefined
    shared.close()
    this.messages += shared.frames.length
    this.bytes += shared.bytes
  }

  #sendShared(shared: SharedFrames): void {
    if (isBroken(this.#socket)) return this.#unshare()
    this.#endShare(shared)
    this.#socket.write(shared.joined())
    this.#wrote(shared.frames.length)
  }

  /** Writes what fits in one batch; false where nothing was written. */
  #writeBatch(evenIfBlocked: boolean): boolean {
    if ((this.isBlocked && !evenIfBlocked) || isBroken(this.#socket)) return false
    const count = this.#queue.writeBatch(this.#socket)
    if (count > 0) this.#wrote(count)
    return count > 0
  }

  /** The kernel takes all at once as a rule: then there is nothing to wait for. */
  #wrote(count: number): void {
    if (this.#socket.writableLength === 0) this.#blockage?.stall.passed(count)
    else if ((this.#blockage ??= new Blockage(this.#socket, this)).add(count)) this.#schedule()
  }
}
