import { now, type Watchdog, type Watched } from '../connection/watchdog.ts'
import type { Upgrade } from './upgrade.ts'

/** How long the other listeners have for an upgrade that none of them has shown an interest in, in milliseconds. */
const UNCLAIMED_TIME = 2_000
/** The same if one of them listens to the socket: it may be asking a database or an upstream server. */
const WATCHED_TIME = 10_000
/** Of more, the oldest is not waited for any longer. */
const MAX_UNCLAIMED = 1_024

/** Upgrades that the other listeners of the server were given, and that none of them has answered yet. */
export class UnclaimedUpgrades implements Watched {
  readonly #since = new Map<Upgrade, number>()
  readonly #clock: Watchdog
  readonly #onUnclaimed: (upgrade: Upgrade) => void

  constructor(clock: Watchdog, onUnclaimed: (upgrade: Upgrade) => void) {
    this.#clock = clock
    this.#onUnclaimed = onUnclaimed
  }

  add(upgrade: Upgrade): void {
    if (this.#since.size === 0) this.#clock.add(this)
    this.#since.set(upgrade, now())
    const [oldest] = this.#since.keys()
    if (this.#since.size > MAX_UNCLAIMED && oldest !== undefined) this.#end(oldest)
  }

  /** True if it was among them. */
  delete(upgrade: Upgrade): boolean {
    const wasThere = this.#since.delete(upgrade)
    if (this.#since.size === 0) this.#clock.delete(this)
    return wasThere
  }

  check(time: number): void {
    for (const [upgrade, since] of this.#since) {
      const waited = time - since
      if (upgrade.isAnswered) this.#claimed(upgrade)
      else if (waited >= WATCHED_TIME || (waited >= UNCLAIMED_TIME && !upgrade.isWatched)) this.#end(upgrade)
    }
  }

  forgive(time: number): void {
    for (const [upgrade, since] of this.#since) this.#since.set(upgrade, since + time)
  }

  /** Waits for nobody any longer. */
  end(): void {
    for (const upgrade of [...this.#since.keys()]) {
      if (upgrade.isAnswered) this.#claimed(upgrade)
      else this.#end(upgrade)
    }
  }

  #claimed(upgrade: Upgrade): void {
    this.delete(upgrade)
    upgrade.release()
  }

  #end(upgrade: Upgrade): void {
    this.delete(upgrade)
    this.#onUnclaimed(upgrade)
  }
}
