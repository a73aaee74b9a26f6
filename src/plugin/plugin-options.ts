import type { WebsocketPluginOptions } from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import { defaultWebSocketConfig, resolveConfig, type WebSocketConfig } from '../config/route-config.ts'
import { checkHubOptions, type HubOptions } from '../hub/hub-options.ts'
import { invalidOption } from '../internal/errors.ts'
import { type Checks, integer, validateOptions } from '../internal/validate.ts'
import { resolveShutdownOptions, type ShutdownOptions } from '../shutdown/options.ts'
import { checkWebsocketOptions } from '../upgrade/websocket-plugin.ts'

/** The options of the plugin, all optional. */
export interface BlazeWsOptions {
  /** The configuration of all routes. Routes can override it. @default defaultWebSocketConfig() */
  config?: Partial<WebSocketConfig>
  /** How `app.close()` ends the open connections. */
  shutdown?: ShutdownOptions
  /** The options of `app.wsHub`. */
  hub?: HubOptions
  /** Options for `@fastify/websocket`, which serves `{ websocket: true }` routes. Not allowed if it is already registered. */
  websocket?: WebsocketPluginOptions
  /** How many upgrades may wait for their hooks at once. Further upgrades get 503 before any hook runs. @default 1024 */
  maxPendingUpgrades?: number
}

const CHECKS: Checks<BlazeWsOptions> = {
  config: (value, name) => resolveConfig(value, defaultWebSocketConfig(), name),
  shutdown: resolveShutdownOptions,
  hub: checkHubOptions,
  websocket: checkWebsocketOptions,
  maxPendingUpgrades: integer(1, undefined, ' (upgrades)')
}

/** The options with all defaults filled in. */
export type ResolvedOptions = BlazeWsOptions & ReturnType<typeof defaults>

/** Checks the plugin's options and fills in what they leave out. @throws FST_BLAZE_WS_INVALID_OPTION */
export function resolveOptions(app: FastifyInstance, options: object): ResolvedOptions {
  // Fastify passes its own options of `register` along with ours.
  const {
    prefix: _prefix,
    logLevel: _logLevel,
    logSerializers: _logSerializers,
    ...own
  } = options as Record<string, unknown>
  const resolved = validateOptions(own, '', CHECKS, defaults())
  if (resolved.websocket !== undefined && app.hasDecorator('websocketServer')) {
    throw invalidOption(
      'websocket',
      'has no effect: @fastify/websocket is already registered, give it its options there'
    )
  }
  return resolved
}

function defaults() {
  return {
    config: defaultWebSocketConfig(),
    shutdown: resolveShutdownOptions({}),
    hub: {} as HubOptions,
    maxPendingUpgrades: 1_024
  }
}
