import secureJson from 'secure-json-parse'
import { isTraceparent } from '../../rpc/traceparent.ts'
import { type DeliveryOptions, MAX_KEY, scopeOf } from '../../internal/delivery.ts'

/** What the sender of a message says about it besides its payload. A node ignores what it does not know. */
export interface Notes {
  /** It replaces a waiting message with the same key. */
  readonly coalesce?: string
  /** What all messages to the same targets have in common, if these are several: each copy names only its own. */
  readonly scope?: string
  /** It is dropped for clients that something else is waiting for. */
  readonly volatile?: boolean
  /** The trace that it belongs to, as in the W3C header of this name. */
  readonly traceparent?: string
  /** The request with which the sender counts who got it. */
  readonly reach?: number
}

/** The longest notes, in bytes: their length takes two bytes. */
const MAX_NOTES = 65_535
const NO_BYTES = Buffer.alloc(0)

/** The notes of a broadcast with these options to these targets; undefined if there is nothing to note. */
export function notesOf(
  { coalesce, volatile }: DeliveryOptions,
  targets: readonly string[] | undefined
): Notes | undefined {
  if (volatile === true) return { volatile }
  if (coalesce === undefined) return undefined
  return targets !== undefined && targets.length > 1 ? { coalesce, scope: scopeOf(targets) } : { coalesce }
}

/** The notes with the trace of a message, if it has one. */
export function withTrace(notes: Notes | undefined, traceparent: string | undefined): Notes | undefined {
  return traceparent === undefined ? notes : { ...notes, traceparent }
}

/** The bytes of notes; none for no notes. */
export function encodeNotes(notes: Notes | undefined): Buffer {
  if (notes === undefined) return NO_BYTES
  const bytes = Buffer.from(JSON.stringify(notes))
  return bytes.length > MAX_NOTES ? NO_BYTES : bytes
}

/** The notes in these bytes, without what is not valid; undefined if they are malformed. Never throws. */
export function decodeNotes(bytes: Buffer): Notes | undefined {
  const fields = secureJson.safeParse(bytes.toString()) as Record<keyof Notes, unknown> | null | undefined
  if (typeof fields !== 'object' || fields === null) return undefined
  const { coalesce, scope, volatile, traceparent, reach } = fields
  return {
    ...(isKey(coalesce) && { coalesce }),
    ...(isKey(scope) && { scope }),
    ...(volatile === true && { volatile }),
    ...(isTraceparent(traceparent) && { traceparent }),
    ...(Number.isSafeInteger(reach) && { reach: reach as number })
  }
}

function isKey(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_KEY
}
