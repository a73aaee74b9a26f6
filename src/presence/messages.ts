import type { Control } from '../cluster/host.ts'
import { isEntry, isName } from './entry.ts'
import type { Change, Entry, Roster } from './roster.ts'

// What nodes say of a room: who has come or changed (`present`), who has gone (`absent`), or who is there (`snapshot`, in parts,
// between which changes may come). Each message stays under a mebibyte.
export const ENTRIES = 100
const IDS = 1_000
/** How many rooms are asked about in one message. */
export const ROOMS = 500

/** The messages that say who has come or changed, and who has gone. */
export function changeMessages(present: readonly Entry[], absent: readonly string[]): Control[] {
  return [
    ...chunks(present, ENTRIES).map((entries) => ({ type: 'present', entries })),
    ...chunks(absent, IDS).map((ids) => ({ type: 'absent', ids }))
  ]
}

/** A list in parts. */
export function chunks<T>(list: readonly T[], size: number): T[][] {
  const parts: T[][] = []
  for (let i = 0; i < list.length; i += size) parts.push(list.slice(i, i + size))
  return parts
}

/** The parts of a snapshot that have come, and what has changed since. */
export interface Snapshot {
  readonly entries: Map<string, Entry>
  /** A part has come since it was last asked whether more can be expected. */
  isFresh: boolean
}

/** Takes what another node says of a room; `snapshots` keeps what is not complete. Gives what has changed by it. */
export function changesOf(
  roster: Roster,
  snapshots: Map<string, Snapshot>,
  node: string,
  message: Control,
  entries: readonly Entry[]
): Change[] {
  if (message.type === 'present') {
    keep(snapshots.get(node), entries)
    return entries.flatMap((entry) => roster.set(node, entry))
  }
  if (message.type === 'absent') {
    const ids = idsOf(message)
    for (const id of ids) snapshots.get(node)?.entries.delete(id)
    return ids.flatMap((id) => roster.delete(node, id))
  }
  return message.type === 'snapshot' ? changesOfPart(roster, snapshots, node, message, entries) : []
}

function changesOfPart(
  roster: Roster,
  snapshots: Map<string, Snapshot>,
  node: string,
  message: Control,
  entries: readonly Entry[]
): Change[] {
  if (message['isFirst'] === true) snapshots.set(node, { entries: new Map(), isFresh: true })
  const snapshot = snapshots.get(node)
  // A node that has missed the beginning must not take the rest for all.
  if (snapshot === undefined) return []
  snapshot.isFresh = true
  keep(snapshot, entries)
  if (message['isLast'] !== true) return []
  snapshots.delete(node)
  return roster.replace(node, [...snapshot.entries.values()])
}

function keep(snapshot: Snapshot | undefined, entries: readonly Entry[]): void {
  for (const entry of entries) snapshot?.entries.set(entry.id, entry)
}

/** What a message says of connections. */
export function entriesOf({ entries }: Control): Entry[] {
  return Array.isArray(entries) ? (entries as Partial<Entry>[]).filter(isEntry) : []
}

/** The rooms that a question is about, each once, and no more than there are in ours. */
export function roomsIn({ rooms }: Control): string[] {
  if (!Array.isArray(rooms)) return []
  return [...new Set((rooms as unknown[]).slice(0, ROOMS))].filter(isName)
}

function idsOf({ ids }: Control): string[] {
  return Array.isArray(ids) ? (ids as unknown[]).filter((id) => typeof id === 'string') : []
}

/** The rooms that a question is about, with the hash that the asker holds of each; null stands for a room it wants to hear nothing of. */
export function heldIn({ rooms, hashes }: Control): Map<string, unknown> {
  if (!Array.isArray(rooms) || !Array.isArray(hashes)) return new Map()
  const held = (rooms as unknown[])
    .slice(0, ROOMS)
    .map((name, i) => [name, (hashes as unknown[])[i]] as [string, unknown])
  return new Map(held.filter(([name]) => isName(name)))
}
