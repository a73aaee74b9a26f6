import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { CloseError } from '../close.ts'
import { atEndOfTurn } from './end-of-tick.ts'
import type { Broadcast, Frame } from './frame.ts'
import { join } from './join.ts'
import { giveBack, NO_QUEUE, takeQueue } from './send-queue.ts'
import type { SharedFrames } from './shared-frames.ts'
import { harmless, silenced } from './silenced.ts'
import { Stall } from './stall.ts'

/** How much of the queue is given to the socket in one write, in bytes: what it has can no longer be dropped or replaced. */
const BATCH_BYTES = 64 * 1024
/** What `sendQueueSize` messages may hold together: 16 KiB each, and never less than 4 MiB. */
const BYTES_PER_PLACE = 16 * 1024
const MIN_QUEUE_BYTES = 4 * 1024 * 1024
/** What one connection may have unsent over its `writeBufferSize`, whoever wrote it without waiting, in bytes. */
export const MAX_UNSENT = 16 * 1024 * 1024

const NOTHING = Buffer.alloc(0)
const DONE = Promise.resolve()

interface Waiter {
  resolve: () => void
  reject: (error: Error) => void
}

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
export class Outbound {
  readonly #socket: Duplex
  readonly #limits: OutboundLimits
  #queue = NO_QUEUE
  /** Where others have the same to send. Then the queue is empty and the socket free. */
  #shared: SharedFrames | undefined
  #isScheduled = false
  /** True while the socket has bytes that the kernel did not take. */
  #isBlocked = false
  /** True from then on until the event loop has gone round to the sockets: nobody is slow who had no time to read. */
  #isBurst = false
  #pong: Frame | undefined
  #waiters: Waiter[] | undefined
  #onEmpty: (() => void) | undefined
  #onCaughtUp: (() => void) | undefined
  #closed: (() => CloseError) | undefined
  /** How many calls back are due from the socket. */
  #callbacks = 0
  /** How many messages were taken, and how many bytes they and all other frames are; what is dropped later counts, too. */
  messages = 0
  bytes = 0
  /** Made when the kernel first takes less than it was given. */
  stall: Stall | undefined

  constructor(socket: Duplex, limits: OutboundLimits) {
    this.#socket = socket
    this.#limits = limits
  }

  /** True while there are bytes that the kernel did not take. */
  get isBlocked(): boolean {
    return this.#isBlocked
  }

  /** Since when the oldest unsent frame waits for the kernel, by `now()`; 0 where none does. */
  get stalledSince(): number {
    return this.stall?.since ?? 0
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
    if (this.#closed !== undefined) return silenced(this.#closed())
    this.#enqueue(frame)
    if (frame.isCopied && this.unsent <= this.#limits.writeBufferSize) return DONE
    return harmless(new Promise<void>((resolve, reject) => (this.#waiters ??= []).push({ resolve, reject })))
  }

  /**
   * Takes a message if there is place for it among those that wait. With `isBroadcast` the queue's size does not count for
   * what is written before the socket had time to take anything.
   */
  offer(frame: Frame, isBroadcast: boolean): Offer {
    if (this.#closed !== undefined) return 'closed'
    this.#unshare()
    if (this.#isFull(frame) && !this.#makePlace(frame, isBroadcast)) return this.#isBroken ? 'closed' : 'full'
    this.#enqueue(frame)
    return 'taken'
  }

  /** Sends what is in `frames` by the end of the turn; false, and nothing happens, where anything else waits or nothing can be sent. */
  share(frames: SharedFrames): boolean {
    if (this.#isBlocked || this.#shared !== undefined || this.#queue.length > 0 || this.#closed !== undefined) return false
    this.#shared = frames
    this.#schedule()
    return true
  }

  /** Answers a ping. While the socket is blocked only the newest pong waits (RFC 6455, 5.5.3). */
  pong(frame: Frame): void {
    if (this.#closed !== undefined) return
    const earlier = this.#isBlocked && this.#pong !== undefined ? this.#queue.indexOf(this.#pong) : -1
    if (earlier !== -1) this.#remove(earlier)
    this.#pong = frame
    this.#enqueue(frame)
  }

  /** True where this many bytes more would be over what a connection may have unsent; a lone message may be of any size. */
  wouldOverflow(bytes: number): boolean {
    const limit = MAX_UNSENT + this.#limits.writeBufferSize
    if (this.unsent === 0 || this.unsent + bytes <= limit) return false
    if (!this.#isBlocked) this.#flush()
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
    this.stall?.cleared()
    this.#reject(error)
    return dropped
  }

  /** Takes no more writes: from now on they reject with this error. What is queued is sent, then `onEmpty` is called. */
  end(error: () => CloseError, onEmpty: () => void): void {
    this.#closed = error
    this.#onEmpty = onEmpty
    this.#flush(true)
  }

  /** The connection is gone: whoever waits is rejected. */
  fail(error: () => CloseError): void {
    this.#closed = error
    this.#onEmpty = undefined
    this.clear(error)
  }

  /** Calls back once the queue is empty again. */
  onCaughtUp(callback: () => void): void {
    const earlier = this.#onCaughtUp
    this.#onCaughtUp = () => {
      earlier?.()
      callback()
    }
  }

  /** Gives everything to the socket now, in front of something that does not come through here. */
  flushAll(): void {
    this.#flush(true)
  }

  endOfTurn(): void {
    this.#isScheduled = false
    const wasBurst = this.#isBurst
    this.#flush()
    if (!wasBurst) return
    if (this.#isBlocked) this.#queue.markBurst()
    this.#isBurst = false
  }

  #isFull(frame: Frame): boolean {
    const { sendQueueSize } = this.#limits
    if (this.#queue.waiting >= sendQueueSize) return true
    const { waitingBytes } = this.#queue
    // The first comparison is the rule, and all that a broadcast to many pays for.
    if (waitingBytes + frame.size <= MIN_QUEUE_BYTES || waitingBytes === 0) return false
    return waitingBytes + frame.size > sendQueueSize * BYTES_PER_PLACE
  }

  #makePlace(frame: Frame, isBroadcast: boolean): boolean {
    if (!this.#isBlocked) this.#flush()
    // What is left in front of a free socket is being compressed.
    const isExcused = !this.#isBlocked || (this.#isBurst && (isBroadcast || this.#takesTime))
    return isExcused ? this.unsent + frame.size <= MAX_UNSENT : !this.#isFull(frame)
  }

  /** True for a socket that reports at the next turn at the earliest that the kernel took something: TLS, and pairs in memory. */
  get #takesTime(): boolean {
    return this.#socket instanceof TLSSocket || !(this.#socket instanceof Socket)
  }

  #enqueue(frame: Frame): void {
    this.#unshare()
    if (this.#queue === NO_QUEUE) this.#queue = takeQueue()
    this.#queue.push(frame)
    this.bytes += frame.size
    if (!frame.isControl) this.messages++
    if (frame.head === undefined) frame.whenReady(() => this.#flush(this.#onEmpty !== undefined))
    this.#schedule()
  }

  /** Something else is to come behind what is shared. */
  #unshare(): void {
    const shared = this.#shared
    if (shared === undefined) return
    this.#shared = undefined
    this.#countShared(shared)
    this.#queue = takeQueue()
    for (const frame of shared.frames) this.#queue.push(frame)
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    atEndOfTurn(this)
  }

  #remove(position: number): void {
    this.#queue.remove(position)
    this.stall?.dropped(position)
  }

  /** Writes batches until the kernel takes no more, or, with `all`, until nothing is left that is ready. */
  #flush(all = false): void {
    if (this.#shared !== undefined) this.#sendShared(this.#shared)
    while (this.#queue.length > 0 && this.#writeBatch(all)) {
      // Until it says that there is nothing more to do.
    }
    if (this.#waiters !== undefined) this.#settleWaiters()
    if (this.#queue.length === 0) this.#becameEmpty()
  }

  #countShared(shared: SharedFrames): void {
    shared.close()
    this.messages += shared.frames.length
    this.bytes += shared.bytes
  }

  #sendShared(shared: SharedFrames): void {
    if (this.#isBroken) return this.#unshare()
    this.#shared = undefined
    this.#countShared(shared)
    this.#socket.write(shared.joined())
    this.#wrote(shared.frames.length)
  }

  #becameEmpty(): void {
    if (this.#queue !== NO_QUEUE) giveBack(this.#queue)
    this.#queue = NO_QUEUE
    const onEmpty = this.#onEmpty
    const onCaughtUp = this.#onCaughtUp
    if (onEmpty === undefined && onCaughtUp === undefined) return
    this.#onEmpty = undefined
    this.#onCaughtUp = undefined
    onCaughtUp?.()
    onEmpty?.()
  }

  /** True from the first error on; `destroyed` comes a tick later. */
  get #isBroken(): boolean {
    return this.#socket.destroyed || Boolean(this.#socket.errored)
  }

  /** Writes what fits in one batch; false where nothing was written. */
  #writeBatch(evenIfBlocked: boolean): boolean {
    if ((this.#isBlocked && !evenIfBlocked) || this.#isBroken) return false
    const count = this.#queue.batch(BATCH_BYTES)
    if (count === 0) return false
    this.#send(count)
    this.#queue.shift(count)
    this.#wrote(count)
    return true
  }

  #wrote(count: number): void {
    if (this.#socket.writableLength > 0) this.#block(count)
    else this.stall?.passed(count)
  }

  #send(count: number): void {
    const { frames, head } = this.#queue
    const first = frames[head] as Frame
    if (count === 1 && first.body === undefined) {
      this.#socket.write(first.head)
      return
    }
    const pieces = join(frames, head, head + count)
    if (pieces.length > 1) this.#socket.cork()
    for (const piece of pieces) this.#socket.write(piece)
    if (pieces.length > 1) this.#socket.uncork()
  }

  /** Waits until the kernel has taken the last batch. Where it takes all at once, which is the rule, no callback is needed. */
  #block(count: number): void {
    if (!this.#isBlocked) {
      this.#isBlocked = true
      this.#isBurst = true
      this.#schedule()
    }
    this.stall ??= new Stall()
    this.stall.entered(count, this.#queue.length)
    this.#callBack(count)
  }

  /** Calls back behind what was written so far. */
  #callBack(count: number): void {
    this.#callbacks++
    this.#socket.write(NOTHING, (error) => {
      this.#callbacks--
      if (error) return
      this.stall?.left(count, this.#queue.length)
      if (this.#socket.writableLength === 0) this.#unblock()
      // Someone has written past us, on `ws.socket`.
      if (this.#socket.writableLength > 0 && this.#callbacks === 0) this.#callBack(0)
    })
  }

  #unblock(): void {
    this.#isBlocked = false
    this.#flush()
    // What is blocked again from here on has had its time, unless it never tells at once.
    if (!this.#takesTime) this.#isBurst = false
    if (!this.#isBlocked) this.stall?.end()
  }

  #settleWaiters(): void {
    // A broken socket has nothing unsent; `fail` will tell the waiters.
    if (this.unsent > this.#limits.writeBufferSize || this.#isBroken) return
    const waiters = this.#waiters
    this.#waiters = undefined
    for (const { resolve } of waiters ?? []) resolve()
  }

  #reject(error: () => CloseError): void {
    const waiters = this.#waiters
    this.#waiters = undefined
    for (const { reject } of waiters ?? []) reject(error())
  }
}
