import { describe, errors, invalidOption } from './errors.ts'

/** The entries of an options object that are not undefined; throws where it is no object. */
export function entriesOf(options: unknown, name: string): [string, unknown][] {
  if (options === undefined) return []
  if (options === null || typeof options !== 'object' || Array.isArray(options)) {
    throw invalidOption(name, 'must be an object', options)
  }
  return Object.entries(options).filter(([, value]) => value !== undefined)
}

/** Above this, a timer of Node fires at once, and a size does not fit the 32 bits that `ws` keeps it in. */
const MAX_INT = 2 ** 31 - 1

/** Throws where a value may not stand under this name. @throws FST_BLAZE_WS_INVALID_OPTION */
export type Check = (value: unknown, name: string) => void

/** A check for integers within a range; `unit` says what they count. */
export function integer(min: number, max = MAX_INT, unit = ''): Check {
  return (value, name) => {
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
      throw invalidOption(name, `must be an integer from ${min} to ${max}${unit}`, value)
    }
  }
}

/** Checks that a value is a time in milliseconds, where 0 turns off what would happen then. */
export const checkDuration = integer(0, MAX_INT, ' (milliseconds, 0 = never)')

/** Checks that a value is a time in milliseconds, where 0 is at once. */
export const checkDelay = integer(0, MAX_INT, ' (milliseconds, 0 = at once)')

/** Throws where the options of a call are no object, or have a key that is none of these: a mistake must not pass for nothing. */
export function assertKeys(name: string, options: unknown, keys: readonly string[]): void {
  if (options === null || typeof options !== 'object')
    throw new errors.INVALID_ARGUMENT(
      name,
      `must be an object with keys of ${keys.join(', ')}, got ${describe(options)}`
    )
  for (const key in options) {
    if (!keys.includes(key))
      throw new errors.INVALID_ARGUMENT(`${name}.${key}`, `is unknown; allowed are ${keys.join(', ')}`)
  }
}
