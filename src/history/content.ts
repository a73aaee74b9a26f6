import { isUtf8 } from 'node:buffer'
import { contractEventOf, contractPayload } from '../cluster/wire/contract-payload.ts'
import type { ContractEvent } from '../contract/definition.ts'
import { BinaryMessage, type DataType, TextMessage } from '../internal/message.ts'

/** What is published: text, bytes, or the text of an event. */
export interface Content {
  readonly type: DataType
  readonly payload: Buffer
  /** The event of a contract that it is; undefined for a raw message. */
  readonly audience: ContractEvent | undefined
}

/** The first byte of a body that has an event of a contract. Those of raw messages are their type. */
const EVENT = 3

/** The bytes that a store keeps. */
export function bodyOf({ type, payload, audience }: Content): Buffer {
  const kind = audience === undefined ? type : EVENT
  return Buffer.concat([Buffer.of(kind), audience === undefined ? payload : contractPayload(audience, payload)])
}

/** What is in the bytes of a store; undefined if another program has written them. Text that is not UTF-8 would end connections. */
export function contentOf(body: Uint8Array): Content | undefined {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const kind = bytes[0]
  const payload = bytes.subarray(1)
  if (kind === BinaryMessage) return { type: kind, payload, audience: undefined }
  if (!isUtf8(payload.subarray(kind === EVENT ? 2 : 0))) return undefined
  if (kind === TextMessage) return { type: kind, payload, audience: undefined }
  const event = kind === EVENT ? contractEventOf(payload) : undefined
  return event && isObject(event.text)
    ? { type: TextMessage, payload: event.text, audience: event.audience }
    : undefined
}

/** Whether this can be the JSON of an object, to which members can be added. */
function isObject(text: Buffer): boolean {
  return text.length > 2 && text[0] === 0x7b && text.at(-1) === 0x7d
}
