import { isUtf8 } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { closeOf } from '../../internal/close-codes.ts'
import { BinaryMessage, TextMessage } from '../../internal/message.ts'
import { MAX_TARGETS } from '../../internal/targets.ts'
import { contractEventOf } from './contract-payload.ts'
import { decodeNotes, encodeNotes, type Notes } from './notes.ts'
import { storedNoticeOf } from './stored-payload.ts'

// The bytes of every message that a node or publisher sends. Numbers are big-endian.
//
//   0  0xfb, version (1), kind, 0
//   4  origin: the id of the sender, 8 bytes
//  12  generation and sequence: the number of the message among those of this origin on this channel, 4 bytes each; both are 0
//      if the sender does not number its messages
//  20  copy id: the same in all copies of a message to several targets, 4 bytes; otherwise 0
//  24  how many connection ids follow, 2 bytes
//  26  the length of the notes, 2 bytes
//  28  the ids, each as its length in 2 bytes and its UTF-8. In the channel of a process, only these connections get the
//      message; in other channels, these connections do not get it
//      the notes, as JSON (see notes.ts)
//      the payload, to the end
//
// docs/scaling.md describes them for senders that do not use this package.

const MAGIC = 0xfb
const VERSION = 1
const HEADER = 28
/** The longest message between nodes, in bytes. */
const MAX_ENVELOPE = 16 * 1024 * 1024
/** The longest id of a connection, in bytes. */
const MAX_ID_BYTES = 256

/**
 * Text and Binary are raw broadcasts, Contract is an event of a contract (see contract-payload.ts), Stored is a published message (see
 * stored-payload.ts), Disconnect closes connections, Node is a message between nodes (see protocol.ts).
 */
export const Kind = {
  Text: TextMessage,
  Binary: BinaryMessage,
  Contract: 3,
  Stored: 4,
  Disconnect: 8,
  Node: 16
} as const
export type Kind = (typeof Kind)[keyof typeof Kind]
const KINDS: readonly number[] = Object.values(Kind)

export interface Envelope {
  kind: Kind
  /** The id of the node or publisher that sent it. */
  origin: string
  generation: number
  sequence: number
  copyId: number
  /** Ids of connections: the only recipients in the channel of a process, and excluded in other channels. */
  ids: readonly string[]
  notes?: Notes | undefined
  payload: Buffer
}

const NO_IDS: readonly string[] = []
const NOT_UTF8 = Buffer.from([0xff])

/** A new id for a node or a publisher. */
export function newOrigin(): string {
  return randomBytes(8).toString('hex')
}

/** The id of the node that sent a message; undefined if the bytes are not a message of a node. */
export function originOf(message: Uint8Array): string | undefined {
  if (message.length < HEADER || message[0] !== MAGIC) return undefined
  return viewOf(message).toString('hex', 4, 12)
}

/** The longest message that a broker can publish, in bytes. */
export function limitOf({ maxMessage = MAX_ENVELOPE }: { maxMessage?: number }): number {
  return Math.min(MAX_ENVELOPE, maxMessage)
}

/** The length of an encoded message, in bytes. */
export function sizeOf({ ids, notes, payload }: Pick<Envelope, 'ids' | 'notes' | 'payload'>): number {
  return sizeWith(encodeNotes(notes), ids, payload)
}

function sizeWith(notes: Buffer, ids: readonly string[], payload: Buffer): number {
  let size = HEADER + notes.length + payload.length
  for (const id of ids) size += 2 + Buffer.byteLength(id)
  return size
}

export function encode(envelope: Envelope): Buffer {
  const { kind, origin, generation, sequence, copyId, ids, payload } = envelope
  const notes = encodeNotes(envelope.notes)
  const bytes = Buffer.allocUnsafe(sizeWith(notes, ids, payload))
  bytes.writeUInt32BE(((MAGIC << 24) | (VERSION << 16) | (kind << 8)) >>> 0, 0)
  bytes.write(origin, 4, 'hex')
  bytes.writeUInt32BE(generation, 12)
  bytes.writeUInt32BE(sequence, 16)
  bytes.writeUInt32BE(copyId, 20)
  bytes.writeUInt16BE(ids.length, 24)
  bytes.writeUInt16BE(notes.length, 26)
  let at = HEADER
  for (const one of ids) {
    const length = bytes.write(one, at + 2)
    bytes.writeUInt16BE(length, at)
    at += 2 + length
  }
  payload.copy(bytes, at + notes.copy(bytes, at))
  return bytes
}

/** Reads a message. Its payload is not copied. Returns undefined for anything that must not be passed on. */
export function decode(message: Uint8Array): Envelope | undefined {
  const bytes = viewOf(message)
  if (bytes.length < HEADER || bytes.length > MAX_ENVELOPE || bytes[0] !== MAGIC || bytes[1] !== VERSION)
    return undefined
  const kind = bytes[2] as Kind
  const count = bytes.readUInt16BE(24)
  if (count > MAX_TARGETS || !KINDS.includes(kind)) return undefined
  const ids = idsOf(bytes, count)
  const notes = ids && notesOf(bytes, ids.end)
  if (ids === undefined || notes === undefined) return undefined
  const payload = bytes.subarray(notes.end)
  if (!isPayload(kind, payload)) return undefined
  return {
    kind,
    origin: bytes.toString('hex', 4, 12),
    generation: bytes.readUInt32BE(12),
    sequence: bytes.readUInt32BE(16),
    copyId: bytes.readUInt32BE(20),
    ids: ids.list,
    notes: notes.notes,
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

function notesOf(bytes: Buffer, start: number): { notes: Notes | undefined; end: number } | undefined {
  const end = start + bytes.readUInt16BE(26)
  if (end === start) return { notes: undefined, end }
  const notes = end > bytes.length ? undefined : decodeNotes(bytes.subarray(start, end))
  return notes && { notes, end }
}

/** A text that is not UTF-8, or a close code that may not be sent, would make clients fail their connections. */
function isPayload(kind: Kind, payload: Buffer): boolean {
  if (kind === Kind.Text || kind === Kind.Node) return isUtf8(payload)
  if (kind === Kind.Stored) return storedNoticeOf(payload) !== undefined
  if (kind === Kind.Contract) return isUtf8(contractEventOf(payload)?.text ?? NOT_UTF8)
  return kind === Kind.Binary || closeOf(payload) !== undefined
}
