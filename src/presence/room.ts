import { chunks } from '../internal/chunks.ts'
import type { PresenceEntry, RoomNotice, SnapshotNotice } from '../cluster/wire/protocol.ts'
import type { LogicalClock } from './logical-clock.ts'
import { type Change, Roster } from './roster.ts'
import { Snapshots } from './snapshots.ts'
import { bucketOf, type Digests, hashOfRoom } from './sync/digest.ts'

/** How many entries, and how many ids, one notice has at most. A notice is smaller than a mebibyte. */
export const ENTRIES_IN_NOTICE = 100
const IDS_IN_NOTICE = 1_000

/** What a node says that has nobody in a room. */
const EMPTY: SnapshotNotice = { type: 'snapshot', isFirst: true, isLast: true, entries: [] }

/** Stands for this node in a roster. */
export const HERE = ''

/** Presence in one room: who is there on all nodes, and the changes of this node that the others have not been told yet. */
export class PresenceRoom {
  readonly roster: Roster
  /** The bucket of the digests that covers this room. */
  readonly bucket: number
  /** Resolves when the other nodes have said who of them is here. */
  readonly known: Promise<unknown>
  /** `known` has resolved. People who came before that are not news: `list` returns them. */
  isKnown = false
  readonly #snapshots: Snapshots
  readonly #clock: LogicalClock
  /** The changes of this node in this turn. */
  readonly #present = new Map<string, PresenceEntry>()
  readonly #absent = new Set<string>()
  /** The nodes that have said all, and what waits for others to do so. Both are empty once the room is known. */
  readonly #complete = new Set<string>()
  readonly #waiting = new Map<string, () => void>()

  constructor(name: string, known: Promise<unknown>, clock: LogicalClock, digests: Digests) {
    const hash = hashOfRoom(name)
    this.bucket = bucketOf(hash)
    this.roster = new Roster(hash, (node, difference) => digests.of(node).add(this.bucket, difference))
    this.#snapshots = new Snapshots(this.roster)
    this.known = known
    this.#clock = clock
    void known.then(() => this.#onKnown())
  }

  /** The connections of this node that are present. */
  idsHere(): string[] {
    return this.roster.idsOf(HERE)
  }

  /** Makes a connection of this node present. Without a key it keeps its earlier key, or gets its own id. */
  set(id: string, key: string | undefined, info: unknown): Change[] {
    const entry = { id, key: key ?? this.roster.entryOf(HERE, id)?.key ?? id, info, since: this.#clock.next() }
    this.#present.set(id, entry)
    this.#absent.delete(id)
    return this.roster.set(HERE, entry)
  }

  /** A connection of this node is no longer present. */
  remove(id: string): Change[] {
    this.#present.delete(id)
    this.#absent.add(id)
    return this.roster.delete(HERE, id)
  }

  /** The notices of this node's changes. Each change is returned once. */
  takeNotices(): RoomNotice[] {
    const present = chunks([...this.#present.values()], ENTRIES_IN_NOTICE)
    const absent = chunks([...this.#absent], IDS_IN_NOTICE)
    this.#present.clear()
    this.#absent.clear()
    return [
      ...present.map((entries): RoomNotice => ({ type: 'present', entries })),
      ...absent.map((ids): RoomNotice => ({ type: 'absent', ids }))
    ]
  }

  /** Applies what another node says. Returns what has changed. */
  onNotice(node: string, notice: RoomNotice): Change[] {
    if ('entries' in notice) for (const { since } of notice.entries) this.#clock.hear(since)
    if (this.#snapshots.isComplete(node, notice)) this.#onComplete(node)
    return this.#snapshots.apply(node, notice)
  }

  /**
   * Another node says in its own channel that it has nobody here. Until the room is known, that may be overtaken: people of that
   * node may have come since, and what it says about them travels in the channel of the room.
   */
  onEmpty(node: string): Change[] {
    return this.isKnown ? this.onNotice(node, EMPTY) : []
  }

  /** A message of a node was lost. */
  onGap(node: string): void {
    this.#snapshots.drop(node)
  }

  onNodeGone(node: string): Change[] {
    this.#snapshots.drop(node)
    this.#onComplete(node)
    return this.roster.replace(node, [])
  }

  /** Whether a part of a node's snapshot has come since the last call. */
  isReceiving(node: string): boolean {
    return this.#snapshots.isReceiving(node)
  }

  /** Whether a node has said all about this room. */
  hasAllOf(node: string): boolean {
    return this.#complete.has(node)
  }

  /** Resolves when a node has said all about this room. */
  allOf(node: string): Promise<void> {
    return new Promise((resolve) => this.#waiting.set(node, resolve))
  }

  #onComplete(node: string): void {
    if (this.isKnown) return
    this.#complete.add(node)
    this.#waiting.get(node)?.()
  }

  #onKnown(): void {
    this.isKnown = true
    this.#complete.clear()
    this.#waiting.clear()
  }
}
