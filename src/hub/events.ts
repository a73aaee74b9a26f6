import type { EventEmitter } from 'node:events'
import type { WebSocketConnection } from '../connection/connection.ts'

/** The events of a hub. A listener that throws is logged and disturbs nobody. */
export interface HubEvents {
  /** A connection was registered. */
  register: [ws: WebSocketConnection]
  /** A connection left, or was made to leave. */
  unregister: [ws: WebSocketConnection]
  /** A connection could not take a broadcast and its `slowConsumer` policy was applied; once until it has caught up. */
  slow: [ws: WebSocketConnection]
  /** The engine of the broker cannot be reached: until `'recovered'`, broadcasts reach the clients of this node only. */
  degraded: [error: Error]
  /** It is back, and this node gets everything again. */
  recovered: []
}

type ConnectionEvent = 'register' | 'unregister' | 'slow'

/** Emits a hub's events. Those of a broadcast wait for its end: what listeners broadcast comes behind it, for everybody. */
export class Events {
  readonly #hub: EventEmitter<HubEvents>
  #isHeld = false
  #held: (() => void)[] = []

  constructor(hub: EventEmitter<HubEvents>) {
    this.#hub = hub
  }

  /** A broadcast begins. */
  hold(): void {
    this.#isHeld = true
  }

  /** It has ended. */
  release(): void {
    this.#isHeld = false
    for (const emit of this.#held.splice(0)) emit()
  }

  /** A listener's error must not reach whoever broadcasts, and not the other receivers. */
  emit(event: ConnectionEvent, ws: WebSocketConnection): void {
    if (this.#isHeld) {
      this.#held.push(() => this.emit(event, ws))
      return
    }
    try {
      this.#hub.emit(event, ws)
    } catch (error) {
      logFailure(error, event, ws)
    }
  }
}

export function logFailure(error: unknown, event: string, ws: WebSocketConnection): void {
  ws.request.log.error({ err: error, event }, 'listener of a WebSocketHub event failed')
}
