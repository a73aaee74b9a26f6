/** What a node tells about itself. */
export interface NodeInfo {
  /** Unique in the cluster. A hub that is created again has a new one. */
  id: string
  /** Registered connections. */
  clients: number
  /** Rooms with members on this node. */
  rooms: number
  /** How long its hub has existed, in seconds. */
  uptime: number
}

interface Member {
  /** After how many milliseconds of silence the node counts as dead. */
  lease: number
  /** When it counts as dead unless it is heard again, by `now()`. */
  expiresAt: number
}

/** How many nodes are kept at most: ids come from outside. */
const MAX_MEMBERS = 1024

/** The other nodes of the cluster: those that were heard within their lease. */
export class Members {
  readonly #members = new Map<string, Member>()
  /** Nodes that have said good-bye, and until when their earlier messages may still arrive. */
  readonly #departed = new Map<string, number>()
  readonly #onGone: (id: string) => void

  constructor(onGone: (id: string) => void) {
    this.#onGone = onGone
  }

  ids(): string[] {
    return [...this.#members.keys()]
  }

  has(id: string): boolean {
    return this.#members.has(id)
  }

  /** Notes that a node was heard at a time of `now()`. Returns whether it is a new member. */
  renew(id: string, lease: number, time: number): boolean {
    const member = this.#members.get(id)
    if (member !== undefined) Object.assign(member, { lease, expiresAt: time + lease })
    else if (this.#members.size < MAX_MEMBERS) this.#members.set(id, { lease, expiresAt: time + lease })
    return member === undefined && this.#members.has(id)
  }

  /** Removes a node that has said good-bye. It never comes back: what it said before is ignored until this time. */
  depart(id: string, until: number): void {
    if (this.#departed.size < MAX_MEMBERS) this.#departed.set(id, until)
    this.#remove(id)
  }

  hasDeparted(id: string): boolean {
    return this.#departed.has(id)
  }

  /** Removes the nodes that were not heard within their lease, at a time of `now()`. */
  expire(time: number): void {
    for (const [id, { expiresAt }] of this.#members) if (time >= expiresAt) this.#remove(id)
    for (const [id, until] of this.#departed) if (time >= until) this.#departed.delete(id)
  }

  /** No node expires before this time. */
  extendAll(expiresAt: number): void {
    for (const member of this.#members.values()) member.expiresAt = Math.max(member.expiresAt, expiresAt)
  }

  /**
   * The event loop of this node was late by `lag` milliseconds, in which it could not hear anybody. That must not cost another
   * node its lease, nor give more than a lease to a node that was heard since.
   */
  onLag(lag: number, time: number): void {
    for (const member of this.#members.values()) {
      const latest = Math.max(member.expiresAt, time + member.lease)
      member.expiresAt = Math.min(member.expiresAt + lag, latest)
    }
  }

  #remove(id: string): void {
    if (this.#members.delete(id)) this.#onGone(id)
  }
}
