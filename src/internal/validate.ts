import { describe, errors, invalidOption } from './errors.ts'

/**
 * Checks the value of an option and returns it, or the copy of it to keep.
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION if the value is not allowed. The error names the option and what is allowed.
 */
export type Check<Value = unknown> = (value: unknown, name: string) => Value

/** A check for each option that there is. */
export type Checks<Options> = { readonly [Key in keyof Options]-?: Check<Exclude<Options[Key], undefined>> }

/**
 * Checks an options object and fills in what it leaves out. This is for options that are passed once, such as those of the
 * plugin, a route, a hub or a broker. Neither `options` nor `defaults` is changed. An option that is `undefined` counts as left
 * out.
 *
 * @param name what errors call the object; its options are called `name.option`, or just `option` if the name is empty.
 * @throws FST_BLAZE_WS_INVALID_OPTION for an unknown option or a value that is not allowed.
 */
export function validateOptions<Options extends object, Defaults extends Partial<Options>>(
  options: unknown,
  name: string,
  checks: Checks<Options>,
  defaults: Defaults
): Partial<Options> & Defaults {
  const resolved: Record<string, unknown> = { ...defaults }
  for (const [key, value] of entriesOf(options, name === '' ? 'options' : name)) {
    const path = name === '' ? key : `${name}.${key}`
    const checkValue = Object.hasOwn(checks, key) ? (checks as Record<string, Check>)[key] : undefined
    if (checkValue === undefined) throw unknownOption(path, Object.keys(checks))
    resolved[key] = checkValue(value, path)
  }
  return resolved as Partial<Options> & Defaults
}

function unknownOption(path: string, known: readonly string[]): Error {
  return invalidOption(path, `is unknown; allowed ${known.length === 1 ? 'is' : 'are'} ${known.join(', ')}`)
}

/** The entries of an options object that are not `undefined`. Throws if it is not an object. */
export function entriesOf(options: unknown, name: string): [string, unknown][] {
  if (options === undefined) return []
  if (options === null || typeof options !== 'object' || Array.isArray(options))
    throw invalidOption(name, 'must be an object', options)
  return Object.entries(options).filter(([, value]) => value !== undefined)
}

/** A check that takes the values for which `isAllowed` is true. */
export function check<Value>(isAllowed: (value: unknown) => boolean, allowed: string): Check<Value> {
  return (value, name) => {
    if (!isAllowed(value)) throw invalidOption(name, allowed, value)
    return value as Value
  }
}

/** Node's timers fire at once if they are given more than this, and `ws` keeps sizes in 32 bits. */
export const MAX_INTEGER = 2 ** 31 - 1

/** A check for integers within a range. `unit` says what they count. */
export function integer(min: number, max = MAX_INTEGER, unit = ''): Check<number> {
  return check(
    (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
    `must be an integer from ${min} to ${max}${unit}`
  )
}

/** A time in milliseconds. 0 turns off what would happen after it. */
export const duration = integer(0, MAX_INTEGER, ' (milliseconds, 0 = never)')

/** A time in milliseconds. After 0, something happens at once. */
export const delay = integer(0, MAX_INTEGER, ' (milliseconds, 0 = at once)')

export const boolean = check<boolean>((value) => typeof value === 'boolean', 'must be a boolean')

export const string = check<string>((value) => typeof value === 'string', 'must be a string')

export const nonEmptyString = check<string>(
  (value) => typeof value === 'string' && value !== '',
  'must be a string that is not empty'
)

/** Any function: the type `never` fits an option with any function type. */
export const callback = check<never>((value) => typeof value === 'function', 'must be a function')

/** A check for objects with all of these methods. */
export function objectWith<Value>(methods: readonly string[], allowed: string): Check<Value> {
  return check((value) => hasMethods(value, methods), allowed)
}

export function hasMethods(value: unknown, methods: readonly string[]): boolean {
  const object = (value ?? {}) as Record<string, unknown>
  return methods.every((method) => typeof object[method] === 'function')
}

/**
 * Checks the option names of a method call. A call may be made for every message, so this allocates nothing.
 *
 * @throws FST_BLAZE_WS_INVALID_ARGUMENT if `options` is not an object or has an unknown key, such as a mistyped one.
 */
export function assertKeys(name: string, options: unknown, keys: readonly string[]): void {
  if (options === null || typeof options !== 'object')
    throw new errors.INVALID_ARGUMENT(
      name,
      `must be an object with keys of ${keys.join(', ')}, got ${describe(options)}`
    )
  for (const key in options) {
    if (!keys.includes(key))
      throw new errors.INVALID_ARGUMENT(
        `${name}.${key}`,
        `is unknown; allowed ${keys.length === 1 ? 'is' : 'are'} ${keys.join(', ')}`
      )
  }
}
