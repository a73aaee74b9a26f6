import type { Control } from '../cluster/host.ts'
import type { LogicalClock } from './logical-clock.ts'
import { bucketOf, type Digests, hashOfRoom } from './sync/digest.ts'
import { changeMessages, changesOf, entriesOf, type Snapshot } from './messages.ts'
import { type Change, type Entry, Roster } from './roster.ts'

/** What a node that has nobody in a room could have said there. */
const NOBODY: Control = { type: 'snapshot', isFirst: true, isLast: true, entries: [] }

/** The owner of this node's entries. */
export const HERE = ''

/** What presence knows of a room: who is there on all nodes, and what these are to be told of those who are here. */
export class PresenceRoom {
  readonly roster: Roster
  /** Which of the digest's sums has the hashes of this room. */
  readonly bucket: number
  /** Settles when the other nodes have said who is with them. */
  readonly known: Promise<unknown>
  /** It has settled. Who was there before is no news: `list` gives them. */
  isKnown = false
  /** What has changed here in this turn. */
  readonly #present = new Map<string, Entry>()
  readonly #absent = new Set<string>()
  readonly #snapshots = new Map<string, Snapshot>()
  /** The nodes that have said who is with them, to the end, and what waits for the others. Nothing is kept once the room is known. */
  readonly #told = new Set<string>()
  readonly #waiting = new Map<string, () => void>()
  readonly #clock: LogicalClock

  constructor(name: string, known: Promise<unknown>, clock: LogicalClock, digests: Digests) {
    const hash = hashOfRoom(name)
    this.bucket = bucketOf(hash)
    this.roster = new Roster(hash, (node, by) => digests.of(node).add(this.bucket, by))
    this.known = known
    this.#clock = clock
    void known.then(() => this.#known())
  }

  /** The connections of this node that are present. */
  idsHere(): string[] {
    return this.roster.idsOf(HERE)
  }

  /** A connection of this node is there, under this key, or under the one that it had before, or else under its own id. */
  set(id: string, key: string | undefined, info: unknown): Change[] {
    const entry = { id, key: key ?? this.roster.entryOf(HERE, id)?.key ?? id, info, since: this.#clock.next() }
    this.#present.set(id, entry)
    this.#absent.delete(id)
    return this.roster.set(HERE, entry)
  }

  /** A connection of this node is no longer there. */
  remove(id: string): Change[] {
    this.#present.delete(id)
    this.#absent.add(id)
    return this.roster.delete(HERE, id)
  }

  /** What the others are to be told of changes here, once. */
  takeMessages(): Control[] {
    const messages = changeMessages([...this.#present.values()], [...this.#absent])
    this.#present.clear()
    this.#absent.clear()
    return messages
  }

  /** Another node says who is with it. */
  hear(node: string, message: Control): Change[] {
    const entries = entriesOf(message)
    for (const { since } of entries) this.#clock.hear(since)
    if (message['isLast'] === true && (message['isFirst'] === true || this.#snapshots.has(node))) this.#hasTold(node)
    return changesOf(this.roster, this.#snapshots, node, message, entries)
  }

  /**
   * Another node says that nobody is with it, on its own channel. In a room that has been watched for a moment only, whoever was
   * heard of has come since, or his leave is still to come on the channel of the room.
   */
  hearNobody(node: string): Change[] {
    return this.isKnown ? this.hear(node, NOBODY) : []
  }

  /** True if a node has said who is with it, to the end. */
  hasTold(node: string): boolean {
    return this.#told.has(node)
  }

  /** Resolves when it has. */
  told(node: string): Promise<void> {
    return new Promise((resolve) => this.#waiting.set(node, resolve))
  }

  #hasTold(node: string): void {
    if (this.isKnown) return
    this.#told.add(node)
    this.#waiting.get(node)?.()
  }

  #known(): void {
    this.isKnown = true
    this.#told.clear()
    this.#waiting.clear()
  }

  /** Something that another node has said did not come: a snapshot with a gap would leave people out. */
  missed(node: string): void {
    this.#snapshots.delete(node)
  }

  /** True while a node is saying who is with it: a part has come since the last call. */
  isHearing(node: string): boolean {
    const snapshot = this.#snapshots.get(node)
    const isFresh = snapshot?.isFresh === true
    if (snapshot !== undefined) snapshot.isFresh = false
    return isFresh
  }

  /** Another node has gone. */
  gone(node: string): Change[] {
    this.#snapshots.delete(node)
    this.#hasTold(node)
    return this.roster.replace(node, [])
  }
}
