import type { RemoteBroadcast } from '../cluster/listeners.ts'
import { PreparedMessage } from '../connection/write/prepared-message.ts'
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

  deliver({ type, payload, targets, excluded, copyId }: RemoteBroadcast): void {
    const matching = targets === undefined ? this.#clients.all : this.#clients.findByTargets(targets)
    const recipients = copyId === undefined ? matching : this.#deduplicator.addRecipients(copyId, matching)
    const excludedHere = new Set(excluded.map((id) => this.#clients.findById(id)))
    this.#broadcaster.send(
      new PreparedMessage(type, payload),
      excludedHere.size === 0 ? recipients : [...recipients].filter((ws) => !excludedHere.has(ws))
    )
  }
}
