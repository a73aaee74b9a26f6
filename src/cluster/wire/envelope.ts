import { isUtf8 } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import secureJson from 'secure-json-parse'
import { isSendableCloseCode } from '../../internal/close.ts'
import { BinaryMessage, TextMessage } from '../../internal/message.ts'
import { MAX_RECIPIENTS } from '../../internal/targets.ts'

// What nodes say to each other, in bytes:
//
//   0  0xfb, version (1), kind, 0
//   4  origin: the id of the sending node, 8 bytes
//  12  generation and sequence: the how-manieth message of this origin on this channel, 4 bytes each; 0 and 0 where not counted
//  20  id: the same in all copies of a message to several rooms, 4 bytes; 0 if it goes to one room or to all
//  24  how many ids of connections follow, 2 bytes
//  26  0, 2 bytes
//  28  the ids: each its length in 2 bytes and itself in UTF-8. On the channel of a process, these connections get the message; on
//      others, these do not
//      payload, to the end
//
// Numbers are big-endian. docs/scaling.md describes it for those who publish without this package.

const MAGIC = 0xfb
const VERSION = 1
const HEADER = 28
/** The longest message between nodes, in bytes. */
const MAX_ENVELOPE = 16 * 1024 * 1024
/** The longest id of a connection, in bytes. */
const MAX_ID_BYTES = 256

/** What a message is. The first two are the types of WebSocket messages. */
export const Kind = { Text: TextMessage, Binary: BinaryMessage, Disconnect: 8, Control: 16 } as const
export type Kind = (typeof Kind)[keyof typeof Kind]
const KINDS: readonly number[] = Object.values(Kind)

/** A message between nodes. */
export interface Envelope {
  kind: Kind
  /** The node that sent it. */
  origin: string
  generation: number
  sequence: number
  id: number
  /** Ids of connections. On the channel of a process, only they get it; on others, they do not. */
  ids: readonly string[]
  payload: Buffer
}

const NO_IDS: readonly string[] = []

/** A new id for a node or a publisher. */
export function newOrigin(): string {
  return randomBytes(8).toString('hex')
}

/** The id of the node that has sent a message; undefined where it is none. A broker whose engine echoes compares it with its node's. */
export function originOf(message: Uint8Array): string | undefined {
  if (message.length < HEADER || message[0] !== MAGIC) return undefined
  return viewOf(message).toString('hex', 4, 12)
}

/** How long a message may be for an engine, in bytes. */
export function limitOf({ maxMessage = MAX_ENVELOPE }: { maxMessage?: number }): number {
  return Math.min(MAX_ENVELOPE, maxMessage)
}

/** The length of a message, in bytes. */
export function sizeOf({ ids, payload }: Pick<Envelope, 'ids' | 'payload'>): number {
  let size = HEADER + payload.length
  for (const id of ids) size += 2 + Buffer.byteLength(id)
  return size
}

/** The bytes of a message. */
export function encode(envelope: Envelope): Buffer {
  const { kind, origin, generation, sequence, id, ids, payload } = envelope
  const bytes = Buffer.allocUnsafe(sizeOf(envelope))
  bytes.writeUInt32BE(((MAGIC << 24) | (VERSION << 16) | (kind << 8)) >>> 0, 0)
  bytes.write(origin, 4, 'hex')
  bytes.writeUInt32BE(generation, 12)
  bytes.writeUInt32BE(sequence, 16)
  bytes.writeUInt32BE(id, 20)
  bytes.writeUInt16BE(ids.length, 24)
  bytes.writeUInt16BE(0, 26)
  let at = HEADER
  for (const one of ids) {
    const length = bytes.write(one, at + 2)
    bytes.writeUInt16BE(length, at)
    at += 2 + length
  }
  payload.copy(bytes, at)
  return bytes
}

/** The message in these bytes, whose payload is not copied; undefined where they are none that may be passed on. */
export function decode(message: Uint8Array): Envelope | undefined {
  const bytes = viewOf(message)
  if (bytes.length < HEADER || bytes.length > MAX_ENVELOPE || bytes[0] !== MAGIC || bytes[1] !== VERSION)
    return undefined
  const kind = bytes[2] as Kind
  const count = bytes.readUInt16BE(24)
  if (count > MAX_RECIPIENTS || bytes.readUInt16BE(26) !== 0 || !KINDS.includes(kind)) return undefined
  const ids = idsOf(bytes, count)
  if (ids === undefined) return undefined
  const payload = bytes.subarray(ids.end)
  if (!isPayload(kind, payload)) return undefined
  return {
    kind,
    origin: bytes.toString('hex', 4, 12),
    generation: bytes.readUInt32BE(12),
    sequence: bytes.readUInt32BE(16),
    id: bytes.readUInt32BE(20),
    ids: ids.list,
    payload
  }
}

function viewOf(message: Uint8Array): Buffer {
  return Buffer.isBuffer(message) ? message : Buffer.from(message.buffer, message.byteOffset, message.byteLength)
}

function idsOf(bytes: Buffer, count: number): { list: readonly string[]; end: number } | undefined {
  if (count === 0) return { list: NO_IDS, end: HEADER }
  const list: string[] = []
  let at = HEADER
  while (list.length < count) {
    if (at + 2 > bytes.length) return undefined
    const end = at + 2 + bytes.readUInt16BE(at)
    const name = bytes.subarray(at + 2, end)
    if (end > bytes.length || name.length === 0 || name.length > MAX_ID_BYTES || !isUtf8(name)) return undefined
    list.push(name.toString())
    at = end
  }
  return { list, end: at }
}

/** What clients would have to fail at must not reach them. */
function isPayload(kind: Kind, payload: Buffer): boolean {
  if (kind === Kind.Text || kind === Kind.Control) return isUtf8(payload)
  return kind === Kind.Binary || closeOf(payload) !== undefined
}

/** The payload of a `Disconnect`: that of a close frame (RFC 6455, 5.5.1). */
export function closePayload(code: number, reason: string): Buffer {
  const bytes = Buffer.allocUnsafe(2 + Buffer.byteLength(reason))
  bytes.write(reason, bytes.writeUInt16BE(code, 0))
  return bytes
}

/** The code and reason in the payload of a `Disconnect`; undefined where no close frame may carry them. */
export function closeOf(payload: Buffer): { code: number; reason: string } | undefined {
  if (payload.length < 2 || payload.length > 125 || !isUtf8(payload.subarray(2))) return undefined
  const code = payload.readUInt16BE(0)
  return isSendableCloseCode(code) ? { code, reason: payload.toString('utf8', 2) } : undefined
}

/** The value in the payload of a `Control`; undefined where it is no object with a type. */
export function controlOf(payload: Buffer): ({ type: string } & Record<string, unknown>) | undefined {
  try {
    const value = secureJson.parse(payload.toString()) as { type?: unknown } | null
    return typeof value === 'object' && typeof value?.type === 'string' ? (value as { type: string }) : undefined
  } catch {
    return undefined
  }
}
