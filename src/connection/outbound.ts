import type { Duplex } from 'node:stream'
import type { CloseError } from '../close.ts'
import { atEndOfTick } from './end-of-tick.ts'
import type { Frame } from './frame.ts'
import { join } from './join.ts'

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
 * at the end of the tick in one write. While the socket has bytes that the kernel did not take, the queue stays here, where it
 * can be counted, dropped and replaced.
 */
export class Outbound {
  readonly #socket: Duplex
  readonly #limits: OutboundLimits
  #queue: Frame[] = []
  /** The index of the first frame of the queue that is not sent. */
  #head = 0
  #queuedBytes = 0
  #scheduled = false
  /** True while the socket has bytes that the kernel did not take. */
  #blocked = false
  #blockedThisTurn = false
  /** The frames at the queue's front that do not count as waiting: those of the turn that filled the socket. */
  #burst = 0
  #burstBytes = 0
  /** How many frames the socket has that the kernel did not take. */
  #inSocket = 0
  /** How many of the oldest unsent frames `stalledSince` speaks of. */
  #stalled = 0
  #pong: Frame | undefined
  #waiters: Waiter[] = []
  #onEmpty: (() => void) | undefined
  #closed: (() => CloseError) | undefined
  #onCaughtUp: (() => void) | undefined
  /** Since when the oldest unsent frames wait for the kernel, by `performance.now()`; 0 while none does. */
  stalledSince = 0

  constructor(socket: Duplex, limits: OutboundLimits) {
    this.#socket = socket
    this.#limits = limits
  }

  /** True while there are bytes that the kernel did not take. */
  get isBlocked(): boolean {
    return this.#blocked
  }

  /** How many bytes are accepted and not taken by the kernel. */
  get unsent(): number {
    return this.#queuedBytes + this.#socket.writableLength
  }

  /** How many messages wait for the socket. */
  get waiting(): number {
    return Math.max(0, this.#queue.length - this.#head - this.#burst)
  }

  /** True where nothing waits, not even the rest of a burst. */
  get isEmpty(): boolean {
    return this.#queue.length === this.#head
  }

  /**
   * Sends a frame; resolves once less than `writeBufferSize` is unsent, rejects once the connection ends before that. A frame
   * whose payload was copied into little enough unsent data resolves at once.
   */
  write(frame: Frame): Promise<void> {
    if (this.#closed !== undefined) return silenced(this.#closed())
    this.#enqueue(frame)
    if (frame.isCopied && this.unsent <= this.#limits.writeBufferSize) return DONE
    return silencedUnlessAwaited(new Promise<void>((resolve, reject) => this.#waiters.push({ resolve, reject })))
  }

  /**
   * Takes a message if there is place for it among those that wait. With `isBurst` the queue's size does not count for what
   * the turn that filled the socket writes: nobody is slow who had no time to read.
   */
  offer(frame: Frame, isBurst: boolean): Offer {
    if (this.#closed !== undefined) return 'closed'
    if (this.#isFull(frame) && !this.#makePlace(frame, isBurst)) return 'full'
    this.#enqueue(frame)
    return 'taken'
  }

  /** Answers a ping. While the socket is blocked only the newest pong waits (RFC 6455, 5.5.3). */
  pong(frame: Frame): void {
    if (this.#closed !== undefined) return
    if (this.#blocked && this.#pong !== undefined) this.#remove(this.#queue.indexOf(this.#pong, this.#head))
    this.#pong = frame
    this.#enqueue(frame)
  }

  /** True where this many bytes more would be over what a connection may have unsent; a lone message may be of any size. */
  wouldOverflow(bytes: number): boolean {
    const limit = MAX_UNSENT + this.#limits.writeBufferSize
    if (this.unsent === 0 || this.unsent + bytes <= limit) return false
    if (!this.#blocked) this.#flush()
    return this.#blocked && this.unsent + bytes > limit
  }

  /** Drops the oldest waiting broadcast that `condition` holds for; false where there is none. */
  dropWaiting(condition: (frame: Frame) => boolean): boolean {
    const index = this.#queue.findIndex((frame, i) => i >= this.#head + this.#burst && frame.broadcast !== undefined && condition(frame))
    if (index === -1) return false
    this.#remove(index)
    return true
  }

  /** Drops everything that waits, and says how many messages that were. */
  clear(): number {
    const dropped = this.#queue.length - this.#head
    this.#reset()
    this.#settleWaiters()
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
    this.#reset()
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error())
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

  endOfTick(): void {
    this.#scheduled = false
    this.#flush()
    if (!this.#blockedThisTurn) return
    this.#blockedThisTurn = false
    this.#burst = this.#queue.length - this.#head
    this.#burstBytes = this.#queuedBytes
  }

  #isFull(frame: Frame): boolean {
    const { sendQueueSize } = this.#limits
    if (this.waiting >= sendQueueSize) return true
    const bytes = this.#queuedBytes - this.#burstBytes
    return bytes > 0 && bytes + frame.size > Math.max(MIN_QUEUE_BYTES, sendQueueSize * BYTES_PER_PLACE)
  }

  #makePlace(frame: Frame, isBurst: boolean): boolean {
    if (!this.#blocked) this.#flush()
    if (isBurst && this.#blockedThisTurn) return this.unsent + frame.size <= MAX_UNSENT
    return !this.#isFull(frame)
  }

  #enqueue(frame: Frame): void {
    this.#queue.push(frame)
    this.#queuedBytes += frame.size
    if (frame.head === undefined) frame.whenReady(() => this.#flush(this.#onEmpty !== undefined))
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    atEndOfTick(this)
  }

  #remove(index: number): void {
    const [frame] = this.#queue.splice(index, 1)
    if (frame === undefined) return
    const position = index - this.#head
    this.#queuedBytes -= frame.size
    if (this.#pong === frame) this.#pong = undefined
    if (position < this.#burst) {
      this.#burst--
      this.#burstBytes -= frame.size
    }
    if (this.#inSocket + position < this.#stalled) this.#stalled--
  }

  #reset(): void {
    this.#queue = []
    this.#head = 0
    this.#queuedBytes = 0
    this.#burst = 0
    this.#burstBytes = 0
    this.#stalled = Math.min(this.#stalled, this.#inSocket)
    this.#pong = undefined
  }

  /** Writes batches until the kernel takes no more, or, with `all`, until nothing is left that is ready. */
  #flush(all = false): void {
    while (this.#writeBatch(all)) {
      // Until it says that there is nothing more to do.
    }
    this.#settleWaiters()
    if (this.isEmpty) this.#becameEmpty()
  }

  #becameEmpty(): void {
    const onEmpty = this.#onEmpty
    const onCaughtUp = this.#onCaughtUp
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
    if ((this.#blocked && !evenIfBlocked) || this.#isBroken) return false
    const start = this.#head
    let end = start
    let bytes = 0
    for (; end < this.#queue.length && bytes < BATCH_BYTES; end++) {
      const frame = this.#queue[end] as Frame
      if (frame.head === undefined) break
      bytes += frame.size
    }
    if (end === start) return false
    this.#send(start, end)
    this.#advance(end, bytes)
    return true
  }

  #send(start: number, end: number): void {
    const first = this.#queue[start] as Frame
    if (end - start === 1 && first.body === undefined) {
      this.#socket.write(first.head)
    } else {
      this.#socket.cork()
      for (const piece of join(this.#queue, start, end)) this.#socket.write(piece)
      this.#socket.uncork()
    }
  }

  #advance(end: number, bytes: number): void {
    const count = end - this.#head
    this.#burst = Math.max(0, this.#burst - count)
    this.#burstBytes = this.#burst === 0 ? 0 : this.#burstBytes - bytes
    this.#pong = undefined
    this.#head = end
    // What was compressed meanwhile counted with its full size.
    this.#queuedBytes = Math.max(0, this.#queuedBytes - bytes)
    if (end === this.#queue.length) {
      this.#queue.length = 0
      this.#head = 0
      this.#queuedBytes = 0
    }
    if (this.#socket.writableLength > 0) this.#block(count)
    else this.#stalled = Math.max(0, this.#stalled - count)
  }

  /** Waits until the kernel has taken the last batch. Where it takes all at once, which is the rule, no callback is needed. */
  #block(count: number): void {
    this.#inSocket += count
    if (!this.#blocked) {
      this.#blocked = true
      this.#blockedThisTurn = true
      this.#schedule()
    }
    if (this.#stalled <= 0) this.#watch()
    this.#socket.write(NOTHING, (error) => {
      if (error) return
      this.#inSocket -= count
      this.#stalled -= count
      if (this.#socket.writableLength === 0) this.#unblock()
      else if (this.#stalled <= 0) this.#watch()
    })
  }

  #unblock(): void {
    this.#blocked = false
    this.#flush()
    // What is blocked again from here on has had its time.
    this.#blockedThisTurn = false
    if (this.#blocked) return
    this.stalledSince = 0
    this.#stalled = 0
  }

  #watch(): void {
    this.#stalled = this.#inSocket + this.#queue.length - this.#head
    this.stalledSince = performance.now()
  }

  #settleWaiters(): void {
    // A broken socket has nothing unsent; `fail` will tell the waiters.
    if (this.#waiters.length === 0 || this.unsent > this.#limits.writeBufferSize || this.#isBroken) return
    for (const waiter of this.#waiters.splice(0)) waiter.resolve()
  }
}

const ignore = (): void => {}

/** A rejected promise that ends no process where nobody waits for it. */
export function silenced(error: Error): Promise<never> {
  return silencedUnlessAwaited(Promise.reject(error))
}

function silencedUnlessAwaited<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore)
  return promise
}
