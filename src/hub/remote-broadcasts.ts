import type { RemoteBroadcast } from '../cluster/listeners.ts'
import type { WebSocketConnection } from '../connection/connection.ts'
import { PreparedMessage } from '../connection/write/prepared-message.ts'
import { accepts } from '../connection/audience.ts'
import type { Broadcaster } from './broadcaster.ts'
import type { Clients } from './clients.ts'
import { Deduplicator } from './deduplicator.ts'

/** Delivers the broadcasts of other nodes to the clients of this node. */
export class RemoteBroadcasts {
  readonly #clients: Clients
  readonly #broadcaster: Broadcaster
  readonly #deduplicator = new Deduplicator()

  constructor(clients: Clients, broadcaster: Broadcaster) {
    this.#clients = clients
    this.#broadcaster = broadcaster
  }

  deliver({ type, payload, targets, excluded, copyId, audience }: RemoteBroadcast): void {
    const matching = targets === undefined ? this.#clients.all : this.#clients.findByTargets(targets)
    const recipients = copyId === undefined ? matching : this.#deduplicator.addRecipients(copyId, matching)
    const excludedHere = new Set(excluded.map((id) => this.#clients.findById(id)))
    const isForAll = excludedHere.size === 0 && this.#clients.allAccept(audience)
    const gets = (ws: WebSocketConnection): boolean => !excludedHere.has(ws) && accepts(ws.session.contract, audience)
    this.#broadcaster.send(new PreparedMessage(type, payload), isForAll ? recipients : [...recipients].filter(gets))
  }
}
