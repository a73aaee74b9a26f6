import { now } from '../../internal/scheduler.ts'

/**
 * Since when the oldest unsent frames of a connection wait for the kernel: what its write timeout is measured by. The time
 * runs for all frames that were unsent when it began, and begins anew when the last of these is gone: a client that reads a
 * little now and then does not hold a write for ever.
 */
export class Stall {
  /** By `now()`; 0 while nothing waits. */
  since = 0
  /** How many frames the socket has that the kernel did not take. */
  #inSocket = 0
  /** How many of the oldest unsent frames `since` speaks of. */
  #frames = 0

  /** The kernel took frames at once. */
  passed(count: number): void {
    this.#frames = Math.max(0, this.#frames - count)
  }

  /** The socket got frames that the kernel did not take; so many more are queued behind them. */
  entered(count: number, queued: number): void {
    this.#inSocket += count
    this.#restart(queued)
  }

  /** The kernel took frames that the socket had. */
  left(count: number, queued: number): void {
    this.#inSocket -= count
    this.#frames -= count
    if (this.#inSocket > 0) this.#restart(queued)
  }

  /** A frame at this position of the queue was dropped; it no longer counts, and is no progress of those before it. */
  dropped(position: number): void {
    if (this.#inSocket + position < this.#frames) this.#frames--
  }

  /** All queued frames were dropped. */
  cleared(): void {
    this.#frames = Math.min(this.#frames, this.#inSocket)
  }

  /** The socket has nothing left that the kernel did not take. */
  end(): void {
    this.since = 0
    this.#frames = 0
  }

  /** So many milliseconds do not count. */
  forgive(time: number): void {
    if (this.since > 0) this.since += time
  }

  #restart(queued: number): void {
    if (this.#frames > 0) return
    this.#frames = this.#inSocket + queued
    this.since = now()
  }
}
