import { invalidOption } from '../internal/errors.ts'

const NAME = /^[\w.-]{1,32}$/

/** Throws if a value cannot be the name of a hub. @throws FST_BLAZE_WS_INVALID_OPTION */
export function checkHubName(value: unknown, name: string): void {
  if (typeof value !== 'string' || !NAME.test(value))
    throw invalidOption(name, 'must be 1 to 32 letters, digits, dots, dashes or underscores', value)
}
