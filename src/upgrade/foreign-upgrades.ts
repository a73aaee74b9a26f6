import type { Duplex } from 'node:stream'
import { now, type Scheduler, type Scheduled } from '../internal/scheduler.ts'
import type { Upgrade } from './upgrade.ts'

/** How long the other listeners have for an upgrade that none of them has shown an interest in, in milliseconds. */
const UNCLAIMED_TIME = 2_000
/** The same if one of them listens to the socket: it may be asking a database or an upstream server. */
const WATCHED_TIME = 10_000
/** Of more, the oldest is not waited for any longer. */
const MAX_UNCLAIMED = 1_024

/** Upgrades that the other listeners of the server were given. If none of them answers one, it is handed back. */
export class ForeignUpgrades implements Scheduled {
  readonly #unclaimed = new Map<Upgrade, number>()
  readonly #claimed = new Set<Duplex>()
  readonly #clock: Scheduler
  readonly #handBack: (upgrade: Upgrade) => void
  readonly #onClose: (this: Duplex) => void

  constructor(clock: Scheduler, handBack: (upgrade: Upgrade) => void) {
    this.#clock = clock
    this.#handBack = handBack
    const claimed = this.#claimed
    this.#onClose = function () {
      claimed.delete(this)
    }
  }

  add(upgrade: Upgrade): void {
    if (this.#unclaimed.size === 0) this.#clock.add(this)
    this.#unclaimed.set(upgrade, now())
    const [oldest] = this.#unclaimed.keys()
    if (this.#unclaimed.size > MAX_UNCLAIMED && oldest !== undefined) this.settle(oldest)
  }

  /** Takes an upgrade that nobody has answered out. */
  delete(upgrade: Upgrade): void {
    this.#unclaimed.delete(upgrade)
    if (this.#unclaimed.size === 0) this.#clock.delete(this)
  }

  check(time: number): void {
    for (const [upgrade, since] of this.#unclaimed) {
      const isOverdue = time - since >= (upgrade.isWatched ? WATCHED_TIME : UNCLAIMED_TIME)
      if (isOverdue || upgrade.isAnswered) this.settle(upgrade)
    }
  }

  onLag(time: number): void {
    for (const [upgrade, since] of this.#unclaimed) this.#unclaimed.set(upgrade, since + time)
  }

  /** Hands back what nobody has answered. What was answered belongs to others, but is dropped after `timeout` milliseconds. */
  close(timeout: number): void {
    for (const upgrade of this.#unclaimed.keys()) this.settle(upgrade)
    setTimeout(() => this.#drop(), timeout).unref()
  }

  /** Waits for the listeners no longer. */
  settle(upgrade: Upgrade): void {
    if (!this.#unclaimed.has(upgrade)) return
    this.delete(upgrade)
    if (upgrade.isAnswered) this.#claim(upgrade)
    else this.#handBack(upgrade)
  }

  #claim(upgrade: Upgrade): void {
    const { socket } = upgrade
    upgrade.release()
    if (socket.destroyed) return
    this.#claimed.add(socket)
    socket.once('close', this.#onClose)
  }

  #drop(): void {
    for (const socket of this.#claimed) socket.destroy()
  }
}
