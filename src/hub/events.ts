import type { WebSocketConnection } from '../connection/connection.ts'
import { emit, type Listenable } from '../internal/emitter.ts'

/** The events of a hub. A listener that throws is logged and disturbs nobody. */
export interface HubEvents {
  /** A connection was registered. */
  register: [ws: WebSocketConnection]
  /** A connection left, or was made to leave; the rooms are those it was in. */
  unregister: [ws: WebSocketConnection, rooms: readonly string[]]
  /** A connection could not take a broadcast and its `slowConsumer` policy was applied; once until it has caught up. */
  slow: [ws: WebSocketConnection]
  /** The engine of the broker cannot be reached: until `'recovered'`, broadcasts reach the clients of this node only. */
  degraded: [error: Error]
  /** It is back, and this node gets everything again. */
  recovered: []
}

export const HUB_EVENTS = [
  'register',
  'unregister',
  'slow',
  'degraded',
  'recovered'
] as const satisfies (keyof HubEvents)[]

type ConnectionEvent = 'register' | 'unregister' | 'slow'
type Details<Event extends ConnectionEvent> = HubEvents[Event] extends [WebSocketConnection, ...infer Rest]
  ? Rest
  : never

/** Emits a hub's events. Those of a broadcast wait for its end: what listeners broadcast comes behind it, for everybody. */
export class Events {
  readonly #hub: Listenable<HubEvents>
  #isHeld = false
  #held: (() => void)[] = []

  constructor(hub: Listenable<HubEvents>) {
    this.#hub = hub
  }

  /** A broadcast begins. */
  hold(): void {
    this.#isHeld = true
  }

  /** It has ended. */
  release(): void {
    this.#isHeld = false
    for (const emitHeld of this.#held.splice(0)) emitHeld()
  }

  /** A listener's error must not reach whoever broadcasts, and not the other receivers. */
  emit<Event extends ConnectionEvent>(event: Event, ws: WebSocketConnection, ...details: Details<Event>): void {
    if (this.#isHeld) {
      this.#held.push(() => this.emit(event, ws, ...details))
      return
    }
    try {
      emit<HubEvents, Event>(this.#hub, event, ...([ws, ...details] as unknown as HubEvents[Event]))
    } catch (error) {
      logFailure(error, event, ws)
    }
  }
}

export function logFailure(error: unknown, event: string, ws: WebSocketConnection): void {
  ws.request.log.error({ err: error, event }, 'listener of a WebSocketHub event failed')
}
