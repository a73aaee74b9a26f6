import { hashOfEntry, sum } from './sync/digest.ts'

/** Someone who is in a room. */
export interface Present<Info = unknown> {
  /** What `set` was given as `key`, or else the id of the connection. */
  key: string
  /** What `set` was given last under this key. */
  info: Info
  /** The ids of the connections under this key, of all nodes. */
  connections: string[]
}

/** One connection's presence in a room. */
export interface Entry {
  /** Of the connection. */
  id: string
  key: string
  info: unknown
  /** When it was set, by the clock of presence: a whole number, later than whatever its node had heard of before. */
  since: number
}

/** What a change means for those who watch a room. */
export interface Change {
  event: 'join' | 'leave' | 'update'
  present: Present
}

interface HashedEntry extends Entry {
  hash: number
}

/** The connections under one key, and the one that was set last. */
interface Group {
  readonly entries: Set<HashedEntry>
  newest: HashedEntry
}

/** What one node says. */
interface Holding {
  readonly entries: Map<string, HashedEntry>
  /** The sum of the hashes of all entries, kept up to date with every change. */
  hash: number
}

/** Who is in one room, on all nodes. Each node speaks for its own connections only. */
export class Roster {
  readonly #nodes = new Map<string, Holding>()
  readonly #groups = new Map<string, Group>()
  readonly #hashedRoom: number
  readonly #counted: (node: string, by: number) => void

  /** `counted` is told by how much the hash of what a node says has changed. */
  constructor(hashedRoom = 0, counted: (node: string, by: number) => void = () => {}) {
    this.#hashedRoom = hashedRoom
    this.#counted = counted
  }

  get isEmpty(): boolean {
    return this.#groups.size === 0
  }

  has(node: string, id: string): boolean {
    return this.#nodes.get(node)?.entries.has(id) === true
  }

  /** True if a node has any connections here. */
  hasAny(node: string): boolean {
    return this.#nodes.has(node)
  }

  list(): Present[] {
    return [...this.#groups.values()].map(presentOf)
  }

  /** The nodes that have connections here. */
  nodes(): string[] {
    return [...this.#nodes.keys()]
  }

  /** The connections of one node. */
  idsOf(node: string): string[] {
    return [...(this.#nodes.get(node)?.entries.keys() ?? [])]
  }

  /** A hash of all entries of one node: the same in any order, and 0 if there are none. */
  hashOf(node: string): number {
    return this.#nodes.get(node)?.hash ?? 0
  }

  entryOf(node: string, id: string): Entry | undefined {
    const entry = this.#nodes.get(node)?.entries.get(id)
    return entry && { id, key: entry.key, info: entry.info, since: entry.since }
  }

  set(node: string, entry: Entry): Change[] {
    const hash = hashOfEntry(this.#hashedRoom, entry)
    const earlier = this.#nodes.get(node)?.entries.get(entry.id)
    if (earlier === undefined) return this.#add(node, { ...entry, hash })
    if (earlier.hash === hash && earlier.since === entry.since) return []
    if (earlier.key !== entry.key) return [...this.delete(node, entry.id), ...this.#add(node, { ...entry, hash })]
    return this.#update(node, earlier, entry, hash)
  }

  delete(node: string, id: string): Change[] {
    const holding = this.#nodes.get(node)
    const entry = holding?.entries.get(id)
    if (holding === undefined || entry === undefined) return []
    holding.entries.delete(id)
    this.#count(node, holding, -entry.hash)
    if (holding.entries.size === 0) this.#nodes.delete(node)
    const group = this.#groups.get(entry.key) as Group
    if (group.entries.size === 1) {
      this.#groups.delete(entry.key)
      return [{ event: 'leave', present: presentOf(group) }]
    }
    group.entries.delete(entry)
    return group.newest === entry ? renewed(group, entry.info, newestOf(group.entries)) : []
  }

  /** Makes a node's entries these. */
  replace(node: string, entries: readonly Entry[]): Change[] {
    const ids = new Set(entries.map(({ id }) => id))
    const gone = this.idsOf(node).filter((id) => !ids.has(id))
    return [...entries.flatMap((entry) => this.set(node, entry)), ...gone.flatMap((id) => this.delete(node, id))]
  }

  #add(node: string, entry: HashedEntry): Change[] {
    let holding = this.#nodes.get(node)
    if (holding === undefined) this.#nodes.set(node, (holding = { entries: new Map(), hash: 0 }))
    holding.entries.set(entry.id, entry)
    this.#count(node, holding, entry.hash)
    const group = this.#groups.get(entry.key)
    if (group === undefined) {
      const made = { entries: new Set([entry]), newest: entry }
      this.#groups.set(entry.key, made)
      return [{ event: 'join', present: presentOf(made) }]
    }
    group.entries.add(entry)
    return isLater(entry, group.newest) ? renewed(group, group.newest.info, entry) : []
  }

  #update(node: string, entry: HashedEntry, { info, since }: Entry, hash: number): Change[] {
    this.#count(node, this.#nodes.get(node) as Holding, hash - entry.hash)
    const group = this.#groups.get(entry.key) as Group
    const before = group.newest.info
    const isOlder = since < entry.since
    Object.assign(entry, { info, since, hash })
    const newest = group.newest === entry && isOlder ? newestOf(group.entries) : group.newest
    return renewed(group, before, isLater(entry, newest) ? entry : newest)
  }

  #count(node: string, holding: Holding, by: number): void {
    holding.hash = sum(holding.hash, by)
    this.#counted(node, by)
  }
}

/** Of two connections that were set at the same time, all nodes must believe the same one. */
function isLater(a: Entry, b: Entry): boolean {
  return a.since > b.since || (a.since === b.since && a.id > b.id)
}

/** A connection speaks for its key, of which something else was known before. */
function renewed(group: Group, before: unknown, newest: HashedEntry): Change[] {
  group.newest = newest
  return isSame(before, newest.info) ? [] : [{ event: 'update', present: presentOf(group) }]
}

function newestOf(entries: ReadonlySet<HashedEntry>): HashedEntry {
  let newest: HashedEntry | undefined
  for (const entry of entries) if (newest === undefined || isLater(entry, newest)) newest = entry
  return newest as HashedEntry
}

function presentOf({ entries, newest: { key, info } }: Group): Present {
  return { key, info, connections: Array.from(entries, ({ id }) => id) }
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}
