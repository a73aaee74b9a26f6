import type { WebSocketConnection } from '../connection/connection.ts'
import { emit, type Listenable } from '../internal/emitter.ts'

/** The events of a hub. An error of a listener is logged, and changes nothing for the hub and its clients. */
export interface HubEvents {
  /** A connection was registered. */
  register: [ws: WebSocketConnection]
  /** A connection was unregistered or has closed. `rooms` are the rooms that it was in. */
  unregister: [ws: WebSocketConnection, rooms: readonly string[]]
  /** A client is a slow consumer: its send queue is full. Emitted once, and again only after the queue was empty. */
  slow: [ws: WebSocketConnection]
  /** The engine of the broker cannot be reached. Until `'recovered'`, broadcasts reach only the clients of this node. */
  degraded: [error: Error]
  /** The engine can be reached again, and this node gets all messages of other nodes again. */
  recovered: []
}

export const HUB_EVENTS = [
  'register',
  'unregister',
  'slow',
  'degraded',
  'recovered'
] as const satisfies (keyof HubEvents)[]

type ClientEvent = 'register' | 'unregister' | 'slow'
type Details<Event extends ClientEvent> = HubEvents[Event] extends [WebSocketConnection, ...infer Rest] ? Rest : never

/**
 * Emits the events of a hub that are about its clients. Events that occur during a broadcast are emitted after it, so that a
 * message that a listener broadcasts reaches all clients after the current one.
 */
export class ClientEvents {
  readonly #hub: Listenable<HubEvents>
  #isDeferring = false
  #deferred: (() => void)[] = []

  constructor(hub: Listenable<HubEvents>) {
    this.#hub = hub
  }

  /** Defers events until `emitDeferred`. */
  defer(): void {
    this.#isDeferring = true
  }

  emitDeferred(): void {
    this.#isDeferring = false
    for (const emitEvent of this.#deferred.splice(0)) emitEvent()
  }

  /** Never throws: an error of a listener must reach neither the caller of `broadcast` nor the other recipients. */
  emit<Event extends ClientEvent>(event: Event, ws: WebSocketConnection, ...details: Details<Event>): void {
    this.afterBroadcast(() => {
      try {
        emit<HubEvents, Event>(this.#hub, event, ...([ws, ...details] as unknown as HubEvents[Event]))
      } catch (error) {
        logListenerError(error, event, ws)
      }
    })
  }

  /** Calls the function now or, during a broadcast, after it. */
  afterBroadcast(callback: () => void): void {
    if (this.#isDeferring) this.#deferred.push(callback)
    else callback()
  }
}

export function logListenerError(error: unknown, event: string, ws: WebSocketConnection): void {
  ws.request.log.error({ err: error, event }, 'listener of a WebSocketHub event failed')
}
