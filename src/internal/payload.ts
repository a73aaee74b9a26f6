import { isUtf8 } from 'node:buffer'
import secureJson from 'secure-json-parse'
import { CloseCode } from './close.ts'
import { describe, errors } from './errors.ts'
import { BinaryMessage, type DataType, TextMessage, type WebSocketMessage } from './message.ts'

/** What a message can be written from. */
export type MessageData = string | Uint8Array | ArrayBuffer

/** Throws a TypeError where `type` is not that of a data message. */
export function assertDataType(type: unknown): asserts type is DataType {
  if (type !== TextMessage && type !== BinaryMessage) {
    throw new errors.INVALID_ARGUMENT('type', `must be TextMessage (1) or BinaryMessage (2), got ${describe(type)}`)
  }
}

/**
 * The payload of a message of this type, not copied. Throws a TypeError for anything but a string or bytes, and for bytes that
 * are not UTF-8 where they are to go out as text: a peer must fail the connection at such a frame (RFC 6455, 8.1).
 */
export function payloadOf(type: DataType, data: unknown): string | Buffer {
  if (typeof data === 'string') return data
  const bytes = viewOf(data)
  if (type === TextMessage && !isUtf8(bytes)) {
    throw new errors.INVALID_ARGUMENT('data', 'is not UTF-8 and cannot be sent as text; send it as BinaryMessage')
  }
  return bytes
}

/** The bytes of a view or an ArrayBuffer as a Buffer over the same memory. */
function viewOf(data: unknown): Buffer {
  if (Buffer.isBuffer(data)) return data
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  if (data instanceof ArrayBuffer) return Buffer.from(data)
  throw new errors.INVALID_ARGUMENT(
    'data',
    `must be a string, a Uint8Array or an ArrayBuffer (for other values there is JSON), got ${describe(data)}`
  )
}

/** A payload in memory of our own, for a message that is sent after the caller has gone on. */
export function ownCopy(payload: string | Buffer): Buffer {
  return Buffer.from(payload as string)
}

/** The JSON of a value. Throws INVALID_ARGUMENT, a TypeError, if it has none: undefined, a function, a cycle, a BigInt. */
export function jsonOf(value: unknown, name = 'value'): string {
  const json = stringify(value, name)
  if (json === undefined) throw new errors.INVALID_ARGUMENT(name, `has no JSON form: ${describe(value)}`)
  return json
}

/** What a `toJSON` throws is its own affair, unless it is a TypeError or a RangeError too. */
function stringify(value: unknown, name: string): string | undefined {
  try {
    return JSON.stringify(value)
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error
    const [reason] = error.message.split('\n')
    throw Object.assign(new errors.INVALID_ARGUMENT(name, `has no JSON form: ${reason}`), { cause: error })
  }
}

/** The value that a message holds as JSON. Throws, with the close code for it, where that is none or would poison a prototype. */
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

/** The payload of a ping or pong. Throws where it is over the 125 bytes of a control frame (RFC 6455, 5.5). */
export function controlPayload(data: unknown): Buffer {
  const bytes = typeof data === 'string' ? Buffer.from(data) : viewOf(data)
  if (bytes.length > 125)
    throw new errors.OUT_OF_RANGE('data', `a control frame takes at most 125 bytes, got ${bytes.length}`)
  return bytes
}
