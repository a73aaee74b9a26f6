import type { WebSocketConnection } from '../connection/connection.ts'
import { describe, errors } from '../internal/errors.ts'

/** Throws if the option `local` is wrong. A truthy mistake must not keep a message or a disconnect from the other nodes. */
export function assertLocal(local: unknown): asserts local is boolean | undefined {
  if (local !== undefined && typeof local !== 'boolean')
    throw new errors.INVALID_ARGUMENT('local', `must be a boolean, got ${describe(local)}`)
}

/** Calls a filter. Throws if it does not return a boolean: a promise is truthy, so an async filter would let every client pass. */
export function callFilter(filter: (ws: WebSocketConnection) => unknown, ws: WebSocketConnection): boolean {
  const result = filter(ws)
  if (typeof result === 'boolean') return result
  throw new errors.INVALID_ARGUMENT('filter', `must return a boolean, got ${describe(result)}`)
}
