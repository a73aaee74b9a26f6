import { Buffer, isUtf8 } from 'node:buffer'
import secureJson from 'secure-json-parse'
import { CloseCode } from './close-codes.ts'
import { describe, errors } from './errors.ts'
import { allocateWithRoom, COPY_LIMIT } from './header-room.ts'
import { BinaryMessage, type DataType, TextMessage, type WebSocketMessage } from './message.ts'

/** What can be sent as a message. */
export type MessageData = string | Uint8Array | ArrayBuffer

/** Asserts that `type` is `TextMessage` or `BinaryMessage`. @throws FST_BLAZE_WS_INVALID_ARGUMENT, a TypeError */
export function assertDataType(type: unknown): asserts type is DataType {
  if (type !== TextMessage && type !== BinaryMessage) {
    throw new errors.INVALID_ARGUMENT('type', `must be TextMessage (1) or BinaryMessage (2), got ${describe(type)}`)
  }
}

/**
 * The payload of a message of this type, not copied.
 *
 * @throws FST_BLAZE_WS_INVALID_ARGUMENT, a TypeError, if `data` is neither a string nor bytes, or if bytes that are to be sent
 * as text are not UTF-8: the client would have to fail the connection (RFC 6455, 8.1).
 */
export function payloadOf(type: DataType, data: unknown): string | Buffer {
  if (typeof data === 'string') return data
  const bytes = viewOf(data)
  if (type === TextMessage && !isUtf8(bytes)) {
    throw new errors.INVALID_ARGUMENT('data', 'is not UTF-8 and cannot be sent as text; send it as BinaryMessage')
  }
  return bytes
}

/** The bytes of a typed array or an ArrayBuffer as a Buffer over the same memory. */
function viewOf(data: unknown): Buffer {
  if (Buffer.isBuffer(data)) return data
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  if (data instanceof ArrayBuffer) return Buffer.from(data)
  throw new errors.INVALID_ARGUMENT(
    'data',
    `must be a string, a Uint8Array or an ArrayBuffer, got ${describe(data)}; send other values as JSON`
  )
}

/** A copy of the payload, for a message that is sent after the caller may have changed the bytes. */
export function ownCopy(payload: string | Buffer): Buffer {
  const length = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length
  const copy = length > COPY_LIMIT ? allocateWithRoom(length) : Buffer.allocUnsafe(length)
  if (typeof payload === 'string') copy.write(payload)
  else copy.set(payload)
  return copy
}

/**
 * The JSON of a value.
 *
 * @throws FST_BLAZE_WS_INVALID_ARGUMENT, a TypeError, if it has none: `undefined`, a function, a cycle, a BigInt. What a
 * `toJSON` method throws is passed on.
 */
export function jsonOf(value: unknown, name = 'value'): string {
  const json = stringify(value, name)
  if (json === undefined) throw new errors.INVALID_ARGUMENT(name, `has no JSON form: ${describe(value)}`)
  return json
}

/** `JSON.stringify` throws a TypeError or a RangeError; anything else was thrown by a `toJSON` method, and is passed on. */
function stringify(value: unknown, name: string): string | undefined {
  try {
    return JSON.stringify(value)
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error
    const [reason] = error.message.split('\n')
    throw Object.assign(new errors.INVALID_ARGUMENT(name, `has no JSON form: ${reason}`), { cause: error })
  }
}

/**
 * The value of a message that contains JSON.
 *
 * @throws FST_BLAZE_WS_INVALID_JSON, with `closeCode` 1007, if it is not valid JSON or has keys that could pollute a prototype.
 */
export function valueOf({ type, data }: WebSocketMessage): unknown {
  if (type === BinaryMessage && !isUtf8(data)) throw invalidJson('it is not UTF-8')
  try {
    return secureJson.parse(data.toString())
  } catch (error) {
    throw invalidJson((error as Error).message)
  }
}

function invalidJson(detail: string): Error {
  return Object.assign(new errors.INVALID_JSON(detail), {
    closeCode: CloseCode.InvalidFramePayloadData,
    reason: 'invalid JSON'
  })
}

/** The payload of a ping or pong. @throws FST_BLAZE_WS_OUT_OF_RANGE if it is longer than 125 bytes (RFC 6455, 5.5) */
export function controlPayload(data: unknown): Buffer {
  const bytes = typeof data === 'string' ? Buffer.from(data) : viewOf(data)
  if (bytes.length > 125)
    throw new errors.OUT_OF_RANGE('data', `a control frame takes at most 125 bytes, got ${bytes.length}`)
  return bytes
}
