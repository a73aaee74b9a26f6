import secureJson from 'secure-json-parse'
import { isTraceparent } from '../rpc/traceparent.ts'
import { type Id, MAX_BATCH, MAX_ID_LENGTH, type RpcError, RpcErrorCode } from '../rpc/json-rpc.ts'

/** What requests and notifications have in common. */
interface RequestObject {
  readonly method: string
  readonly params: object | undefined
  /** The trace that it belongs to. An invalid one is ignored, like any other member that JSON-RPC does not have. */
  readonly traceparent: string | undefined
}

/** A request of a client. */
export interface Call extends RequestObject {
  readonly kind: 'call'
  readonly id: Id
}

/** A notification of a client. */
export interface Event extends RequestObject {
  readonly kind: 'event'
}

/** One message of a client. */
export type Entry =
  | Call
  | Event
  | { readonly kind: 'response'; readonly id: unknown; readonly result: unknown; readonly error: unknown }
  | { readonly kind: 'invalid'; readonly id: Id; readonly error: RpcError }

/** A text frame: an entry, or several in a batch. */
export type RpcFrame = { readonly entry: Entry } | { readonly batch: readonly Entry[] }

const PARSE_ERROR: Entry = {
  kind: 'invalid',
  id: null,
  error: { code: RpcErrorCode.ParseError, message: 'Parse error' }
}

/** Reads a text frame. It never throws: what cannot be read is an invalid entry. */
export function readFrame(data: Buffer): RpcFrame {
  let value: unknown
  try {
    value = secureJson.parse(data.toString())
  } catch {
    return { entry: PARSE_ERROR }
  }
  if (!Array.isArray(value)) return { entry: readEntry(value) }
  if (value.length === 0 || value.length > MAX_BATCH) return { entry: invalid(null) }
  return { batch: value.map(readEntry) }
}

function readEntry(value: unknown): Entry {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return invalid(null)
  const { jsonrpc, id, method, params, result, error, traceparent: sent } = value as Record<string, unknown>
  const hasId = 'id' in value
  const validId = isId(id) ? id : null
  if (jsonrpc !== '2.0') return invalid(validId)
  if (!('method' in value))
    return 'result' in value || 'error' in value ? { kind: 'response', id, result, error } : invalid(validId)
  const isValid = typeof method === 'string' && isParams(params) && (!hasId || isId(id))
  if (!isValid) return invalid(validId)
  const traceparent = isTraceparent(sent) ? sent : undefined
  return hasId
    ? { kind: 'call', id: validId, method, params, traceparent }
    : { kind: 'event', method, params, traceparent }
}

function isId(id: unknown): id is Id {
  return id === null || (typeof id === 'string' && id.length <= MAX_ID_LENGTH) || Number.isSafeInteger(id)
}

function isParams(params: unknown): params is object | undefined {
  return params === undefined || (typeof params === 'object' && params !== null)
}

function invalid(id: Id): Entry {
  return { kind: 'invalid', id, error: { code: RpcErrorCode.InvalidRequest, message: 'Invalid Request' } }
}
