import type { Duplex } from 'node:stream'
import { now } from '../internal/clock.ts'
import type { Scheduled, Scheduler } from '../internal/scheduler.ts'
import type { Upgrade } from './upgrade.ts'

/** How long the other listeners may take to answer an upgrade, in milliseconds. */
const ANSWER_TIME = 2_000
/** The same if one of them listens to the socket. It may be asking a database or an upstream server. */
const LISTENING_ANSWER_TIME = 10_000
/** If more upgrades wait, the oldest is handed back at once. */
const MAX_UNANSWERED = 1_024

/** Upgrades that were offered to the other listeners of the server. An upgrade that none of them answers is handed back. */
export class OfferedUpgrades implements Scheduled {
  /** Each with the time at which it was offered. */
  readonly #unanswered = new Map<Upgrade, number>()
  /** The open connections that the other listeners have made of upgrades. */
  readonly #answered = new Set<Duplex>()
  readonly #scheduler: Scheduler
  readonly #onUnanswered: (upgrade: Upgrade) => void
  readonly #onClose: (this: Duplex) => void

  constructor(scheduler: Scheduler, onUnanswered: (upgrade: Upgrade) => void) {
    this.#scheduler = scheduler
    this.#onUnanswered = onUnanswered
    const answered = this.#answered
    this.#onClose = function () {
      answered.delete(this)
    }
  }

  add(upgrade: Upgrade): void {
    if (this.#unanswered.size === 0) this.#scheduler.add(this)
    this.#unanswered.set(upgrade, now())
    const [oldest] = this.#unanswered.keys()
    if (this.#unanswered.size > MAX_UNANSWERED && oldest !== undefined) this.stopWaiting(oldest)
  }

  /** Removes an upgrade that is not answered yet. */
  delete(upgrade: Upgrade): void {
    this.#unanswered.delete(upgrade)
    if (this.#unanswered.size === 0) this.#scheduler.delete(this)
  }

  check(time: number): void {
    for (const [upgrade, since] of this.#unanswered) {
      const isOverdue = time - since >= (upgrade.hasNewListeners ? LISTENING_ANSWER_TIME : ANSWER_TIME)
      if (isOverdue || upgrade.isAnswered) this.stopWaiting(upgrade)
    }
  }

  onLag(time: number): void {
    for (const [upgrade, since] of this.#unanswered) this.#unanswered.set(upgrade, since + time)
  }

  /** Hands back all unanswered upgrades, and destroys the connections of answered ones after `timeout` milliseconds. */
  close(timeout: number): void {
    for (const upgrade of this.#unanswered.keys()) this.stopWaiting(upgrade)
    setTimeout(() => this.#destroyAnswered(), timeout).unref()
  }

  /** Hands an upgrade back, unless it was answered by now. */
  stopWaiting(upgrade: Upgrade): void {
    if (!this.#unanswered.has(upgrade)) return
    this.delete(upgrade)
    if (upgrade.isAnswered) this.#keepUntilClosed(upgrade)
    else this.#onUnanswered(upgrade)
  }

  #keepUntilClosed(upgrade: Upgrade): void {
    const { stream } = upgrade
    upgrade.finish()
    if (stream.destroyed) return
    this.#answered.add(stream)
    stream.once('close', this.#onClose)
  }

  #destroyAnswered(): void {
    for (const stream of this.#answered) stream.destroy()
  }
}
