import type { PresenceEntry, RoomNotice, SnapshotNotice } from '../cluster/wire/protocol.ts'
import type { Change, Roster } from './roster.ts'

/** A snapshot of which some parts have come. Changes between the parts are applied to it. */
interface Snapshot {
  readonly entries: Map<string, PresenceEntry>
  /** A part has come since `isReceiving` was last called. */
  isFresh: boolean
}

/** Applies what the other nodes say in one room to its roster. It keeps the snapshots that are not complete yet. */
export class Snapshots {
  readonly #roster: Roster
  readonly #byNode = new Map<string, Snapshot>()

  constructor(roster: Roster) {
    this.#roster = roster
  }

  /** Returns what has changed in the roster. */
  apply(node: string, notice: RoomNotice): Change[] {
    if (notice.type === 'present') {
      this.#keep(node, notice.entries)
      return notice.entries.flatMap((entry) => this.#roster.set(node, entry))
    }
    if (notice.type === 'absent') {
      for (const id of notice.ids) this.#byNode.get(node)?.entries.delete(id)
      return notice.ids.flatMap((id) => this.#roster.delete(node, id))
    }
    return this.#applyPart(node, notice)
  }

  /** Whether a notice completes what a node says about the room. */
  isComplete(node: string, notice: RoomNotice): boolean {
    return notice.type === 'snapshot' && notice.isLast && (notice.isFirst || this.#byNode.has(node))
  }

  /** Whether a part of a node's snapshot has come since the last call. */
  isReceiving(node: string): boolean {
    const snapshot = this.#byNode.get(node)
    const isFresh = snapshot?.isFresh === true
    if (snapshot !== undefined) snapshot.isFresh = false
    return isFresh
  }

  /** Drops the parts of a node's snapshot. With a gap in them, people would be missing. */
  drop(node: string): void {
    this.#byNode.delete(node)
  }

  #applyPart(node: string, { isFirst, isLast, entries }: SnapshotNotice): Change[] {
    if (isFirst) this.#byNode.set(node, { entries: new Map(), isFresh: true })
    const snapshot = this.#byNode.get(node)
    // If the first part was missed, the rest must not be taken for the whole.
    if (snapshot === undefined) return []
    snapshot.isFresh = true
    this.#keep(node, entries)
    if (!isLast) return []
    this.#byNode.delete(node)
    return this.#roster.replace(node, [...snapshot.entries.values()])
  }

  #keep(node: string, entries: readonly PresenceEntry[]): void {
    for (const entry of entries) this.#byNode.get(node)?.entries.set(entry.id, entry)
  }
}
