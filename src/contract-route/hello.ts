import { type Id, RpcMethod } from '../rpc/json-rpc.ts'
import { MAX_ROOM_NAME } from '../internal/room-name.ts'
import { isPosition, MAX_POSITIONS, type Position } from '../rpc/position.ts'
import type { RpcFrame } from './entries.ts'

const MAX_AUTH = 16 * 1024

/** What a client says first. */
export interface Hello {
  readonly id: Id
  readonly auth: unknown
  /** Where the client is in the streams of rooms. */
  readonly positions: Map<string, Position>
}

/** The hello in a frame; undefined if it is anything else, or breaks a limit. */
export function helloOf(frame: RpcFrame): Hello | undefined {
  if (!('entry' in frame) || frame.entry.kind !== 'call' || frame.entry.method !== RpcMethod.Hello) return undefined
  const { id, params = {} } = frame.entry
  if (Array.isArray(params)) return undefined
  const { auth, positions = {} } = params as { auth?: unknown; positions?: unknown }
  if (auth !== undefined && !isShort(auth)) return undefined
  const known = positionsOf(positions)
  return known === undefined ? undefined : { id, auth, positions: known }
}

function isShort(auth: unknown): boolean {
  try {
    return Buffer.byteLength(JSON.stringify(auth)) <= MAX_AUTH
  } catch {
    // It is nested too deeply for JSON.stringify, so it is not short.
    return false
  }
}

function positionsOf(value: unknown): Map<string, Position> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const entries = Object.entries(value)
  if (entries.length > MAX_POSITIONS || !entries.every(([, position]) => isPosition(position))) return undefined
  // No room has a longer name, and the connection keeps them.
  const sane = entries.filter(([room]) => room.length <= MAX_ROOM_NAME)
  return new Map(sane.map(([room, { epoch, offset }]: [string, Position]) => [room, { epoch, offset }]))
}
