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

/**
 * Every error of this package, by its code. `statusCode` is what an HTTP client gets where the error refuses an upgrade;
 * the others are thrown to the caller or reject a promise.
 */
export const errors: Record<
  ErrorName,
  FastifyErrorConstructor<{ code: string; statusCode?: number }, [detail?: unknown, more?: unknown]>
> = {
  /** A plugin, route or hub option is unknown or has a value that is not allowed. Thrown when it is registered. */
  INVALID_OPTION: createError('FST_BLAZE_WS_INVALID_OPTION', 'Invalid option "%s": %s', 500, TypeError),
  /** The plugin was registered twice on one server. */
  ALREADY_REGISTERED: createError(
    'FST_BLAZE_WS_ALREADY_REGISTERED',
    'fastify-blaze-ws is already registered on this server; register it once, on the root instance',
    500
  ),
  /** `webSocket()` was called with arguments that make no route. */
  INVALID_ROUTE: createError('FST_BLAZE_WS_INVALID_ROUTE', 'Invalid WebSocket route: %s', 500, TypeError),
  /** A request without `Upgrade: websocket` came to a WebSocket route (RFC 9110, 15.5.22). */
  UPGRADE_REQUIRED: createError(
    'FST_BLAZE_WS_UPGRADE_REQUIRED',
    'This route speaks WebSocket; send an upgrade request',
    426
  ),
  /** The opening handshake is malformed (RFC 6455, 4.2.1). */
  BAD_HANDSHAKE: createError('FST_BLAZE_WS_BAD_HANDSHAKE', 'Invalid WebSocket handshake: %s', 400),
  /** The client asks for a protocol version other than 13 (RFC 6455, 4.2.2). */
  UNSUPPORTED_VERSION: createError(
    'FST_BLAZE_WS_UNSUPPORTED_VERSION',
    'Unsupported Sec-WebSocket-Version; this server speaks 13',
    426
  ),
  /** `checkOrigin` answered false. */
  ORIGIN_FORBIDDEN: createError('FST_BLAZE_WS_ORIGIN_FORBIDDEN', 'Origin not allowed', 403),
  /** The server is closing and takes no new connections. */
  SHUTTING_DOWN: createError('FST_BLAZE_WS_SHUTTING_DOWN', 'Server is shutting down', 503),
  /** More upgrades are waiting for their hooks than `maxPendingUpgrades` allows; comes with Retry-After. */
  TOO_MANY_UPGRADES: createError('FST_BLAZE_WS_TOO_MANY_UPGRADES', 'Too many upgrades are pending', 503),
  /** A route has `maxConnections` open; comes with Retry-After. */
  ROUTE_FULL: createError('FST_BLAZE_WS_ROUTE_FULL', 'Too many connections', 503),
  /** An address has `maxConnectionsPerIp` open on a route; comes with Retry-After. */
  TOO_MANY_CONNECTIONS: createError('FST_BLAZE_WS_TOO_MANY_CONNECTIONS', 'Too many connections from your address', 429),
  /** `request.refuseWebSocket` was called when the handshake was over. */
  NOT_UPGRADING: createError(
    'FST_BLAZE_WS_NOT_UPGRADING',
    'request.refuseWebSocket() is for hooks before the upgrade; an open connection is closed with ws.close()',
    500
  ),
  /** A ticket is missing, wrong, expired or already spent. */
  INVALID_TICKET: createError('FST_BLAZE_WS_INVALID_TICKET', 'The ticket is missing, expired or already used', 401),
  /** The store of tickets has not answered in time. */
  TICKET_STORE_UNAVAILABLE: createError(
    'FST_BLAZE_WS_TICKET_STORE_UNAVAILABLE',
    'The store of tickets has not answered within %s ms',
    503
  ),
  /** A second read was started while one was waiting, or while `ws.socket` has `message` listeners. */
  CONCURRENT_READ: createError(
    'FST_BLAZE_WS_CONCURRENT_READ',
    'This connection has another reader, and can only have one: wait for the earlier read, or remove the "message" listeners of ws.socket, which get every message while they are there',
    500
  ),
  /** A message read by `readJSON` is not JSON; `closeCode` is 1007. */
  INVALID_JSON: createError('FST_BLAZE_WS_INVALID_JSON', 'Message is not valid JSON: %s', 400, SyntaxError),
  /** A value given to a write, `close` or the hub has the wrong type. */
  INVALID_ARGUMENT: createError('FST_BLAZE_WS_INVALID_ARGUMENT', 'Invalid argument "%s": %s', 500, TypeError),
  /** A number given to `close`, `ping`, `pong` or a timeout is out of its range. */
  OUT_OF_RANGE: createError('FST_BLAZE_WS_OUT_OF_RANGE', 'Argument "%s" is out of range: %s', 500, RangeError),
  /** The connection is closed; the base of `CloseError`. */
  CLOSED: createError('FST_BLAZE_WS_CLOSED', 'WebSocket closed with %s%s', 500),
  /** The engine behind a broker cannot be reached; `'degraded'` comes with it, and what a publisher publishes rejects with it. */
  BROKER_UNAVAILABLE: createError(
    'FST_BLAZE_WS_BROKER_UNAVAILABLE',
    'The engine of the broker is not available: %s',
    503
  ),
  /** A broker was given to a second hub or publisher. */
  BROKER_IN_USE: createError(
    'FST_BLAZE_WS_BROKER_IN_USE',
    'This broker serves another hub or publisher already; make one for each',
    500
  ),
  /** A message is longer than the engine of a broker takes. The clients of this node have got it. */
  MESSAGE_TOO_LONG: createError(
    'FST_BLAZE_WS_MESSAGE_TOO_LONG',
    'A message of %s bytes is too long to be published: the limit is %s bytes',
    500
  )
}

export type { FastifyError }

/** An `INVALID_OPTION` error that names the key and says what is allowed. */
export function invalidOption(key: string, allowed: string, value?: unknown): FastifyError {
  return new errors.INVALID_OPTION(key, value === undefined ? allowed : `${allowed}, got ${describe(value)}`)
}

/** A short, single-line description of a value for an error message: never its whole content. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'an array'
  if (Buffer.isBuffer(value)) return 'a Buffer'
  if (value !== null && typeof value === 'object') return `an object (${value.constructor?.name ?? 'null prototype'})`
  return String(value)
}
