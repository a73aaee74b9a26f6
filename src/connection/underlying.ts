import { describe, errors } from '../internal/errors.ts'
import { WebSocketConnection } from './connection.ts'

/** The key under which other kinds of connections keep the `WebSocketConnection` that they use. */
export const UNDERLYING = Symbol.for('fastify-blaze-ws/1.underlying')

/** A connection: what the handler of a route gets, with or without a contract. */
export type AnyConnection = WebSocketConnection | { readonly [UNDERLYING]: WebSocketConnection }

/** True for the connection of a route, with or without a contract. */
export function isConnection(value: unknown): value is AnyConnection {
  if (typeof value !== 'object' || value === null) return false
  return value instanceof WebSocketConnection || UNDERLYING in value
}

/** The `WebSocketConnection` of any connection. @throws FST_BLAZE_WS_INVALID_ARGUMENT, which calls it `argument` */
export function underlying(ws: unknown, argument = 'ws'): WebSocketConnection {
  if (ws instanceof WebSocketConnection) return ws
  const inner = (ws as { [UNDERLYING]?: unknown } | null | undefined)?.[UNDERLYING]
  if (inner instanceof WebSocketConnection) return inner
  throw new errors.INVALID_ARGUMENT(
    argument,
    `must be the WebSocketConnection that a handler gets, got ${describe(ws)}`
  )
}
