/** What a node says of itself. */
export interface NodeInfo {
  /** Unique in the cluster; a hub that is made anew has a new one. */
  id: string
  /** Registered connections. */
  clients: number
  /** Rooms with members on this node. */
  rooms: number
  /** How long its hub has been there, in seconds. */
  uptime: number
}

interface Member {
  /** For how long it counts as there after it was heard, in milliseconds. */
  lease: number
  /** When it counts as dead unless it is heard of, at a time of `now()`. */
  expiresAt: number
}

/** No more nodes than this are kept: ids come from outside. */
const MAX_MEMBERS = 1024

/** The other nodes: those who have been heard of within their lease. */
export class Members {
  readonly #members = new Map<string, Member>()
  /** Those who have taken their leave, and until when something that they said before may come. */
  readonly #left = new Map<string, number>()
  readonly #lost: (id: string) => void

  constructor(lost: (id: string) => void) {
    this.#lost = lost
  }

  ids(): string[] {
    return [...this.#members.keys()]
  }

  has(id: string): boolean {
    return this.#members.has(id)
  }

  /** A node has been heard, at a time of `now()`; true where nobody knew of it. */
  heard(id: string, lease: number, time: number): boolean {
    const member = this.#members.get(id)
    if (member !== undefined) Object.assign(member, { lease, expiresAt: time + lease })
    else if (this.#members.size < MAX_MEMBERS) this.#members.set(id, { lease, expiresAt: time + lease })
    return member === undefined && this.#members.has(id)
  }

  /** A node has taken its leave: it never comes back, and what it has said before is ignored up to this time. */
  left(id: string, until: number): void {
    if (this.#left.size < MAX_MEMBERS) this.#left.set(id, until)
    this.gone(id)
  }

  hasLeft(id: string): boolean {
    return this.#left.has(id)
  }

  /** A node has gone. */
  gone(id: string): void {
    if (this.#members.delete(id)) this.#lost(id)
  }

  /** Those who have not been heard of in their lease have gone, at a time of `now()`. */
  check(time: number): void {
    for (const [id, { expiresAt }] of this.#members) if (time >= expiresAt) this.gone(id)
    for (const [id, until] of this.#left) if (time >= until) this.#left.delete(id)
  }

  /** None of the known nodes counts as dead before this time. */
  renew(expiresAt: number): void {
    for (const member of this.#members.values()) member.expiresAt = Math.max(member.expiresAt, expiresAt)
  }

  /** This node could hear nobody for so long, up to a time of `now()`: that says nothing of the others. Who was heard since has its lease, and no more. */
  forgive(late: number, time: number): void {
    for (const member of this.#members.values())
      member.expiresAt = Math.min(member.expiresAt + late, Math.max(member.expiresAt, time + member.lease))
  }
}
