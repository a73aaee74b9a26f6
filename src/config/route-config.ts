import type { FastifyRequest } from 'fastify'
import { invalidOption } from '../internal/errors.ts'
import { isToken } from '../internal/token.ts'
import { checkRateLimit, type RateLimit } from './rate-limit.ts'
import { type Check, check, type Checks, duration, integer, validateOptions } from '../internal/validate.ts'
import { allowAllOrigins, allowOrigins, sameOrigin } from './origin.ts'

/** What the hub does with a slow consumer: a client whose send queue is full. */
export type SlowConsumerPolicy =
  /** Drop the waiting messages, remove the connection from the hub and close it with 1013. */
  | 'disconnect'
  /** Drop the new message. */
  | 'dropNewest'
  /** Drop the oldest waiting message. */
  | 'dropOldest'
  /**
   * Send it what was published once it has taken what waits, and drop broadcasts until then. Nothing that was published is lost. If the
   * hub has no history, this is 'disconnect'.
   */
  | 'catchUp'
  /** Keep only the newest waiting message of each key. If all keys differ, drop the oldest message. */
  | { coalesce: (data: string | Uint8Array) => unknown }

/** The configuration of a WebSocket route. Times are in milliseconds, sizes in bytes, and all numbers are integers. */
export interface WebSocketConfig {
  /** If more bytes than this are unread, the socket is paused until the handler has read them. @default 4096 */
  readBufferSize: number
  /** `write*` waits while more bytes than this are unsent. @default 4096 */
  writeBufferSize: number
  /** The connection is closed with 1008 if no complete message, ping or pong arrives for this long. 0 = never. @default 60000 */
  readTimeout: number
  /** The connection is ended if a write is not flushed within this time. 0 = never. @default 10000 */
  writeTimeout: number
  /** The time between automatic pings. 0 = no pings. @default 30000 */
  pingInterval: number
  /** The connection is ended if a ping is not answered within this time. 0 = never. @default 60000 */
  pongTimeout: number
  /**
   * How long each side of a closing handshake may take. The handler has this long to answer the messages that came before the
   * client's close frame; then our close frame is sent. The client has this long to answer our close frame; then the connection
   * is ended. At least 1. @default 5000
   */
  closeTimeout: number
  /** A larger message closes the connection with 1009. The size is that after decompression. At least 1. @default 1048576 */
  maxMessageSize: number
  /** The level of permessage-deflate (RFC 7692), 1 to 9. 0 = not negotiated. @default 6 */
  compressionLevel: number
  /** Smaller messages are sent uncompressed. @default 1024 */
  compressionThreshold: number
  /** Returns whether the client may connect. Any result but true refuses it with 403. @default allows all origins */
  checkOrigin: (request: FastifyRequest) => boolean | Promise<boolean>
  /** The subprotocols of the route, the preferred ones first (RFC 6455, 1.9). @default [] */
  subprotocols: string[]
  /**
   * How many messages of `writeAsync` and the hub may wait in the send queue of a connection, 1 to 1000000. A message waits only
   * if the socket does not take it at once. The whole queue may hold 16 KiB for each place, and at least 4 MiB. @default 256
   */
  sendQueueSize: number
  /** What the hub does if the send queue is full. @default 'disconnect'; 'catchUp' on contract routes if the hub has a history */
  slowConsumer: SlowConsumerPolicy
  /** How many connections of the route may be open. Further clients get 503. 0 = no limit. @default 0 */
  maxConnections: number
  /**
   * How many connections of the route may be open from one IPv4 address or one IPv6 /64 network. Further clients get 429. Behind
   * a proxy, set `trustProxy`. 0 = no limit. @default 0
   */
  maxConnectionsPerIp: number
  /** The connection is closed with 1008 if the first message has not arrived after this time. 0 = never. @default 0 */
  firstMessageTimeout: number
  /** The connection is closed with 1001 after this time. 0 = never. @default 0 */
  maxLifetime: number
  /** A message in more fragments (RFC 6455, 5.4) closes the connection with 1008. At least 1. @default 1024 */
  maxFragments: number
  /** A frame that arrives in more chunks (network packets) closes the connection with 1008. At least 1. @default 4096 */
  maxBufferedChunks: number
  /** More pings and pongs per second close the connection with 1008. 0 = no limit. @default 500 */
  maxControlFrames: number
  /** How many messages a client may send. false = no limit. @default false */
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

/** Returns a new object with the default value of every option. */
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
  checkOrigin: checkOriginFunction,
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
 * Checks a partial configuration and fills in what it leaves out from `base`.
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION for an unknown option or a value that is not allowed.
 */
export function resolveConfig(partial: unknown, base: WebSocketConfig, name: string): WebSocketConfig {
  const config = validateOptions(partial, name, CHECKS, base)
  const isChosen = (partial as Partial<WebSocketConfig> | undefined)?.slowConsumer !== undefined
  return isChosen ? Object.assign(config, { [CHOSEN_POLICY]: true }) : config
}

/** Marks a configuration whose `slowConsumer` is not the default. A copy of the configuration has the mark, too. */
const CHOSEN_POLICY = Symbol('chosen policy')

/** True if the application has chosen the `slowConsumer` of this configuration. */
export function hasChosenPolicy(config: WebSocketConfig): boolean {
  return CHOSEN_POLICY in config
}

/** True if `WebSocketConfig` has an option with this name. */
export function isConfigKey(key: string): boolean {
  return Object.hasOwn(CHECKS, key)
}

const checkFunction = check<WebSocketConfig['checkOrigin']>(
  (value) => typeof value === 'function',
  'must be a function, such as allowOrigins([...]) or sameOrigin()'
)

function checkOriginFunction(value: unknown, name: string): WebSocketConfig['checkOrigin'] {
  // Both return the function to use. Used themselves, they would refuse every client.
  if (value === sameOrigin) throw invalidOption(name, 'must be what sameOrigin() returns: write sameOrigin()')
  if (value === allowOrigins)
    throw invalidOption(name, 'must be what allowOrigins() returns: write allowOrigins([...])')
  return checkFunction(value, name)
}

/** The name of a subprotocol is a token (RFC 6455, 4.1). */
function checkSubprotocols(value: unknown, name: string): string[] {
  if (!Array.isArray(value)) throw invalidOption(name, 'must be an array of subprotocol names', value)
  for (const subprotocol of value as unknown[]) {
    if (typeof subprotocol !== 'string' || !isToken(subprotocol))
      throw invalidOption(name, "must hold tokens of letters, digits and !#$%&'*+-.^_`|~", subprotocol)
  }
  if (new Set(value).size !== value.length) throw invalidOption(name, 'must hold each name once')
  return [...(value as string[])]
}

const POLICIES = ['disconnect', 'dropNewest', 'dropOldest', 'catchUp'] as const

/** Checks and copies a policy for slow consumers. @throws FST_BLAZE_WS_INVALID_OPTION */
export function checkSlowConsumer(value: unknown, name: string): SlowConsumerPolicy {
  const named = POLICIES.find((policy) => policy === value)
  if (named !== undefined) return named
  if (!isCoalescePolicy(value)) {
    const names = POLICIES.map((policy) => `'${policy}'`).join(', ')
    throw invalidOption(name, `must be ${names} or { coalesce: (data) => key }`, value)
  }
  return { ...value }
}

function isCoalescePolicy(value: unknown): value is Extract<SlowConsumerPolicy, object> {
  if (value === null || typeof value !== 'object' || Object.keys(value).length !== 1) return false
  return typeof (value as { coalesce?: unknown }).coalesce === 'function'
}
