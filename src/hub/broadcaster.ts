import { hasChosenPolicy, type SlowConsumerPolicy } from '../config/route-config.ts'
import type { WebSocketConnection } from '../connection/connection.ts'
import { atEndOfTurn, type EndOfTurn } from '../internal/end-of-turn.ts'
import type { PreparedMessage } from '../connection/write/prepared-message.ts'
import { BroadcastGroup } from './broadcast-group.ts'
import type { ClientEvents } from './client-events.ts'
import { deliver } from './slow-consumer.ts'
import type { BroadcastStats } from './stats.ts'

type OnBehind = (ws: WebSocketConnection) => void

/** Sends broadcasts to the clients of a hub, and applies the policy for slow consumers. */
export class Broadcaster implements EndOfTurn {
  readonly #policy: SlowConsumerPolicy | undefined
  readonly #hasHistory: boolean
  readonly #events: ClientEvents
  readonly #unregister: (ws: WebSocketConnection) => void
  /** The slow consumers that the `'slow'` event was emitted for. */
  readonly #slowClients = new WeakSet<WebSocketConnection>()
  #group: BroadcastGroup | undefined
  #messagesSent = 0
  #bytesSent = 0
  #drops = 0
  #slowDisconnects = 0

  /**
   * @param policy undefined: that of the client's route.
   * @param hasHistory whether clients can catch up with what was published.
   * @param unregister takes a client out of the hub that was closed as a slow consumer.
   */
  constructor(
    policy: SlowConsumerPolicy | undefined,
    hasHistory: boolean,
    events: ClientEvents,
    unregister: (ws: WebSocketConnection) => void
  ) {
    this.#policy = policy
    this.#hasHistory = hasHistory
    this.#events = events
    this.#unregister = unregister
  }

  /**
   * Returns how many recipients accepted the message.
   *
   * @param onBehind is called for each slow consumer that must get the message later.
   */
  send(message: PreparedMessage, recipients: Iterable<WebSocketConnection>, onBehind?: OnBehind): number {
    this.#events.defer()
    const sent = this.#sendInGroup(message, recipients, onBehind)
    this.#events.emitDeferred()
    this.#messagesSent += sent
    this.#bytesSent += sent * message.payload.length
    return sent
  }

  /** Call it if clients or members of rooms change: the next broadcast may have other recipients. */
  endGroup(): void {
    this.#group = undefined
  }

  endOfTurn(): void {
    this.#group = undefined
  }

  stats(): BroadcastStats {
    return {
      messagesSent: this.#messagesSent,
      bytesSent: this.#bytesSent,
      drops: this.#drops,
      slowDisconnects: this.#slowDisconnects
    }
  }

  /** Adds the message to the current group if it fits there, and begins another group otherwise. */
  #sendInGroup(message: PreparedMessage, recipients: Iterable<WebSocketConnection>, onBehind?: OnBehind): number {
    const group = this.#group
    if (group?.recipients === recipients && group.takes(message))
      return group.add(message) + this.#sendToEach(message, group.others, onBehind)
    const next = new BroadcastGroup(message, recipients)
    if (this.#group === undefined) atEndOfTurn(this)
    this.#group = next
    return next.sharingCount + this.#sendToEach(message, next.others, onBehind)
  }

  #sendToEach(message: PreparedMessage, recipients: readonly WebSocketConnection[], onBehind?: OnBehind): number {
    let sent = 0
    for (const ws of recipients) if (this.#sendTo(message, ws, onBehind)) sent++
    return sent
  }

  #sendTo(message: PreparedMessage, ws: WebSocketConnection, onBehind?: OnBehind): boolean {
    const policy = this.#policyFor(ws)
    const { dropped, isAccepted, isSlow } = deliver(message, ws.session, policy)
    this.#drops += dropped
    if (isSlow) this.#reportSlow(ws, policy === 'disconnect')
    if (isSlow && policy !== 'disconnect' && message.mustArrive) onBehind?.(ws)
    return isAccepted
  }

  #policyFor({ session: { contract, config } }: WebSocketConnection): SlowConsumerPolicy {
    const isDefault = this.#policy === undefined && contract !== undefined && !hasChosenPolicy(config)
    const policy = isDefault ? 'catchUp' : (this.#policy ?? config.slowConsumer)
    return policy === 'catchUp' && !this.#hasHistory ? 'disconnect' : policy
  }

  #reportSlow(ws: WebSocketConnection, isDisconnected: boolean): void {
    if (isDisconnected) {
      this.#slowDisconnects++
      this.#unregister(ws)
    }
    if (this.#slowClients.has(ws)) return
    this.#slowClients.add(ws)
    ws.session.writer.onCaughtUp(() => this.#slowClients.delete(ws))
    ws.session.events.onSlow?.(ws.session)
    this.#events.emit('slow', ws)
  }
}
