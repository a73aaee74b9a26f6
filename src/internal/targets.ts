import { describe, errors } from './errors.ts'
import { assertTarget } from './room-name.ts'

/** How many rooms and ids a broadcast can name, and how many connections it can exclude; the same with and without a broker. */
export const MAX_RECIPIENTS = 1_024
/** No id of a connection is longer. */
const MAX_ID = 64

/**
 * The rooms and the ids of connections that the options of a broadcast name; undefined if they name none, which means everybody.
 * A `to` that is there and undefined is a mistake of the caller, and must not send to everybody.
 */
export function targetsFrom(options: { to?: string | readonly string[] | undefined }): readonly string[] | undefined {
  return 'to' in options ? targetsOf(options.to) : undefined
}

/** The rooms and ids in a list, or the one that is given instead. Throws if it is neither; `argument` is what the caller calls it. */
export function targetsOf(to: unknown, argument = 'to'): readonly string[] {
  const names = Array.isArray(to) ? (to as unknown[]) : [to]
  assertFew(argument, names)
  for (const name of names) assertTarget(name)
  return names as string[]
}

/** Throws if a broadcast names more than `MAX_RECIPIENTS`. */
export function assertFew(name: string, list: readonly unknown[]): void {
  if (list.length > MAX_RECIPIENTS)
    throw new errors.OUT_OF_RANGE(name, `can name at most ${MAX_RECIPIENTS}, got ${list.length}`)
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
    if (typeof id !== 'string')
      throw new errors.INVALID_ARGUMENT('except', `must be the id of a connection, or several, got ${describe(id)}`)
  }
  return validIds(ids)
}
