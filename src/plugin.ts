import type { WebsocketPluginOptions } from '@fastify/websocket'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { defaultWebSocketConfig, resolveConfig, type WebSocketConfig } from './config/route-config.ts'
import { Scheduler } from './internal/scheduler.ts'
import { shared } from './internal/copies.ts'
import { errors, invalidOption } from './internal/errors.ts'
import { WebSocketHub } from './hub/hub.ts'
import { type HubOptions, resolveHubOptions } from './hub/options.ts'
import { entriesOf, integer } from './internal/validate.ts'
import { allowAllOrigins, loggingRefusals } from './config/origin.ts'
import { withTimeout, hookPatience } from './internal/promises.ts'
import {
  addRoute,
  RefusedTarget,
  RouteGuards,
  type RouteHost,
  targetOf,
  type WebSocketMethod,
  type WebSocketWithConfigMethod
} from './route.ts'
import { resolveShutdownOptions, Shutdown, type ShutdownOptions } from './shutdown.ts'
import { UpgradeDispatcher } from './upgrade/dispatcher.ts'
import { Handshakes } from './upgrade/handshakes.ts'
import { PendingUpgrades } from './upgrade/pending-upgrades.ts'
import { Refusals } from './upgrade/refusals.ts'
import { RouteProbe } from './upgrade/route-probe.ts'
import { checkWebsocketOptions, WebsocketPlugin } from './upgrade/websocket-plugin.ts'

/** The options of the plugin, all optional. */
export interface BlazeWsOptions {
  /** What routes that say nothing else get; what it leaves out comes from `defaultWebSocketConfig()`. */
  config?: Partial<WebSocketConfig>
  /** What `app.close()` does to the connections. */
  shutdown?: ShutdownOptions
  /** The options of `app.wsHub`. */
  hub?: HubOptions
  /** Options for `@fastify/websocket`, which serves `{ websocket: true }` routes; not where it is already registered. */
  websocket?: WebsocketPluginOptions
  /** How many upgrades may wait for their hooks; further ones get 503 before any hook runs. @default 1024 */
  maxPendingUpgrades?: number
}

const OPTIONS = ['config', 'shutdown', 'hub', 'websocket', 'maxPendingUpgrades']
const MAX_PENDING_UPGRADES = 1024
/** How long a server waits for its cluster before it listens, in milliseconds; less where its `pluginTimeout` is shorter. */
const CLUSTER_PATIENCE = 2_000
const checkPendingUpgrades = integer(1, undefined, ' (upgrades)')
/** Who waits for tokens is looked after eight times in this, in milliseconds. */
const THROTTLE_TIME = 160

/** Servers that have the plugin: a second registration, also in another context, would handle each upgrade twice. */
const registered = shared('servers', () => new WeakSet<object>())

async function blazeWs(app: FastifyInstance, options: BlazeWsOptions): Promise<void> {
  if (registered.has(app.server)) throw new errors.ALREADY_REGISTERED()
  const config = resolveOptions(app, options)
  const shutdown = new Shutdown(resolveShutdownOptions(options.shutdown))
  const hub = new WebSocketHub({ logger: app.log, ...resolveHubOptions(options.hub) }, true)
  registered.add(app.server)

  const clocks = { deadlines: new Scheduler(), throttle: new Scheduler() }
  clocks.throttle.require(THROTTLE_TIME)
  const pending = new PendingUpgrades(options.maxPendingUpgrades ?? MAX_PENDING_UPGRADES)
  const websocketPlugin = await WebsocketPlugin.register(app, options.websocket, (...args) =>
    dispatcher.inject(...args)
  )
  const routes = new RouteProbe(app, websocketPlugin.isShared)
  const dispatcher = new UpgradeDispatcher(app, websocketPlugin, pending, routes, clocks.deadlines)
  const handshakes = new Handshakes()
  const refusals = new Refusals((request, reply, upgrade, code, reason) => {
    const target = new RefusedTarget(host, targetOf(request.routeOptions.config)?.config ?? config, code, reason)
    handshakes.complete(target, request, reply, upgrade)
  })
  const hooks = new PluginHooks(routes, new RouteGuards(handshakes), refusals)
  const host: RouteHost = { shutdown, clocks, reach: (instance) => hooks.reach(instance) }
  hooks.reach(app)
  app.decorateRequest('refuseWebSocket', function (this: FastifyRequest, code?: number, reason?: string) {
    refusals.refuse(this, code, reason)
  })
  const origins = new OriginWarning(app)

  app.decorate('wsHub', hub)
  app.decorate('webSocket', function (this: FastifyInstance, path: string, ...rest: [unknown, unknown?]) {
    const [handler, routeOptions] = typeof rest[0] === 'function' ? rest : [rest[1], rest[0]]
    addRoute(this, host, path, handler, origins.note(config), routeOptions)
    return this
  } as FastifyInstance['webSocket'])
  app.decorate('webSocketWithConfig', function (
    this: FastifyInstance,
    path: string,
    handler: unknown,
    partial?: unknown,
    routeOptions?: unknown
  ) {
    addRoute(this, host, path, handler, origins.note(resolveConfig(partial, config, 'config')), routeOptions)
    return this
  } as FastifyInstance['webSocketWithConfig'])

  const begin = (): void => {
    dispatcher.close(shutdown.timeout)
    handshakes.close()
    shutdown.begin()
  }
  onCloseCalled(app, begin)
  let drained = Promise.resolve()
  app.addHook('preClose', async () => {
    begin()
    drained = Promise.all([shutdown.drain(), pending.drain(shutdown.timeout)]).then(() => hub.closeClients(0))
    // What takes longer is waited for in onClose, which Fastify gives all the time it needs.
    await withTimeout(hookPatience(app), drained)
  })
  if (options.hub?.broker !== undefined) {
    // Who connects first is to miss nothing, and a server without its engine starts all the same.
    app.addHook('onReady', () => joined(hub, Math.min(CLUSTER_PATIENCE, hookPatience(app))))
  }
  // Behind the last request, which may still have something to say to the clients of other nodes.
  app.addHook('onClose', async () => {
    await drained
    dispatcher.release()
    registered.delete(app.server)
    await hub.leaveCluster()
  })
}

/** The hooks of the plugin, in every instance that has routes of ours. */
class PluginHooks {
  readonly #routes: RouteProbe
  readonly #guards: RouteGuards
  readonly #refusals: Refusals
  readonly #reached = new WeakSet<FastifyInstance>()

  constructor(routes: RouteProbe, guards: RouteGuards, refusals: Refusals) {
    this.#routes = routes
    this.#guards = guards
    this.#refusals = refusals
  }

  /** An instance inherits the hooks that were there when it was made: one that is older than the plugin gets them now. */
  reach(instance: FastifyInstance): void {
    if (this.#reached.has(instance)) return
    this.#reached.add(instance)
    instance.addHook('onRegister', (child) => void this.#reached.add(child))
    instance.addHook('onRoute', (options) => {
      this.#routes.mark(
        options,
        options.websocket === true || options.wsHandler !== undefined || targetOf(options.config) !== undefined
      )
      this.#guards.guard(options)
    })
    instance.addHook('onRequest', (request, reply, done) => {
      this.#refusals.ready(request, reply)
      done()
    })
  }
}

/** Hooks run a little after `app.close()`, and behind those of others, who may take their time: connections know at once. */
function onCloseCalled(app: FastifyInstance, begin: () => void): void {
  const close = app.close.bind(app) as (...args: unknown[]) => unknown
  app.close = ((...args: unknown[]) => {
    begin()
    return close(...args)
  }) as FastifyInstance['close']
}

/** Waits until a hub is told what other nodes say, but not for an engine that is away, and not longer than `patience` milliseconds. */
async function joined(hub: WebSocketHub, patience: number): Promise<void> {
  if (hub.cluster.stats().isDegraded) return
  const isAway = new Promise<void>((resolve) => hub.once('degraded', () => resolve()))
  await withTimeout(patience, Promise.race([hub.cluster.ready(), isAway]))
}

function resolveOptions(app: FastifyInstance, options: BlazeWsOptions): WebSocketConfig {
  for (const [key, value] of entriesOf(options, 'options')) {
    // Fastify's own register options come along with ours.
    if (key === 'prefix' || key === 'logLevel' || key === 'logSerializers') continue
    if (key === 'maxPendingUpgrades') checkPendingUpgrades(value, key)
    if (!OPTIONS.includes(key)) throw invalidOption(key, `is unknown; allowed are ${OPTIONS.join(', ')}`)
  }
  if (options.websocket !== undefined && app.hasDecorator('websocketServer')) {
    throw invalidOption(
      'websocket',
      'has no effect: @fastify/websocket is already registered, give it its options there'
    )
  }
  checkWebsocketOptions(options.websocket, 'websocket')
  return resolveConfig(options.config, defaultWebSocketConfig(), 'config')
}

/** How many routes the warning names, and how much of each, in characters. */
const MAX_NAMED = 10
const MAX_NAME = 80

/** Says whom the checks of origins refuse, and once that a production server has routes that any web page may connect to. */
class OriginWarning {
  readonly #open = new Set<string>()
  readonly #logging = new Map<WebSocketConfig, WebSocketConfig>()

  constructor(app: FastifyInstance) {
    app.addHook('onRoute', (route) => {
      if (targetOf(route.config)?.config.checkOrigin === allowAllOrigins) this.#open.add(route.url)
    })
    app.addHook('onReady', async () => {
      if (this.#open.size === 0 || process.env['NODE_ENV'] !== 'production') return
      app.log.warn(
        `WebSocket routes allow all origins: any web page can connect with the cookies of its visitor; set checkOrigin for ${this.#names()}`
      )
    })
  }

  /** The configuration whose check logs its refusals: one for each, because routes with the same one share what they can. */
  note(config: WebSocketConfig): WebSocketConfig {
    if (config.checkOrigin === allowAllOrigins) return config
    const logging = this.#logging.get(config) ?? { ...config, checkOrigin: loggingRefusals(config.checkOrigin) }
    this.#logging.set(config, logging)
    return logging
  }

  #names(): string {
    const names = [...this.#open]
      .slice(0, MAX_NAMED)
      .map((name) => (name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)}…` : name))
    const more = this.#open.size - names.length
    return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ')
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * Refuses this upgrade with a close code: the handshake is completed and the connection closed at once, no further hook
     * and no handler runs. A page sees the code and the reason, where of an HTTP refusal it sees only 1006. For hooks before
     * the upgrade.
     *
     * @param code 1000 to 1003, 1007 to 1014 or 3000 to 4999. @default 1008
     * @param reason cut to the 123 bytes that fit. @default ''
     * @throws FST_BLAZE_WS_UPGRADE_REQUIRED (426) for a request that is no upgrade.
     * @throws FST_BLAZE_WS_NOT_UPGRADING once the handshake is over.
     * @throws TypeError or RangeError where the code cannot be sent.
     */
    refuseWebSocket(code?: number, reason?: string): void
  }
  interface FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider> {
    /** The hub of this server; it is shut down with it. */
    wsHub: WebSocketHub
    /** Adds a WebSocket route with the plugin's configuration. */
    webSocket: WebSocketMethod<
      FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>,
      TypeProvider,
      Logger
    >
    /** Adds a WebSocket route with a configuration of its own; what it leaves out comes from the plugin's. */
    webSocketWithConfig: WebSocketWithConfigMethod<
      FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>,
      TypeProvider,
      Logger
    >
  }
}

/** The Fastify plugin: `await app.register(blazeWs)`, once, on the root instance. */
export default fastifyPlugin(blazeWs, { name: 'fastify-blaze-ws', fastify: '5.x' })
