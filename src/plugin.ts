import websocket, { type WebsocketPluginOptions } from '@fastify/websocket'
import type { ContextConfigDefault, FastifyInstance, RouteGenericInterface } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { defaultWebSocketConfig, entriesOf, resolveConfig, type WebSocketConfig } from './config.ts'
import { CLOSE_TIMEOUT } from './connection/liveness.ts'
import { Watchdog } from './connection/watchdog.ts'
import { errors, invalidOption } from './errors.ts'
import { WebSocketHub } from './hub/hub.ts'
import { type HubOptions, resolveHubOptions } from './hub/options.ts'
import { allowAllOrigins } from './origin.ts'
import { addRoute, type RouteHost, RouteTargets, type WebSocketHandler, type WebSocketRouteOptions } from './route.ts'
import { resolveShutdownOptions, Shutdown, type ShutdownOptions } from './shutdown.ts'
import { Upgrades } from './upgrade.ts'

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
}

const OPTIONS = ['config', 'shutdown', 'hub', 'websocket']

/** Servers that have the plugin: a second registration, also in another context, would handle each upgrade twice. */
const registered = new WeakSet<object>()

async function blazeWs(app: FastifyInstance, options: BlazeWsOptions): Promise<void> {
  if (registered.has(app.server)) throw new errors.ALREADY_REGISTERED()
  const config = resolveOptions(app, options)
  const shutdown = new Shutdown(resolveShutdownOptions(options.shutdown))
  const hub = new WebSocketHub(resolveHubOptions(options.hub))
  registered.add(app.server)

  if (!app.hasDecorator('websocketServer')) await app.register(websocket, options.websocket ?? {})
  const host: RouteHost = { upgrades: new Upgrades(), targets: new RouteTargets(), shutdown, watchdog: new Watchdog() }
  host.upgrades.intercept(app.websocketServer)
  app.addHook('onRoute', (routeOptions) => host.targets.guard(routeOptions, host.upgrades))
  host.watchdog.require(CLOSE_TIMEOUT)
  const origins = new OriginWarning(app)

  app.decorate('wsHub', hub)
  app.decorate('webSocket', function (this: FastifyInstance, path: string, ...rest: [unknown, unknown?]) {
    const [handler, routeOptions] = typeof rest[0] === 'function' ? rest : [rest[1], rest[0]]
    addRoute(this, host, path, handler, origins.note(config), routeOptions)
    return this
  } as FastifyInstance['webSocket'])
  app.decorate('webSocketWithConfig', function (this: FastifyInstance, path: string, handler: unknown, partial?: unknown, routeOptions?: unknown) {
    addRoute(this, host, path, handler, origins.note(resolveConfig(partial, config, 'config')), routeOptions)
    return this
  } as FastifyInstance['webSocketWithConfig'])

  const begin = (): void => {
    host.upgrades.close()
    shutdown.begin()
  }
  onCloseCalled(app, begin)
  app.addHook('preClose', async () => {
    begin()
    await shutdown.drain()
    await hub.shutdown(0)
  })
}

/** Hooks run a little after `app.close()`, and behind those of others, who may take their time: connections know at once. */
function onCloseCalled(app: FastifyInstance, begin: () => void): void {
  const close = app.close.bind(app) as (...args: unknown[]) => unknown
  app.close = ((...args: unknown[]) => {
    begin()
    return close(...args)
  }) as FastifyInstance['close']
}

function resolveOptions(app: FastifyInstance, options: BlazeWsOptions): WebSocketConfig {
  for (const [key] of entriesOf(options, 'options')) {
    // Fastify's own register options come along with ours.
    if (key === 'prefix' || key === 'logLevel' || key === 'logSerializers') continue
    if (!OPTIONS.includes(key)) throw invalidOption(key, `is unknown; allowed are ${OPTIONS.join(', ')}`)
  }
  if (options.websocket !== undefined && app.hasDecorator('websocketServer')) {
    throw invalidOption('websocket', 'has no effect: @fastify/websocket is already registered, give it its options there')
  }
  entriesOf(options.websocket, 'websocket')
  return resolveConfig(options.config, defaultWebSocketConfig(), 'config')
}

/** Says once that a production server has a route that any web page may connect to. */
class OriginWarning {
  #isNeeded = false

  constructor(app: FastifyInstance) {
    app.addHook('onReady', async () => {
      if (!this.#isNeeded || process.env['NODE_ENV'] !== 'production') return
      app.log.warn('a WebSocket route allows all origins: any web page can connect with the cookies of its visitor; set checkOrigin')
    })
  }

  note(config: WebSocketConfig): WebSocketConfig {
    if (config.checkOrigin === allowAllOrigins) this.#isNeeded = true
    return config
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The hub of this server; it is shut down with it. */
    wsHub: WebSocketHub
    /** Adds a WebSocket route with the plugin's configuration. */
    webSocket<Route extends RouteGenericInterface = RouteGenericInterface, Config = ContextConfigDefault>(
      path: string,
      handler: WebSocketHandler<Route>,
      options?: WebSocketRouteOptions<Route, Config>
    ): this
    webSocket<Route extends RouteGenericInterface = RouteGenericInterface, Config = ContextConfigDefault>(
      path: string,
      options: WebSocketRouteOptions<Route, Config>,
      handler: WebSocketHandler<Route>
    ): this
    /** Adds a WebSocket route with a configuration of its own; what it leaves out comes from the plugin's. */
    webSocketWithConfig<Route extends RouteGenericInterface = RouteGenericInterface, Config = ContextConfigDefault>(
      path: string,
      handler: WebSocketHandler<Route>,
      config?: Partial<WebSocketConfig>,
      options?: WebSocketRouteOptions<Route, Config>
    ): this
  }
}

/** The Fastify plugin: `await app.register(blazeWs)`, once, on the root instance. */
export default fastifyPlugin(blazeWs, { name: 'fastify-blaze-ws', fastify: '5.x' })
