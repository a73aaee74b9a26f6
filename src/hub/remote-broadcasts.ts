import type { RemoteBroadcast } from '../cluster/listeners.ts'
import type { WebSocketConnection } from '../connection/connection.ts'
import { PreparedMessage } from '../connection/write/prepared-message.ts'
import { tellOfBroadcast } from '../observe/traces.ts'
import { accepts } from '../connection/audience.ts'
import type { Broadcaster } from './broadcaster.ts'
import type { Clients } from './clients.ts'
import type { Deliveries } from './deliveries.ts'
import { Deduplicator } from './deduplicator.ts'
import { countOf } from './recipients.ts'

/** Delivers the broadcasts of other nodes to the clients of this node. */
export class RemoteBroadcasts {
  readonly #hub: object
  readonly #clients: Clients
  readonly #broadcaster: Broadcaster
  readonly #deliveries: Deliveries
  readonly #deduplicator = new Deduplicator()

  /** @param hub the hub, for observers. */
  constructor(hub: object, clients: Clients, broadcaster: Broadcaster, deliveries: Deliveries) {
    this.#hub = hub
    this.#clients = clients
    this.#broadcaster = broadcaster
    this.#deliveries = deliveries
  }

  /** Returns how many connections have accepted it. */
  deliver({ type, payload, targets, excluded, copyId, audience, origin, notes }: RemoteBroadcast): number {
    const matching = targets === undefined ? this.#clients.all : this.#clients.findByTargets(targets)
    const recipients = copyId === undefined ? matching : this.#deduplicator.addRecipients(copyId, matching)
    const excludedHere = new Set(excluded.map((id) => this.#clients.findById(id)))
    const isForAll = excludedHere.size === 0 && this.#clients.allAccept(audience)
    const gets = (ws: WebSocketConnection): boolean => !excludedHere.has(ws) && accepts(ws.session.contract, audience)
    const all = isForAll ? recipients : [...recipients].filter(gets)
    tellOfBroadcast(this.#hub, {
      to: targets,
      recipients: countOf(all),
      bytes: payload.length,
      type,
      origin,
      traceparent: notes?.traceparent
    })
    return this.#broadcaster.send(
      new PreparedMessage(type, payload, undefined, this.#deliveries.of(notes, targets)),
      all
    )
  }
}
