import type { PresenceEntry } from '../cluster/wire/protocol.ts'
import { hashOfEntry, sum } from './sync/digest.ts'

/** A person who is present in a room. */
export interface Present<Info = unknown> {
  /** The `key` that `set` was called with, or the id of the connection. */
  key: string
  /** The info that `set` was last called with for this key. */
  info: Info
  /** The ids of the connections with this key, on all nodes. */
  connections: string[]
}

/** A change in a room, as an event of presence. */
export interface Change {
  event: 'join' | 'leave' | 'update'
  present: Present
}

interface HashedEntry extends PresenceEntry {
  hash: number
}

/** The connections with one key: one person. */
interface Person {
  readonly entries: Set<HashedEntry>
  newest: HashedEntry
}

/** What one node says about a room. */
interface NodeEntries {
  readonly entries: Map<string, HashedEntry>
  /** The sum of the hashes of all entries. */
  hash: number
}

/** Who is present in one room, on all nodes. Each node says who of its own connections is. */
export class Roster {
  readonly #nodes = new Map<string, NodeEntries>()
  readonly #people = new Map<string, Person>()
  readonly #roomHash: number
  readonly #onHashChange: (node: string, difference: number) => void

  /** @param onHashChange is called with the difference whenever the hash of a node's entries changes. */
  constructor(roomHash = 0, onHashChange: (node: string, difference: number) => void = () => {}) {
    this.#roomHash = roomHash
    this.#onHashChange = onHashChange
  }

  get isEmpty(): boolean {
    return this.#people.size === 0
  }

  has(node: string, id: string): boolean {
    return this.#nodes.get(node)?.entries.has(id) === true
  }

  /** Whether a node has any connections here. */
  hasAny(node: string): boolean {
    return this.#nodes.has(node)
  }

  list(): Present[] {
    return [...this.#people.values()].map(presentOf)
  }

  /** The nodes that have connections here. */
  nodes(): string[] {
    return [...this.#nodes.keys()]
  }

  /** The connections of one node. */
  idsOf(node: string): string[] {
    return [...(this.#nodes.get(node)?.entries.keys() ?? [])]
  }

  /** A hash of all entries of a node. It does not depend on their order, and is 0 if there are none. */
  hashOf(node: string): number {
    return this.#nodes.get(node)?.hash ?? 0
  }

  entryOf(node: string, id: string): PresenceEntry | undefined {
    const entry = this.#nodes.get(node)?.entries.get(id)
    return entry && { id, key: entry.key, info: entry.info, since: entry.since }
  }

  set(node: string, entry: PresenceEntry): Change[] {
    const hash = hashOfEntry(this.#roomHash, entry)
    const earlier = this.#nodes.get(node)?.entries.get(entry.id)
    if (earlier === undefined) return this.#add(node, { ...entry, hash })
    if (earlier.hash === hash && earlier.since === entry.since) return []
    if (earlier.key !== entry.key) return [...this.delete(node, entry.id), ...this.#add(node, { ...entry, hash })]
    return this.#update(node, earlier, entry, hash)
  }

  delete(node: string, id: string): Change[] {
    const ofNode = this.#nodes.get(node)
    const entry = ofNode?.entries.get(id)
    if (ofNode === undefined || entry === undefined) return []
    ofNode.entries.delete(id)
    this.#addHash(node, ofNode, -entry.hash)
    if (ofNode.entries.size === 0) this.#nodes.delete(node)
    const person = this.#people.get(entry.key) as Person
    if (person.entries.size === 1) {
      this.#people.delete(entry.key)
      return [{ event: 'leave', present: presentOf(person) }]
    }
    person.entries.delete(entry)
    return person.newest === entry ? updateOf(person, entry.info, newestOf(person.entries)) : []
  }

  /** Replaces all entries of a node. */
  replace(node: string, entries: readonly PresenceEntry[]): Change[] {
    const ids = new Set(entries.map(({ id }) => id))
    const gone = this.idsOf(node).filter((id) => !ids.has(id))
    return [...entries.flatMap((entry) => this.set(node, entry)), ...gone.flatMap((id) => this.delete(node, id))]
  }

  #add(node: string, entry: HashedEntry): Change[] {
    let ofNode = this.#nodes.get(node)
    if (ofNode === undefined) this.#nodes.set(node, (ofNode = { entries: new Map(), hash: 0 }))
    ofNode.entries.set(entry.id, entry)
    this.#addHash(node, ofNode, entry.hash)
    const person = this.#people.get(entry.key)
    if (person === undefined) {
      const made = { entries: new Set([entry]), newest: entry }
      this.#people.set(entry.key, made)
      return [{ event: 'join', present: presentOf(made) }]
    }
    person.entries.add(entry)
    return isLater(entry, person.newest) ? updateOf(person, person.newest.info, entry) : []
  }

  #update(node: string, entry: HashedEntry, { info, since }: PresenceEntry, hash: number): Change[] {
    this.#addHash(node, this.#nodes.get(node) as NodeEntries, hash - entry.hash)
    const person = this.#people.get(entry.key) as Person
    const before = person.newest.info
    const isOlder = since < entry.since
    Object.assign(entry, { info, since, hash })
    const newest = person.newest === entry && isOlder ? newestOf(person.entries) : person.newest
    return updateOf(person, before, isLater(entry, newest) ? entry : newest)
  }

  #addHash(node: string, ofNode: NodeEntries, difference: number): void {
    ofNode.hash = sum(ofNode.hash, difference)
    this.#onHashChange(node, difference)
  }
}

/** If two connections were set at the same time, all nodes must prefer the same one. */
function isLater(a: PresenceEntry, b: PresenceEntry): boolean {
  return a.since > b.since || (a.since === b.since && a.id > b.id)
}

/** The info of a person is now that of `newest`. Before, it was `before`. */
function updateOf(person: Person, before: unknown, newest: HashedEntry): Change[] {
  person.newest = newest
  return isSame(before, newest.info) ? [] : [{ event: 'update', present: presentOf(person) }]
}

function newestOf(entries: ReadonlySet<HashedEntry>): HashedEntry {
  let newest: HashedEntry | undefined
  for (const entry of entries) if (newest === undefined || isLater(entry, newest)) newest = entry
  return newest as HashedEntry
}

function presentOf({ entries, newest: { key, info } }: Person): Present {
  return { key, info, connections: Array.from(entries, ({ id }) => id) }
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}
