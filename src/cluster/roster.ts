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
  /** When it was set, in milliseconds since 1970. */
  since: number
}

/** What a change means for those who watch a room. */
export interface Change {
  event: 'join' | 'leave' | 'update'
  present: Present
}

interface OwnedEntry extends Entry {
  /** The node that has the connection. */
  node: string
}

/** The connections under one key, and the one that was set last. */
interface Group {
  readonly entries: Map<string, OwnedEntry>
  newest: OwnedEntry
}

/** Who is in one room, on all nodes. */
export class Roster {
  readonly #entries = new Map<string, OwnedEntry>()
  readonly #groups = new Map<string, Group>()

  get isEmpty(): boolean {
    return this.#entries.size === 0
  }

  has(id: string): boolean {
    return this.#entries.has(id)
  }

  list(): Present[] {
    return [...this.#groups.values()].map(presentOf)
  }

  /** The connections of one node. */
  idsOf(node: string): string[] {
    return [...this.#entries.values()].filter((entry) => entry.node === node).map(({ id }) => id)
  }

  entryOf(id: string): Entry | undefined {
    const entry = this.#entries.get(id)
    return entry && { id, key: entry.key, info: entry.info, since: entry.since }
  }

  set(node: string, { id, key, info, since }: Entry): Change[] {
    const earlier = this.#entries.get(id)
    const changes = earlier !== undefined && earlier.key !== key ? this.delete(id) : []
    const entry: OwnedEntry = { node, id, key, info, since }
    this.#entries.set(id, entry)
    const group = this.#groups.get(key)
    if (group === undefined) {
      const made = { entries: new Map([[id, entry]]), newest: entry }
      this.#groups.set(key, made)
      return [...changes, { event: 'join', present: presentOf(made) }]
    }
    group.entries.set(id, entry)
    if (since < group.newest.since) return changes
    return [...changes, ...renewed(group, entry)]
  }

  delete(id: string): Change[] {
    const entry = this.#entries.get(id)
    if (entry === undefined) return []
    this.#entries.delete(id)
    const group = this.#groups.get(entry.key) as Group
    if (group.entries.size === 1) {
      this.#groups.delete(entry.key)
      return [{ event: 'leave', present: presentOf(group) }]
    }
    group.entries.delete(id)
    return group.newest === entry ? renewed(group, newestOf(group.entries)) : []
  }

  /** Makes a node's entries these. */
  replace(node: string, entries: readonly Entry[]): Change[] {
    const ids = new Set(entries.map(({ id }) => id))
    const gone = this.idsOf(node).filter((id) => !ids.has(id))
    return [...entries.flatMap((entry) => this.set(node, entry)), ...gone.flatMap((id) => this.delete(id))]
  }
}

/** Another connection speaks for its key. */
function renewed(group: Group, newest: OwnedEntry): Change[] {
  const before = group.newest.info
  group.newest = newest
  return isSame(before, newest.info) ? [] : [{ event: 'update', present: presentOf(group) }]
}

function newestOf(entries: ReadonlyMap<string, OwnedEntry>): OwnedEntry {
  let newest: OwnedEntry | undefined
  for (const entry of entries.values()) if (newest === undefined || entry.since >= newest.since) newest = entry
  return newest as OwnedEntry
}

function presentOf({ entries, newest: { key, info } }: Group): Present {
  return { key, info, connections: [...entries.keys()] }
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}
