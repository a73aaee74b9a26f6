import secureJson from 'secure-json-parse'
import { isTraceparent } from '../../rpc/traceparent.ts'

/** What the sender of a message says about it besides its payload. A node ignores what it does not know. */
export interface Notes {
  /** It replaces a waiting message with the same key. */
  readonly coalesce?: string
  /** It is dropped for clients that something else is waiting for. */
  readonly volatile?: boolean
  /** The trace that it belongs to, as in the W3C header of this name. */
  readonly traceparent?: string
  /** The request with which the sender counts who got it. */
  readonly reach?: number
}

/** The longest notes, in bytes: their length takes two bytes. */
const MAX_NOTES = 65_535
/** The longest key, in UTF-16 units. */
const MAX_KEY = 256
const NO_BYTES = Buffer.alloc(0)

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
  const { coalesce, volatile, traceparent, reach } = fields
  return {
    ...(typeof coalesce === 'string' && coalesce.length <= MAX_KEY && { coalesce }),
    ...(volatile === true && { volatile }),
    ...(isTraceparent(traceparent) && { traceparent }),
    ...(Number.isSafeInteger(reach) && { reach: reach as number })
  }
}
