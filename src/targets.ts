import { describe, errors } from './errors.ts'
import { assertRooms } from './room.ts'

/** How many rooms a broadcast can name, and how many connections it can exclude; the same with and without a broker. */
export const MAX_RECIPIENTS = 1_024
/** No id of a connection is longer. */
const MAX_ID = 64

/**
 * The rooms that the options of a broadcast name; undefined if they name none, which means everybody. A `to` that is there and
 * undefined is a mistake of the caller, and must not send to everybody.
 */
export function roomsFrom(options: { to?: string | readonly string[] | undefined }): readonly string[] | undefined {
  if (!('to' in options)) return undefined
  const { to } = options
  assertRooms(to)
  const rooms = [to].flat()
  assertFew('to', rooms)
  return rooms
}

/** Throws if a broadcast names more than `MAX_RECIPIENTS`. */
export function assertFew(name: string, list: readonly unknown[]): void {
  if (list.length > MAX_RECIPIENTS) throw new errors.OUT_OF_RANGE(name, `can name at most ${MAX_RECIPIENTS}, got ${list.length}`)
}

/** The ids among those whom a broadcast excludes. What cannot be an id excludes nobody. */
export function validIds(ids: readonly string[]): string[] {
  return ids.filter((id) => id.length > 0 && id.length <= MAX_ID && id.isWellFormed())
}

/** The ids that the options of a broadcast exclude, if they can name connections only by their ids. */
export function excludedIdsFrom({ except = [] }: { except?: string | readonly string[] | undefined }): string[] {
  const ids = [except].flat()
  assertFew('except', ids)
  for (const id of ids as unknown[]) {
    if (typeof id !== 'string') throw new errors.INVALID_ARGUMENT('except', `must be the id of a connection, or several, got ${describe(id)}`)
  }
  return validIds(ids)
}
