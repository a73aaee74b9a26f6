import { isUtf8 } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import secureJson from 'secure-json-parse'
import { isSendableCloseCode } from '../close.ts'
import { BinaryMessage, TextMessage } from '../message.ts'

// What nodes say to each other, in bytes:
//
//   0  0xfb, version (1), kind, 0
//   4  origin: the id of the sending node, 8 bytes
//  12  generation and sequence: the how-manieth message of this origin on this channel, 4 bytes each; 0 and 0 where not counted
//  20  id: the same in all copies of a message to several rooms, 4 bytes
//  24  how many excluded connections and how many rooms follow, 2 bytes each
//  28  these: each its length in 2 bytes and its name in UTF-8
//      payload, to the end
//
// Numbers are big-endian. docs/scaling.md describes it for those who publish without this package.

const MAGIC = 0xfb
const VERSION = 1
const HEADER = 28
/** The longest message between nodes, in bytes. */
const MAX_ENVELOPE = 16 * 1024 * 1024
/** How many connections can be excluded, and how many rooms named, in one message. */
export const MAX_NAMES = 1024
/** The longest name, in bytes: a room has up to 256 UTF-16 units. */
const MAX_NAME_BYTES = 3 * 256

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
  /** Ids of connections that do not get it. */
  excluded: readonly string[]
  /** All rooms it goes to, where these are several; otherwise the channel says it. */
  rooms: readonly string[]
  payload: Buffer
}

const NO_NAMES: readonly string[] = []

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
export function sizeOf({ excluded, rooms, payload }: Pick<Envelope, 'excluded' | 'rooms' | 'payload'>): number {
  let size = HEADER + payload.length
  for (const name of excluded) size += 2 + Buffer.byteLength(name)
  for (const name of rooms) size += 2 + Buffer.byteLength(name)
  return size
}

/** The bytes of a message. */
export function encode(envelope: Envelope): Buffer {
  const { kind, origin, generation, sequence, id, excluded, rooms, payload } = envelope
  const bytes = Buffer.allocUnsafe(sizeOf(envelope))
  bytes.writeUInt32BE(((MAGIC << 24) | (VERSION << 16) | (kind << 8)) >>> 0, 0)
  bytes.write(origin, 4, 'hex')
  bytes.writeUInt32BE(generation, 12)
  bytes.writeUInt32BE(sequence, 16)
  bytes.writeUInt32BE(id, 20)
  bytes.writeUInt16BE(excluded.length, 24)
  bytes.writeUInt16BE(rooms.length, 26)
  let at = HEADER
  for (const name of excluded.length + rooms.length === 0 ? NO_NAMES : [...excluded, ...rooms]) {
    const length = bytes.write(name, at + 2)
    bytes.writeUInt16BE(length, at)
    at += 2 + length
  }
  payload.copy(bytes, at)
  return bytes
}

/** The message in these bytes, whose payload is not copied; undefined where they are none that may be passed on. */
export function decode(message: Uint8Array): Envelope | undefined {
  const bytes = viewOf(message)
  if (bytes.length < HEADER || bytes.length > MAX_ENVELOPE || bytes[0] !== MAGIC || bytes[1] !== VERSION) return undefined
  const kind = bytes[2] as Kind
  const counts = [bytes.readUInt16BE(24), bytes.readUInt16BE(26)] as const
  const names = namesOf(bytes, counts[0] + counts[1])
  if (names === undefined || counts[0] > MAX_NAMES || counts[1] > MAX_NAMES || !KINDS.includes(kind)) return undefined
  const payload = bytes.subarray(names.end)
  if (!isPayload(kind, payload)) return undefined
  return {
    kind,
    origin: bytes.toString('hex', 4, 12),
    generation: bytes.readUInt32BE(12),
    sequence: bytes.readUInt32BE(16),
    id: bytes.readUInt32BE(20),
    excluded: counts[0] === 0 ? NO_NAMES : names.list.slice(0, counts[0]),
    rooms: counts[1] === 0 ? NO_NAMES : names.list.slice(counts[0]),
    payload
  }
}

function viewOf(message: Uint8Array): Buffer {
  return Buffer.isBuffer(message) ? message : Buffer.from(message.buffer, message.byteOffset, message.byteLength)
}

function namesOf(bytes: Buffer, count: number): { list: readonly string[]; end: number } | undefined {
  if (count === 0) return { list: NO_NAMES, end: HEADER }
  const list: string[] = []
  let at = HEADER
  while (list.length < count) {
    if (at + 2 > bytes.length) return undefined
    const end = at + 2 + bytes.readUInt16BE(at)
    const name = bytes.subarray(at + 2, end)
    if (end > bytes.length || name.length === 0 || name.length > MAX_NAME_BYTES || !isUtf8(name)) return undefined
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

