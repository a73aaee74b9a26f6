import { createHash } from 'node:crypto'
import { describe, errors } from './errors.ts'

/** What a broadcast does at clients that something else is still waiting for. A client that keeps up gets every message. */
export interface DeliveryOptions {
  /**
   * Replaces a waiting message with the same key that was sent to the same `to`, and goes to the end of what waits. Messages without a
   * key, and those with another one, stay. 1 to 256 characters; not together with `volatile`. @default none: it replaces nothing
   */
  coalesce?: string
  /**
   * Drops the message for clients whose socket has not taken what was sent before. This does not make a client a slow consumer.
   * @default false
   */
  volatile?: boolean
}

export const DELIVERY_KEYS = ['coalesce', 'volatile'] as const
/** The longest key, in UTF-16 units. */
export const MAX_KEY = 256

/** Throws if one of the options is wrong, or if they contradict each other. */
export function assertDeliveryOptions({ coalesce, volatile }: DeliveryOptions): void {
  if (coalesce !== undefined) assertKey(coalesce, 'coalesce')
  if (volatile !== undefined && typeof volatile !== 'boolean')
    throw new errors.INVALID_ARGUMENT('volatile', `must be a boolean, got ${describe(volatile)}`)
  if (coalesce !== undefined && volatile === true)
    throw new errors.INVALID_ARGUMENT('volatile', 'cannot be combined with coalesce: a volatile message never waits')
}

/** Throws if a key is not a string, or empty, or too long. Errors call it `argument`. */
export function assertKey(key: unknown, argument: string): asserts key is string {
  if (typeof key !== 'string') throw new errors.INVALID_ARGUMENT(argument, `must be a string, got ${describe(key)}`)
  if (key.length === 0 || key.length > MAX_KEY)
    throw new errors.OUT_OF_RANGE(argument, `must have 1 to ${MAX_KEY} characters, got ${key.length}`)
}

/** One short string for all messages to the same targets: only these replace each other. Undefined stands for all clients. */
export function scopeOf(targets: readonly string[] | undefined): string {
  if (targets === undefined) return ''
  if (targets.length === 1) return targets[0] as string
  const names = [...new Set(targets)].toSorted()
  if (names.length === 1) return names[0] as string
  return createHash('sha1').update(JSON.stringify(names)).digest('base64url')
}
