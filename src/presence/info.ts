import secureJson from 'secure-json-parse'
import { MAX_INFO } from '../cluster/wire/protocol.ts'
import { violation } from '../internal/close-codes.ts'
import { describe, errors } from '../internal/errors.ts'
import { jsonOf } from '../internal/payload.ts'

/** The longest key, in characters. */
const MAX_KEY = 256

/**
 * The info as the other nodes will get it. Throws if it has no JSON form, is too long or could poison a prototype: other nodes
 * would reject the whole message.
 */
export function safeInfo(info: unknown): unknown {
  const json = jsonOf(info)
  assertLength('info', Buffer.byteLength(json), 0, MAX_INFO, 'bytes of JSON')
  try {
    return secureJson.parse(json)
  } catch (error) {
    const reason = `is not safe as JSON: ${(error as Error).message}`
    throw violation(new errors.INVALID_ARGUMENT('info', reason), 'invalid presence info')
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
