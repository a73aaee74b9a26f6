import type { SlowConsumerPolicy } from '../config/route-config.ts'
import type { WebSocketConnection } from '../connection/connection.ts'
import { atEndOfTurn, type EndOfTurn } from '../internal/end-of-turn.ts'
import type { PreparedMessage } from '../connection/write/prepared-message.ts'
import { BroadcastGroup } from './broadcast-group.ts'
import { deliver } from './slow-consumer.ts'
import type { Events } from './events.ts'

/** What a hub has delivered since its start. */
export interface BroadcastStats {
  /** Messages taken for delivery, one for each receiver; those that were dropped later count in `drops`, too. */
  messagesSent: number
  /** The payloads of these, before compression, in bytes. */
  bytesSent: number
  /** Messages dropped for slow consumers. */
  drops: number
  /** Connections closed with 1013 because they were too slow. */
  slowDisconnects: number
}

/** A hub's numbers. All but `clients` and `rooms` count from its start. */
export interface HubStats extends BroadcastStats {
  /** Registered connections. */
  clients: number
  /** Rooms with at least one member. */
  rooms: number
}

/** Delivers broadcasts to the connections of a hub, and does what is to be done for those who are too slow. */
export class Broadcaster implements EndOfTurn {
  readonly #policy: SlowConsumerPolicy | undefined
  readonly #events: Events
  readonly #evict: (ws: WebSocketConnection) => void
  readonly #slow = new WeakSet<WebSocketConnection>()
  /** What the broadcasts of this turn to the same receivers have in common; gone as soon as who receives may have changed. */
  #burst: BroadcastGroup | undefined
  #messagesSent = 0
  #bytesSent = 0
  #drops = 0
  #slowDisconnects = 0

  /** `evict` takes a connection out of the hub that is closed for being slow. Without a `policy`, that of its route counts. */
  constructor(policy: SlowConsumerPolicy | undefined, events: Events, evict: (ws: WebSocketConnection) => void) {
    this.#policy = policy
    this.#events = events
    this.#evict = evict
  }

  /** Sends to all of them. Says how many took it. */
  send(message: PreparedMessage, targets: Iterable<WebSocketConnection>): number {
    this.#events.hold()
    const sent = this.#share(message, targets)
    this.#events.release()
    this.#messagesSent += sent
    this.#bytesSent += sent * message.payload.length
    return sent
  }

  /** Who is in the hub or in one of its rooms has changed. */
  changed(): void {
    this.#burst = undefined
  }

  endOfTurn(): void {
    this.#burst = undefined
  }

  stats(): BroadcastStats {
    return {
      messagesSent: this.#messagesSent,
      bytesSent: this.#bytesSent,
      drops: this.#drops,
      slowDisconnects: this.#slowDisconnects
    }
  }

  /** Sends it, where it can, with what else the receivers get in this turn. */
  #share(message: PreparedMessage, targets: Iterable<WebSocketConnection>): number {
    const burst = this.#burst
    if (burst?.targets === targets && burst.takes(message))
      return burst.add(message) + this.#sendEach(message, burst.others)
    const next = new BroadcastGroup(message, targets)
    if (this.#burst === undefined) atEndOfTurn(this)
    this.#burst = next
    return next.sharing + this.#sendEach(message, next.others)
  }

  #sendEach(message: PreparedMessage, targets: readonly WebSocketConnection[]): number {
    let sent = 0
    for (const ws of targets) if (this.#deliver(message, ws)) sent++
    return sent
  }

  #deliver(message: PreparedMessage, ws: WebSocketConnection): boolean {
    const policy = this.#policy ?? ws.session.config.slowConsumer
    const { sent, dropped, slow } = deliver(message, ws.session, policy)
    this.#drops += dropped
    if (slow) this.#onSlow(ws, policy === 'disconnect')
    return sent
  }

  #onSlow(ws: WebSocketConnection, isDisconnected: boolean): void {
    if (isDisconnected) {
      this.#slowDisconnects++
      this.#evict(ws)
    }
    if (this.#slow.has(ws)) return
    this.#slow.add(ws)
    ws.session.writer.onCaughtUp(() => this.#slow.delete(ws))
    this.#events.emit('slow', ws)
  }
}
