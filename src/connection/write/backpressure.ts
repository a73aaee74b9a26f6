/*
 * Back-pressure: the kernel takes less than it is given, because the client reads too slowly.
 *
 * While the kernel takes everything at once, nothing in this file is in use. If it leaves bytes in the stream, the connection
 * is blocked: the writer keeps further frames in its send queue, and `Backpressure` learns from the stream when the bytes are
 * gone. Meanwhile the `StallTimer` measures how long the oldest unsent frame has waited, for the write timeout, and
 * `SendProgress` holds the writes that wait for room.
 *
 * Node.js notices only between two turns of the event loop that a socket can take more. So a handler that sends much in one
 * turn can fill the queue of a client that is not slow at all. Therefore a grace period begins when the connection becomes
 * blocked, and ends when the event loop has been round its sockets: frames that are queued in this time do not count against
 * the client.
 */
import type { Duplex } from 'node:stream'
import { now } from '../../internal/clock.ts'
import type { CloseError } from '../../internal/close-codes.ts'
import { markHandled } from '../../internal/promises.ts'
import { reportsLater } from './stream-state.ts'

const EMPTY = Buffer.alloc(0)

/** The part of a writer that back-pressure uses. An interface, because the writer imports this file. */
export interface BlockableWriter {
  /** How many frames wait in the send queue. */
  readonly queuedFrames: number
  /** Writes queued frames to the stream. */
  flush(): void
}

/** Whether a connection is blocked. */
export class Backpressure {
  readonly stallTimer = new StallTimer()
  /** True while the stream has bytes that the kernel did not take. */
  isBlocked = false
  /** True from the moment the connection is blocked until the event loop has been round its sockets. */
  isInGracePeriod = false
  readonly #stream: Duplex
  readonly #writer: BlockableWriter
  /** How many callbacks of the stream are still to come. */
  #pendingCallbacks = 0

  constructor(stream: Duplex, writer: BlockableWriter) {
    this.#stream = stream
    this.#writer = writer
  }

  /**
   * The stream was given this many frames, and the kernel did not take all of them. True if the connection was not blocked
   * before.
   */
  addUnsent(count: number): boolean {
    const begins = !this.isBlocked
    if (begins) this.isBlocked = this.isInGracePeriod = true
    this.stallTimer.onUnsent(count, this.#writer.queuedFrames)
    this.#awaitSent(count)
    return begins
  }

  /** True while queued frames do not count against the client. */
  isExcused(isBroadcast: boolean): boolean {
    return !this.isBlocked || (this.isInGracePeriod && (isBroadcast || reportsLater(this.#stream)))
  }

  /** An empty write: the stream calls back once the kernel has taken everything that was written before it. */
  #awaitSent(count: number): void {
    this.#pendingCallbacks++
    this.#stream.write(EMPTY, (error) => {
      this.#pendingCallbacks--
      if (error) return
      this.stallTimer.onSent(count, this.#writer.queuedFrames)
      if (this.#stream.writableLength === 0) this.#unblock()
      // The application has written to `ws.socket` in the meantime.
      if (this.#stream.writableLength > 0 && this.#pendingCallbacks === 0) this.#awaitSent(0)
    })
  }

  #unblock(): void {
    this.isBlocked = false
    this.#writer.flush()
    // If the flush blocks again, there is no second grace period, except on streams that always report later.
    if (!reportsLater(this.#stream)) this.isInGracePeriod = false
    if (!this.isBlocked) this.stallTimer.reset()
  }
}

/**
 * Measures how long the oldest unsent frame has waited for the kernel. The time covers all frames that were unsent when it
 * began, and begins anew once the last of these is gone. So a client that reads a few bytes now and then cannot delay a write
 * forever.
 */
export class StallTimer {
  /** Since when, by `now()`; 0 while nothing waits. */
  since = 0
  /** How many frames the stream has that the kernel did not take. */
  #inStream = 0
  /** How many of the oldest unsent frames the time covers. */
  #covered = 0

  /** The kernel took this many frames at once. */
  onSentAtOnce(count: number): void {
    this.#covered = Math.max(0, this.#covered - count)
  }

  /** The stream was given frames that the kernel did not take. `queued` more wait in the send queue. */
  onUnsent(count: number, queued: number): void {
    this.#inStream += count
    this.#restart(queued)
  }

  /** The kernel took frames from the stream. `queued` more wait in the send queue. */
  onSent(count: number, queued: number): void {
    this.#inStream -= count
    this.#covered -= count
    if (this.#inStream > 0) this.#restart(queued)
  }

  /**
   * The frame at this position of the send queue was dropped. It no longer counts, but that is no progress for earlier frames.
   */
  onDropped(position: number): void {
    if (this.#inStream + position < this.#covered) this.#covered--
  }

  /** All queued frames were dropped. */
  onCleared(): void {
    this.#covered = Math.min(this.#covered, this.#inStream)
  }

  /** The kernel has taken everything. */
  reset(): void {
    this.since = 0
    this.#covered = 0
  }

  /** These milliseconds do not count. */
  postpone(time: number): void {
    if (this.since > 0) this.since += time
  }

  #restart(queued: number): void {
    if (this.#covered > 0) return
    this.#covered = this.#inStream + queued
    this.since = now()
  }
}

interface PendingWrite {
  resolve: () => void
  reject: (error: Error) => void
}

/** The writes that wait for room, and the callbacks for an empty send queue. */
export class SendProgress {
  #writes: PendingWrite[] | undefined
  #onCaughtUp: (() => void)[] | undefined
  #onEmpty: (() => void) | undefined

  /** True if a write waits for room. */
  get hasWrites(): boolean {
    return this.#writes !== undefined
  }

  /** Waits for `resolveWrites` or `rejectWrites`. */
  waitForRoom(): Promise<void> {
    return markHandled(new Promise<void>((resolve, reject) => (this.#writes ??= []).push({ resolve, reject })))
  }

  resolveWrites(): void {
    const writes = this.#writes
    this.#writes = undefined
    for (const { resolve } of writes ?? []) resolve()
  }

  rejectWrites(error: () => CloseError): void {
    const writes = this.#writes
    this.#writes = undefined
    for (const { reject } of writes ?? []) reject(error())
  }

  /** Calls back once the send queue is empty. Several callbacks are called in the order in which they were added. */
  onCaughtUp(callback: () => void): void {
    ;(this.#onCaughtUp ??= []).push(callback)
  }

  /** Sets the one callback that comes after all others once the send queue is empty; undefined removes it. */
  onEmpty(callback: (() => void) | undefined): void {
    this.#onEmpty = callback
  }

  /** The send queue is empty. */
  reportEmpty(): void {
    const onCaughtUp = this.#onCaughtUp
    const onEmpty = this.#onEmpty
    if (onCaughtUp === undefined && onEmpty === undefined) return
    this.#onCaughtUp = undefined
    this.#onEmpty = undefined
    for (const callback of onCaughtUp ?? []) callback()
    onEmpty?.()
  }
}
