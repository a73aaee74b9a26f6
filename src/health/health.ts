import type { WebSocketHub } from '../hub/hub.ts'
import type { Shutdown } from '../shutdown/shutdown.ts'
import type { PendingUpgrades } from '../upgrade/pending-upgrades.ts'
import { EventLoopDelay } from './event-loop-delay.ts'

/** What `app.wsHealth()` returns: the health of a server, for the probes of whatever runs it. */
export interface WebSocketHealth {
  /** True from when the server is ready until `app.close()` is called. It stays true while `isDegraded` is. */
  readonly isReady: boolean
  /** True from the call of `app.close()`. */
  readonly isShuttingDown: boolean
  /** True while the engine of the hub's broker cannot be reached. Clients of this node are still served. */
  readonly isDegraded: boolean
  /** How many WebSockets are open. */
  readonly connections: number
  /** How many upgrades wait for their hooks. */
  readonly pendingUpgrades: number
  /** For how long the event loop stood still, in milliseconds: the longest time of the last 10 to 20 seconds. 0 in the first answer. */
  readonly eventLoopDelay: number
}

/** Knows how the server is. */
export class Health {
  readonly #hub: WebSocketHub
  readonly #shutdown: Shutdown
  readonly #pending: PendingUpgrades
  readonly #delay = new EventLoopDelay()
  #hasStarted = false

  constructor(hub: WebSocketHub, shutdown: Shutdown, pending: PendingUpgrades) {
    this.#hub = hub
    this.#shutdown = shutdown
    this.#pending = pending
  }

  onReady(): void {
    this.#hasStarted = true
  }

  onClose(): void {
    this.#delay.stop()
  }

  report(): WebSocketHealth {
    const isShuttingDown = this.#shutdown.hasBegun
    return {
      isReady: this.#hasStarted && !isShuttingDown,
      isShuttingDown,
      isDegraded: this.#hub.cluster.stats().isDegraded,
      connections: this.#shutdown.size,
      pendingUpgrades: this.#pending.size,
      eventLoopDelay: this.#delay.longest
    }
  }
}
