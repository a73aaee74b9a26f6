import type { Broker } from '../brokers/broker.ts'
import { isBroker } from '../brokers/ownership.ts'
import type { HubLogger } from './hub-cluster.ts'
import { checkSlowConsumer, type SlowConsumerPolicy } from '../config/route-config.ts'
import { checkHubName } from '../cluster/hub-name.ts'
import { type HistoryOptions, type ResolvedHistoryOptions, resolveHistoryOptions } from '../history/options.ts'
import { check, type Checks, integer, objectWith, validateOptions } from '../internal/validate.ts'

/** The options of a hub. */
export interface HubOptions {
  /** What the hub does with a client whose send queue is full. @default the policy of the client's route */
  slowConsumer?: SlowConsumerPolicy | undefined
  /** Connects this hub to those of other nodes. @default none: the hub is alone */
  broker?: Broker | undefined
  /** The other nodes forget a node after not hearing from it for this long, in milliseconds, 500 to 3600000. @default 5000 */
  lease?: number | undefined
  /**
   * Part of the names of the hub's channels: 1 to 32 letters, digits, dots, dashes and underscores. Hubs with different names can
   * share an engine and do not get each other's messages. All nodes of a cluster use the same name. It is required for a hub of
   * your own with a broker. @default none: the hub of the server
   */
  name?: string | undefined
  /** What the hub keeps of published messages, for clients that come back. */
  history?: HistoryOptions | undefined
  /**
   * A Fastify instance: when it closes, the hub shuts down, leaves its cluster and releases its broker. Pass an instance that is
   * not ready yet. @default none: call `shutdown` yourself
   */
  app?: HubOwner | undefined
  /**
   * Logs that the engine cannot be reached or can be reached again, and which messages of other nodes are ignored.
   * @default the logger of the server or of `app`; none for other hubs
   */
  logger?: HubLogger | undefined
}

/** The part of a Fastify instance that a hub uses to shut down with it. */
export interface HubOwner {
  readonly log: HubLogger
  readonly server?: object
  addHook(name: 'onClose', hook: () => Promise<void>): unknown
}

const CHECKS: Checks<Omit<HubOptions, 'history'> & { history?: ResolvedHistoryOptions }> = {
  slowConsumer: checkSlowConsumer,
  broker: check(isBroker, 'must be a Broker, as redisBroker({ client }) makes one'),
  lease: integer(500, 3_600_000, ' (milliseconds)'),
  logger: objectWith(['error', 'info', 'warn'], 'must be a logger, with the methods error, info, warn'),
  name: checkHubName,
  app: objectWith(
    ['addHook', 'decorate', 'listen'],
    'must be a Fastify instance, with the methods addHook, decorate, listen'
  ),
  history: resolveHistoryOptions
}

/** Checks the options of a hub that is made later. @throws FST_BLAZE_WS_INVALID_OPTION */
export function checkHubOptions(options: unknown, name: string): HubOptions {
  resolveHubOptions(options, name)
  return { ...(options as HubOptions) }
}

export type ResolvedHubOptions = Omit<HubOptions, 'history'> & { lease: number; history: ResolvedHistoryOptions }

/** Checks the options of a hub and fills in what they leave out. @throws FST_BLAZE_WS_INVALID_OPTION */
export function resolveHubOptions(options: unknown, name = 'hub'): ResolvedHubOptions {
  const defaults = { lease: 5_000, history: resolveHistoryOptions(undefined, `${name}.history`) }
  return validateOptions(options, name, CHECKS, defaults)
}
