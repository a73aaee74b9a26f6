import createError, { type FastifyError, type FastifyErrorConstructor } from '@fastify/error'

type ErrorName =
  | 'INVALID_OPTION'
  | 'ALREADY_REGISTERED'
  | 'INVALID_ROUTE'
  | 'UPGRADE_REQUIRED'
  | 'BAD_HANDSHAKE'
  | 'UNSUPPORTED_VERSION'
  | 'ORIGIN_FORBIDDEN'
  | 'SHUTTING_DOWN'
  | 'TOO_MANY_UPGRADES'
  | 'ROUTE_FULL'
  | 'TOO_MANY_CONNECTIONS'
  | 'NOT_UPGRADING'
  | 'INVALID_TICKET'
  | 'TICKET_STORE_UNAVAILABLE'
  | 'CONCURRENT_READ'
  | 'INVALID_JSON'
  | 'INVALID_ARGUMENT'
  | 'OUT_OF_RANGE'
  | 'CLOSED'
  | 'BROKER_UNAVAILABLE'
  | 'BROKER_IN_USE'
  | 'MESSAGE_TOO_LONG'
  | 'HISTORY_UNAVAILABLE'
  | 'NO_HISTORY'
  | 'MISSING_PACKAGE'

/**
 * The constructors of all errors of this package, by their codes without `FST_BLAZE_WS_`. If an error refuses an upgrade, the HTTP
 * response has its `statusCode`. Other errors are thrown to the caller or reject a promise.
 */
export const errors: Record<
  ErrorName,
  FastifyErrorConstructor<{ code: string; statusCode?: number }, [detail?: unknown, more?: unknown, most?: unknown]>
> = {
  /** An option is unknown or has a value that is not allowed. Thrown when the plugin, route, hub or broker is made. */
  INVALID_OPTION: createError('FST_BLAZE_WS_INVALID_OPTION', 'Invalid option "%s": %s', 500, TypeError),
  /** The plugin was registered twice on one server. */
  ALREADY_REGISTERED: createError(
    'FST_BLAZE_WS_ALREADY_REGISTERED',
    'fastify-blaze-ws is already registered on this server; register it once, on the root instance',
    500
  ),
  /** `webSocket()` or `webSocketWithConfig()` was called with a wrong argument. */
  INVALID_ROUTE: createError('FST_BLAZE_WS_INVALID_ROUTE', 'Invalid WebSocket route: %s', 500, TypeError),
  /** A WebSocket route got a request without `Upgrade: websocket` (RFC 9110, 15.5.22). */
  UPGRADE_REQUIRED: createError(
    'FST_BLAZE_WS_UPGRADE_REQUIRED',
    'This is a WebSocket route; send an upgrade request',
    426
  ),
  /** The opening handshake is malformed (RFC 6455, 4.2.1). */
  BAD_HANDSHAKE: createError('FST_BLAZE_WS_BAD_HANDSHAKE', 'Invalid WebSocket handshake: %s', 400),
  /** The client asks for a protocol version other than 13 (RFC 6455, 4.2.2). */
  UNSUPPORTED_VERSION: createError(
    'FST_BLAZE_WS_UNSUPPORTED_VERSION',
    'Unsupported Sec-WebSocket-Version; this server supports 13',
    426
  ),
  /** `checkOrigin` did not return true. */
  ORIGIN_FORBIDDEN: createError('FST_BLAZE_WS_ORIGIN_FORBIDDEN', 'Origin not allowed', 403),
  /** The server is closing and accepts no new connections. */
  SHUTTING_DOWN: createError('FST_BLAZE_WS_SHUTTING_DOWN', 'Server is shutting down', 503),
  /** `maxPendingUpgrades` upgrades are waiting for their hooks. The response has a Retry-After header. */
  TOO_MANY_UPGRADES: createError('FST_BLAZE_WS_TOO_MANY_UPGRADES', 'Too many upgrades are pending', 503),
  /** A route has `maxConnections` open connections. The response has a Retry-After header. */
  ROUTE_FULL: createError('FST_BLAZE_WS_ROUTE_FULL', 'Too many connections', 503),
  /** An address has `maxConnectionsPerIp` open connections to a route. The response has a Retry-After header. */
  TOO_MANY_CONNECTIONS: createError('FST_BLAZE_WS_TOO_MANY_CONNECTIONS', 'Too many connections from your address', 429),
  /** `request.refuseWebSocket()` was called after the handshake. */
  NOT_UPGRADING: createError(
    'FST_BLAZE_WS_NOT_UPGRADING',
    'request.refuseWebSocket() is for hooks before the upgrade; use ws.close() to close an open connection',
    500
  ),
  /** A ticket is missing, wrong, expired or already spent. */
  INVALID_TICKET: createError('FST_BLAZE_WS_INVALID_TICKET', 'The ticket is missing, expired or already used', 401),
  /** The ticket store did not answer in time. */
  TICKET_STORE_UNAVAILABLE: createError(
    'FST_BLAZE_WS_TICKET_STORE_UNAVAILABLE',
    'The ticket store did not answer within %s ms',
    503
  ),
  /** A connection was read during another read, or while `ws.socket` had `message` listeners. */
  CONCURRENT_READ: createError(
    'FST_BLAZE_WS_CONCURRENT_READ',
    'This connection has another reader, and can have only one: wait for the earlier read, or remove the "message" listeners of ws.socket, which get every message',
    500
  ),
  /** `readJSON` read a message that is not JSON. The error's `closeCode` is 1007. */
  INVALID_JSON: createError('FST_BLAZE_WS_INVALID_JSON', 'Message is not valid JSON: %s', 400, SyntaxError),
  /** An argument of a method has the wrong type. */
  INVALID_ARGUMENT: createError('FST_BLAZE_WS_INVALID_ARGUMENT', 'Invalid argument "%s": %s', 500, TypeError),
  /** An argument of a method is outside its allowed range. */
  OUT_OF_RANGE: createError('FST_BLAZE_WS_OUT_OF_RANGE', 'Argument "%s" is out of range: %s', 500, RangeError),
  /** The connection is closed. This is the base class of `CloseError`. */
  CLOSED: createError('FST_BLAZE_WS_CLOSED', 'WebSocket closed with %s%s', 500),
  /** The engine of a broker (Redis or NATS) cannot be reached. A hub emits `'degraded'` with it, a publisher rejects with it. */
  BROKER_UNAVAILABLE: createError(
    'FST_BLAZE_WS_BROKER_UNAVAILABLE',
    'The engine of the broker is not available: %s',
    503
  ),
  /** A broker was given to a second hub or publisher. */
  BROKER_IN_USE: createError(
    'FST_BLAZE_WS_BROKER_IN_USE',
    'This broker already serves another hub or publisher; make a broker for each',
    500
  ),
  /** A message is longer than the engine of a broker allows. The clients of this node have received it. */
  MESSAGE_TOO_LONG: createError(
    'FST_BLAZE_WS_MESSAGE_TOO_LONG',
    'A message of %s bytes is too long to publish: the limit is %s bytes',
    500
  ),
  /**
   * The store of published messages cannot be reached or does not answer. It is not known whether the message was stored: publish it
   * again with the same `id`.
   */
  HISTORY_UNAVAILABLE: createError(
    'FST_BLAZE_WS_HISTORY_UNAVAILABLE',
    'The history of rooms is not available: %s',
    503
  ),
  /** `publish` or `hub.history` was used on a hub that has a broker and no store. */
  NO_HISTORY: createError(
    'FST_BLAZE_WS_NO_HISTORY',
    'This hub has a broker and no store of published messages, which all nodes must share; set hub.history to { store: redisHistory({ client }) }',
    500
  ),
  /** An optional package that a part of this one needs is not installed. */
  MISSING_PACKAGE: createError(
    'FST_BLAZE_WS_MISSING_PACKAGE',
    '%s needs a package that is not installed: npm install %s',
    500
  )
}

export type { FastifyError }

/** An `INVALID_OPTION` error that names the option and says what is allowed. */
export function invalidOption(key: string, allowed: string, value?: unknown): FastifyError {
  return new errors.INVALID_OPTION(key, value === undefined ? allowed : `${allowed}, got ${describe(value)}`)
}

/** Describes a value for an error message, in one short line. A long string is cut, and the content of an object is left out. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'an array'
  if (Buffer.isBuffer(value)) return 'a Buffer'
  if (value !== null && typeof value === 'object') return `an object (${value.constructor?.name ?? 'null prototype'})`
  return String(value)
}
