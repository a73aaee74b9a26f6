import type { Control } from './host.ts'
import { isEntry, isName } from './presence-entry.ts'
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

/** Takes what another node says of a room; `parts` keeps what is not complete. Gives what has changed by it. */
export function changesOf(roster: Roster, parts: Map<string, Entry[]>, node: string, message: Control): Change[] {
  const known = parts.get(node)
  const entries = entriesOf(message)
  if (message.type === 'present') {
    known?.push(...entries)
    return entries.flatMap((entry) => roster.set(node, entry))
  }
  if (message.type === 'absent') {
    const ids = new Set(idsOf(message))
    if (known !== undefined) parts.set(node, known.filter(({ id }) => !ids.has(id)))
    return [...ids].flatMap((id) => roster.delete(id))
  }
  if (message.type !== 'snapshot') return []
  if (message['isFirst'] === true) parts.set(node, entries)
  else known?.push(...entries)
  const all = parts.get(node)
  // Who has not heard the beginning must not take the rest for all.
  if (all === undefined || message['isLast'] !== true) return []
  parts.delete(node)
  return roster.replace(node, all)
}

function entriesOf({ entries }: Control): Entry[] {
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
