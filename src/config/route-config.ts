import type { FastifyRequest } from 'fastify'
import { invalidOption } from '../internal/errors.ts'
import { checkRateLimit, type RateLimit } from './rate-limit.ts'
import { type Check, check, type Checks, duration, integer, validateOptions } from '../internal/validate.ts'
import { allowAllOrigins, allowOrigins, sameOrigin } from './origin.ts'

/** What the hub does for a connection whose send queue is full. */
export type SlowConsumerPolicy =
  /** Drop what is waiting, leave the hub and close with 1013. */
  | 'disconnect'
  /** Drop the message that does not fit. */
  | 'dropNewest'
  /** Drop the oldest waiting message to make place. */
  | 'dropOldest'
  /** Of the waiting messages with the same key keep only the newest; a full queue of different keys drops its oldest. */
  | { coalesce: (data: string | Uint8Array) => unknown }

/** The configuration of a WebSocket route. Times are milliseconds, sizes are bytes. */
export interface WebSocketConfig {
  /** With more than this unread, the socket is paused until the handler catches up. @default 4096 */
  readBufferSize: number
  /** `write*` waits while more than this is still unsent. @default 4096 */
  writeBufferSize: number
  /** Closed (1008) when no complete message, ping or pong has come for this long. 0 = never. @default 60000 */
  readTimeout: number
  /** A write not flushed by then ends the connection. 0 = never. @default 10000 */
  writeTimeout: number
  /** The time between automatic pings. 0 = none. @default 30000 */
  pingInterval: number
  /** Dropped when a ping stays unanswered for this long. 0 = never. @default 60000 */
  pongTimeout: number
  /**
   * How long a closing handshake may take: for the handler to answer what came before the client's close frame, after which
   * ours is sent, and for the client to answer our close frame, after which it is dropped. At least 1. @default 5000
   */
  closeTimeout: number
  /** A larger message, also one that is larger only after inflation, closes with 1009. @default 1048576 */
  maxMessageSize: number
  /** permessage-deflate level 1 to 9; 0 = not negotiated (RFC 7692). @default 6 */
  compressionLevel: number
  /** Smaller messages are sent without compression. @default 1024 */
  compressionThreshold: number
  /** Decides over the handshake; false answers 403. @default allows all origins */
  checkOrigin: (request: FastifyRequest) => boolean | Promise<boolean>
  /** The subprotocols of the route, in the server's order of preference (RFC 6455, 1.9). @default [] */
  subprotocols: string[]
  /**
   * How many messages `writeAsync` and the hub may have waiting on one connection; only what the socket did not take
   * waits. Together they may hold 16 KiB for each place in the queue, and never less than 4 MiB. @default 256
   */
  sendQueueSize: number
  /** What the hub does when that queue is full. @default 'disconnect' */
  slowConsumer: SlowConsumerPolicy
  /** How many connections the route may have open; further ones get 503. 0 = no limit. @default 0 */
  maxConnections: number
  /**
   * How many connections the route may have open from one address, as `trustProxy` sees it, or from one IPv6 network of 64
   * bits; further ones get 429. 0 = no limit. @default 0
   */
  maxConnectionsPerIp: number
  /** Closed (1008) when the first message has not come by then. 0 = never. @default 0 */
  firstMessageTimeout: number
  /** Closed (1001) when the connection is that old. 0 = never. @default 0 */
  maxLifetime: number
  /** A message in more fragments closes with 1008 (RFC 6455, 5.4). @default 1024 */
  maxFragments: number
  /** A frame that comes in more pieces, which is to say packets, closes with 1008. @default 4096 */
  maxBufferedChunks: number
  /** More pings and pongs in a second close with 1008. 0 = no limit. @default 500 */
  maxControlFrames: number
  /** How many messages a client may send; see `RateLimit`. @default false */
  rateLimit: RateLimit | false
}

const DEFAULTS: Readonly<WebSocketConfig> = {
  readBufferSize: 4096,
  writeBufferSize: 4096,
  readTimeout: 60_000,
  writeTimeout: 10_000,
  pingInterval: 30_000,
  pongTimeout: 60_000,
  closeTimeout: 5_000,
  maxMessageSize: 1_048_576,
  compressionLevel: 6,
  compressionThreshold: 1024,
  checkOrigin: allowAllOrigins,
  subprotocols: [],
  sendQueueSize: 256,
  slowConsumer: 'disconnect',
  maxConnections: 0,
  maxConnectionsPerIp: 0,
  firstMessageTimeout: 0,
  maxLifetime: 0,
  maxFragments: 1024,
  maxBufferedChunks: 4096,
  maxControlFrames: 500,
  rateLimit: false
}

/** The configuration of a route that sets nothing: a new object at each call. */
export function defaultWebSocketConfig(): WebSocketConfig {
  return { ...DEFAULTS, subprotocols: [] }
}

const size = (min: number): Check<number> => integer(min, undefined, ' (bytes)')
const limit = (what: string): Check<number> => integer(0, undefined, ` (${what}, 0 = no limit)`)

const CHECKS: Checks<WebSocketConfig> = {
  readBufferSize: size(0),
  writeBufferSize: size(0),
  readTimeout: duration,
  writeTimeout: duration,
  pingInterval: duration,
  pongTimeout: duration,
  closeTimeout: integer(1, undefined, ' (milliseconds)'),
  maxMessageSize: size(1),
  compressionLevel: integer(0, 9, ' (0 = not negotiated)'),
  compressionThreshold: size(0),
  checkOrigin: checkOriginCheck,
  subprotocols: checkSubprotocols,
  sendQueueSize: integer(1, 1_000_000, ' (messages)'),
  slowConsumer: checkSlowConsumer,
  maxConnections: limit('connections'),
  maxConnectionsPerIp: limit('connections'),
  firstMessageTimeout: duration,
  maxLifetime: duration,
  maxFragments: integer(1, undefined, ' (fragments)'),
  maxBufferedChunks: integer(1, undefined, ' (chunks)'),
  maxControlFrames: limit('frames a second'),
  rateLimit: checkRateLimit
}

/**
 * Merges a partial configuration over a complete one. Neither is changed. `undefined` counts as left out.
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION for an unknown key or a value that is not allowed; it names the key.
 */
export function resolveConfig(partial: unknown, base: WebSocketConfig, name: string): WebSocketConfig {
  return validateOptions(partial, name, CHECKS, base)
}

/** True for the name of a key of the configuration. */
export function isConfigKey(key: string): boolean {
  return Object.hasOwn(CHECKS, key)
}

const checkFunction = check<WebSocketConfig['checkOrigin']>(
  (value) => typeof value === 'function',
  'must be a function, such as allowOrigins([...]) or sameOrigin()'
)

function checkOriginCheck(value: unknown, name: string): WebSocketConfig['checkOrigin'] {
  // Both return the function to use. Used themselves, they would refuse every client.
  if (value === sameOrigin) throw invalidOption(name, 'must be what sameOrigin() returns: write sameOrigin()')
  if (value === allowOrigins)
    throw invalidOption(name, 'must be what allowOrigins() returns: write allowOrigins([...])')
  return checkFunction(value, name)
}

/** A token of RFC 9110, 5.6.2, as RFC 6455, 4.1 requires for the name of a subprotocol. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

function checkSubprotocols(value: unknown, name: string): string[] {
  if (!Array.isArray(value)) throw invalidOption(name, 'must be an array of subprotocol names', value)
  for (const subprotocol of value as unknown[]) {
    if (typeof subprotocol !== 'string' || !TOKEN.test(subprotocol))
      throw invalidOption(name, "must hold tokens of letters, digits and !#$%&'*+-.^_`|~", subprotocol)
  }
  if (new Set(value).size !== value.length) throw invalidOption(name, 'must hold each name once')
  return [...(value as string[])]
}

/** Checks and copies a policy for slow consumers. @throws FST_BLAZE_WS_INVALID_OPTION */
export function checkSlowConsumer(value: unknown, name: string): SlowConsumerPolicy {
  if (value === 'disconnect' || value === 'dropNewest' || value === 'dropOldest') return value
  if (!isCoalescePolicy(value)) {
    throw invalidOption(name, "must be 'disconnect', 'dropNewest', 'dropOldest' or { coalesce: (data) => key }", value)
  }
  return { ...value }
}

function isCoalescePolicy(value: unknown): value is Extract<SlowConsumerPolicy, object> {
  if (value === null || typeof value !== 'object' || Object.keys(value).length !== 1) return false
  return typeof (value as { coalesce?: unknown }).coalesce === 'function'
}
