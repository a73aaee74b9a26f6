import type { Broker } from '../brokers/broker.ts'
import { isBroker } from '../brokers/ownership.ts'
import type { HubLogger } from './hub-cluster.ts'
import { checkSlowConsumer, type SlowConsumerPolicy } from '../config/route-config.ts'
import { checkHubName } from '../cluster/hub-name.ts'
import { check, type Checks, integer, objectWith, validateOptions } from '../internal/validate.ts'

/** The options of a hub. */
export interface HubOptions {
  /** What this hub does for a full send queue, whatever the connection's route says. @default that of the route */
  slowConsumer?: SlowConsumerPolicy | undefined
  /** Joins this hub to those of other nodes. @default none: the hub is alone */
  broker?: Broker | undefined
  /** How long the other nodes believe in one that they hear nothing of, in milliseconds, 500 at least. @default 5000 */
  lease?: number | undefined
  /**
   * Part of the names of this hub's channels, so that hubs over one engine do not hear each other: 1 to 32 letters, digits, dots,
   * dashes and underscores. Required for a hub of your own with a broker; the nodes of one cluster give it the same name.
   * @default none: the hub of the server
   */
  name?: string | undefined
  /**
   * The server that this hub ends with: when it has closed, the hub takes leave of the other nodes and gives its broker back. Pass
   * it before the server is ready. @default none: call `shutdown`
   */
  app?: HubOwner | undefined
  /**
   * Where a hub with a broker says that the engine is away or back, and what it ignores. @default that of the server or of `app`;
   * none for other hubs
   */
  logger?: HubLogger | undefined
}

/** The part of a Fastify instance that a hub needs of its owner. */
export interface HubOwner {
  readonly log: HubLogger
  addHook(name: 'onClose', hook: () => Promise<void>): unknown
}

const LEASE = 5_000
const CHECKS: Checks<HubOptions> = {
  slowConsumer: checkSlowConsumer,
  broker: check(isBroker, 'must be a Broker, as redisBroker({ client }) makes one'),
  lease: integer(500, 3_600_000, ' (milliseconds)'),
  logger: objectWith(['error', 'info', 'warn'], 'must be a logger, with the methods error, info, warn'),
  name: checkHubName,
  app: objectWith(
    ['addHook', 'decorate', 'listen'],
    'must be a Fastify instance, with the methods addHook, decorate, listen'
  )
}

/** Checks and copies a hub's options. @throws FST_BLAZE_WS_INVALID_OPTION */
export function resolveHubOptions(options: unknown, name = 'hub'): HubOptions & { lease: number } {
  return validateOptions(options, name, CHECKS, { lease: LEASE })
}
