import secureJson from 'secure-json-parse'
import { violation } from '../internal/close.ts'
import { jsonOf } from '../internal/payload.ts'
import { describe, errors } from '../internal/errors.ts'
import type { Entry } from './roster.ts'

/** The most that may be known of someone, in bytes of JSON, and the longest key, in characters. */
const MAX_INFO = 8 * 1024
const MAX_KEY = 256

/** What others may know of someone, as the other nodes get it. Throws if it has no JSON form, is too long or would poison a prototype. */
export function infoOf(info: unknown): unknown {
  const json = jsonOf(info)
  assertLength('info', Buffer.byteLength(json), 0, MAX_INFO, 'bytes of JSON')
  try {
    return secureJson.parse(json)
  } catch (error) {
    // Other nodes would reject the whole message.
    throw violation(
      new errors.INVALID_ARGUMENT('info', `is not safe as JSON: ${(error as Error).message}`),
      'invalid presence info'
    )
  }
}

export function assertKey(key: unknown): asserts key is string {
  if (typeof key !== 'string')
    throw violation(
      new errors.INVALID_ARGUMENT('key', `must be a string, got ${describe(key)}`),
      'invalid presence key'
    )
  assertLength('key', key.length, 1, MAX_KEY, 'characters')
}

function assertLength(name: string, length: number, min: number, max: number, unit: string): void {
  if (length >= min && length <= max) return
  throw violation(
    new errors.OUT_OF_RANGE(name, `${min} to ${max} ${unit} are allowed, got ${length}`),
    `invalid presence ${name}`
  )
}

/** True for what another node may say of someone. */
export function isEntry(entry: Partial<Entry> | null): entry is Entry {
  return isName(entry?.id) && isName(entry?.key) && Number.isSafeInteger(entry?.since) && isInfo(entry.info)
}

/** True for what may be an id, a key or a room. */
export function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_KEY
}

/** What is nested too deep for JSON must not be found out later. */
function isInfo(info: unknown): boolean {
  try {
    return Buffer.byteLength(JSON.stringify(info ?? null)) <= MAX_INFO
  } catch {
    return false
  }
}
