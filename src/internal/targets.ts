import { isConnectionId } from './connection-id.ts'
import { describe, errors } from './errors.ts'
import { assertTarget } from './room-name.ts'

// A target is what a message is sent to: the name of a room or the id of a connection.

/** The most targets that a broadcast can have, and the most connections that it can exclude, with and without a broker. */
export const MAX_TARGETS = 1_024

/**
 * The targets in the options of a broadcast. Undefined if there is no `to`, which means all connections. A `to` with the value
 * `undefined` is a mistake of the caller and throws, so that it does not send to all.
 */
export function targetsFromOptions(options: {
  to?: string | readonly string[] | undefined
}): readonly string[] | undefined {
  return 'to' in options ? checkTargets(options.to) : undefined
}

/** Adds what `to()` was called with to the options of a broadcast. A `to` in the options would say something else, so it throws. */
export function withTargets<Options extends object>(options: Options, targets: object | undefined): Options {
  if (targets === undefined) return options
  if (options !== null && typeof options === 'object' && 'to' in options)
    throw new errors.INVALID_ARGUMENT('options.to', 'is for calls without to(…), which has said who gets the message')
  return { ...options, ...targets }
}

/** Checks a target or a list of targets, and returns the list. Errors call it `argument`. */
export function checkTargets(to: unknown, argument = 'to'): readonly string[] {
  const targets = Array.isArray(to) ? (to as unknown[]) : [to]
  assertTargetCount(argument, targets)
  for (const target of targets) assertTarget(target)
  return targets as string[]
}

/** Throws if a list of targets or exclusions has more than `MAX_TARGETS` entries. */
export function assertTargetCount(argument: string, list: readonly unknown[]): void {
  if (list.length > MAX_TARGETS)
    throw new errors.OUT_OF_RANGE(argument, `must have at most ${MAX_TARGETS} entries, got ${list.length}`)
}

/** The entries that can be ids of connections. Other entries would exclude no connection. */
export function keepValidIds(ids: readonly string[]): string[] {
  return ids.filter(isConnectionId)
}

/** The ids that the options of a broadcast exclude, for callers without connection objects. */
export function excludedIdsFromOptions({ except = [] }: { except?: string | readonly string[] | undefined }): string[] {
  const ids = [except].flat()
  assertTargetCount('except', ids)
  for (const id of ids as unknown[]) {
    if (typeof id !== 'string')
      throw new errors.INVALID_ARGUMENT('except', `must be the id of a connection, or several, got ${describe(id)}`)
  }
  return keepValidIds(ids)
}
