import { describe, errors } from './errors.ts'
import { assertTarget } from './room-name.ts'

/** How many targets a broadcast can have, and how many connections it can exclude, with and without a broker. */
export const MAX_RECIPIENTS = 1_024
/** The longest id of a connection that is sent to other nodes, in characters. */
const MAX_ID = 64

/**
 * The targets in the options of a broadcast: names of rooms and ids of connections. Undefined if there is no `to`, which means
 * all connections. A `to` with the value `undefined` is a mistake of the caller and throws, so that it does not send to all.
 */
export function targetsFrom(options: { to?: string | readonly string[] | undefined }): readonly string[] | undefined {
  return 'to' in options ? targetsOf(options.to) : undefined
}

/** The targets in a list, or a single target as a list. Throws if a target is not valid. Errors call the list `argument`. */
export function targetsOf(to: unknown, argument = 'to'): readonly string[] {
  const names = Array.isArray(to) ? (to as unknown[]) : [to]
  assertFew(argument, names)
  for (const name of names) assertTarget(name)
  return names as string[]
}

/** Throws if a list of targets or exclusions has more than `MAX_RECIPIENTS` entries. */
export function assertFew(name: string, list: readonly unknown[]): void {
  if (list.length > MAX_RECIPIENTS)
    throw new errors.OUT_OF_RANGE(name, `can name at most ${MAX_RECIPIENTS}, got ${list.length}`)
}

/** The entries that can be ids of connections. Other entries would exclude no connection. */
export function validIds(ids: readonly string[]): string[] {
  return ids.filter((id) => id.length > 0 && id.length <= MAX_ID && id.isWellFormed())
}

/** The ids that the options of a broadcast exclude, for callers without connection objects. */
export function excludedIdsFrom({ except = [] }: { except?: string | readonly string[] | undefined }): string[] {
  const ids = [except].flat()
  assertFew('except', ids)
  for (const id of ids as unknown[]) {
    if (typeof id !== 'string')
      throw new errors.INVALID_ARGUMENT('except', `must be the id of a connection, or several, got ${describe(id)}`)
  }
  return validIds(ids)
}
