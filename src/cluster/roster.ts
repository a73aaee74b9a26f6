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

/** Who is in one room, on all nodes. */
export class Roster {
  readonly #entries = new Map<string, OwnedEntry>()
  readonly #keys = new Map<string, Map<string, OwnedEntry>>()

  get isEmpty(): boolean {
    return this.#entries.size === 0
  }

  has(id: string): boolean {
    return this.#entries.has(id)
  }

  keyOf(id: string): string | undefined {
    return this.#entries.get(id)?.key
  }

  list(): Present[] {
    return [...this.#keys.values()].map(presentOf)
  }

  entriesOf(node: string): Entry[] {
    return [...this.#entries.values()].filter((entry) => entry.node === node).map(({ id, key, info, since }) => ({ id, key, info, since }))
  }

  set(node: string, { id, key, info, since }: Entry): Change[] {
    const earlier = this.#entries.get(id)
    const changes = earlier !== undefined && earlier.key !== key ? this.delete(id) : []
    const entry: OwnedEntry = { node, id, key, info, since }
    this.#entries.set(id, entry)
    const others = this.#keys.get(key)
    const before = others === undefined ? undefined : presentOf(others)
    if (others === undefined) this.#keys.set(key, new Map([[id, entry]]))
    else others.set(id, entry)
    const present = presentOf(this.#keys.get(key) as Map<string, OwnedEntry>)
    if (before === undefined) return [...changes, { event: 'join', present }]
    return isSame(before.info, present.info) ? changes : [...changes, { event: 'update', present }]
  }

  delete(id: string): Change[] {
    const entry = this.#entries.get(id)
    if (entry === undefined) return []
    this.#entries.delete(id)
    const others = this.#keys.get(entry.key) as Map<string, OwnedEntry>
    const before = presentOf(others)
    others.delete(id)
    if (others.size > 0) {
      const present = presentOf(others)
      return isSame(before.info, present.info) ? [] : [{ event: 'update', present }]
    }
    this.#keys.delete(entry.key)
    return [{ event: 'leave', present: before }]
  }

  /** Makes a node's entries these. */
  replace(node: string, entries: readonly Entry[]): Change[] {
    const ids = new Set(entries.map(({ id }) => id))
    const gone = this.entriesOf(node).filter(({ id }) => !ids.has(id))
    return [...entries.flatMap((entry) => this.set(node, entry)), ...gone.flatMap(({ id }) => this.delete(id))]
  }
}

function presentOf(entries: ReadonlyMap<string, OwnedEntry>): Present {
  let newest: OwnedEntry | undefined
  for (const entry of entries.values()) if (newest === undefined || entry.since >= newest.since) newest = entry
  const { key, info } = newest as OwnedEntry
  return { key, info, connections: [...entries.keys()] }
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}
