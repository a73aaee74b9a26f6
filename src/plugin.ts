import type { FastifyInstance, FastifyRequest } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { type AsyncApiDocument, asyncApiDocument, type AsyncApiInfo } from './asyncapi/document.ts'
import { OriginLog } from './config/origin-log.ts'
import { resolveConfig, type WebSocketConfig } from './config/route-config.ts'
import { logClose } from './connection/close-log.ts'
import { ConnectionEvents } from './connection/events.ts'
import { Health, type WebSocketHealth } from './health/health.ts'
import { WebSocketHub } from './hub/hub.ts'
import { shared } from './internal/package-copies.ts'
import { ContractRoutes } from './contract-route/contract-route.ts'
import type { WebSocketWithContractMethod } from './contract-route/types.ts'
import { errors } from './internal/errors.ts'
import { hookPatience, withTimeout } from './internal/promises.ts'
import { Scheduler } from './internal/scheduler.ts'
import { keepAliveBriefly } from './plugin/brief-keep-alive.ts'
import { openConnections } from './plugin/open-connections.ts'
import { onCloseCalled } from './plugin/on-close-called.ts'
import { channelObserver } from './observe/channel-observer.ts'
import { ServerStats, type WebSocketStats } from './observe/stats.ts'
import { type BlazeWsOptions, resolveOptions } from './plugin/plugin-options.ts'
import { Routes } from './route.ts'
import { endpointOf, RefusingEndpoint } from './route/route-endpoint.ts'
import { InstanceHooks } from './route/instance-hooks.ts'
import { warnAboutOpenRoutes } from './route/origin-warning.ts'
import type { WebSocketMethod, WebSocketWithConfigMethod } from './route/types.ts'
import { Shutdown } from './shutdown/shutdown.ts'
import { UpgradeDispatcher } from './upgrade/dispatcher.ts'
import { Handshakes } from './upgrade/handshakes.ts'
import { PendingUpgrades } from './upgrade/pending-upgrades.ts'
import { Refusals } from './upgrade/refusals.ts'
import { RouteProbe } from './upgrade/route-probe.ts'
import { WebsocketPlugin } from './upgrade/websocket-plugin.ts'

/** How long a server waits for its cluster before it listens, in milliseconds. A short `pluginTimeout` makes it less. */
const CLUSTER_TIMEOUT = 2_000
/** Throttled connections are checked every THROTTLE_TIME / 8 milliseconds. */
const THROTTLE_TIME = 160

/** The servers that have the plugin. A second registration, also in another context, would handle each upgrade twice. */
const registered = shared('servers', () => new WeakSet<object>())

async function blazeWs(app: FastifyInstance, options: BlazeWsOptions): Promise<void> {
  if (registered.has(app.server)) throw new errors.ALREADY_REGISTERED()
  const { config, websocket, ...resolved } = resolveOptions(app, options)
  const hub = new WebSocketHub({ logger: app.log, ...resolved.hub }, app.server)
  const stats = new ServerStats()
  const events = new ConnectionEvents().add({ onClosed: logClose }).add(stats).add(channelObserver)
  const schedulers = { deadlines: new Scheduler(), throttle: new Scheduler() }
  schedulers.throttle.ensurePrecisionFor(THROTTLE_TIME)
  const shutdown = new Shutdown(resolved.shutdown, events, schedulers.throttle)
  registered.add(app.server)
  openConnections.set(app.server, shutdown.open)

  // From the server's `upgrade` event to the route and its hooks.
  const pending = new PendingUpgrades(resolved.maxPendingUpgrades)
  const websocketPlugin = await WebsocketPlugin.register(app, websocket, (...args) => dispatcher.inject(...args))
  const probe = new RouteProbe(app, websocketPlugin.isRegisteredByApp)
  const dispatcher = new UpgradeDispatcher(app, websocketPlugin, pending, probe, schedulers.deadlines, events)

  // From the hooks through the handshake to the handler, or to a refusal.
  const services = { shutdown, schedulers, events }
  const handshakes = new Handshakes()
  const refusals = new Refusals((request, reply, upgrade, code, reason) => {
    const routeConfig = endpointOf(request.routeOptions.config)?.config ?? config
    handshakes.complete(new RefusingEndpoint(services, routeConfig, code, reason), request, reply, upgrade)
  })
  const hooks = new InstanceHooks(probe, handshakes, refusals)
  hooks.addTo(app)
  warnAboutOpenRoutes(app)

  const health = new Health(hub, shutdown, pending)
  app.decorate('wsHub', hub)
  app.decorate('wsStats', () => stats.read())
  app.decorate('wsHealth', () => health.report())
  const routes = new Routes(services, hooks)
  decorateRoutes(app, routes, config)
  app.decorateRequest('refuseWebSocket', function (this: FastifyRequest, code?: number, reason?: string) {
    refusals.refuse(this, code, reason)
  })

  // The end: `app.close()` is called, open connections end in `preClose`, and the hub leaves its cluster in `onClose`.
  const beginShutdown = (): void => {
    dispatcher.close(shutdown.timeout)
    handshakes.close()
    shutdown.begin()
    keepAliveBriefly(app.server)
  }
  onCloseCalled(app, beginShutdown)
  let drained = Promise.resolve()
  app.addHook('preClose', async () => {
    beginShutdown()
    drained = Promise.all([shutdown.drain(), pending.drain(shutdown.timeout)]).then(() => hub.closeClients(0))
    // If this takes longer, `onClose` waits for the rest: Fastify does not limit its time.
    await withTimeout(drained, hookPatience(app), () => {}, { isRef: true })
  })
  if (resolved.hub.broker !== undefined)
    app.addHook('onReady', () => waitForCluster(hub, Math.min(CLUSTER_TIMEOUT, hookPatience(app))))
  app.addHook('onReady', async () => health.onReady())
  // Runs after the last request, which may still broadcast to clients of other nodes.
  app.addHook('onClose', async () => {
    await drained
    dispatcher.restoreServer()
    registered.delete(app.server)
    health.onClose()
    await hub.leaveCluster()
  })
}

function decorateRoutes(app: FastifyInstance, routes: Routes, config: WebSocketConfig): void {
  const originLog = new OriginLog()
  app.decorate('webSocket', function (this: FastifyInstance, path: string, ...rest: [unknown, unknown?]) {
    const [handler, routeOptions] = typeof rest[0] === 'function' ? rest : [rest[1], rest[0]]
    routes.add(this, path, handler, originLog.addTo(config), routeOptions)
    return this
  } as FastifyInstance['webSocket'])
  const contractRoutes = new ContractRoutes(routes)
  app.decorate('webSocketWithContract', function (
    this: FastifyInstance,
    path: string,
    contract: unknown,
    ...rest: unknown[]
  ) {
    contractRoutes.add(this, path, contract, rest, originLog.addTo(config))
    return this
  } as FastifyInstance['webSocketWithContract'])
  app.decorate('asyncapi', (info?: AsyncApiInfo) => asyncApiDocument(contractRoutes.added, info))
  app.decorate('webSocketWithConfig', function (
    this: FastifyInstance,
    path: string,
    handler: unknown,
    partial?: unknown,
    routeOptions?: unknown
  ) {
    routes.add(this, path, handler, originLog.addTo(resolveConfig(partial, config, 'config')), routeOptions)
    return this
  } as FastifyInstance['webSocketWithConfig'])
}

/**
 * Waits until the hub gets the messages of other nodes, so that the first clients miss none. It does not wait if the broker's
 * engine is not available, and not longer than `timeout` milliseconds.
 */
async function waitForCluster(hub: WebSocketHub, timeout: number): Promise<void> {
  if (hub.cluster.stats().isDegraded) return
  const degraded = new Promise<void>((resolve) => hub.once('degraded', () => resolve()))
  await withTimeout(Promise.race([hub.cluster.ready(), degraded]), timeout, () => {}, { isRef: true })
}

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * Refuses this upgrade with a close code. Call it in a hook before the upgrade. The handshake is completed and the
     * connection is closed at once. No further hook and no handler runs. A web page sees the code and the reason. If the upgrade
     * is refused with an HTTP status instead, the page sees only 1006.
     *
     * @param code 1000 to 1003, 1007 to 1014 or 3000 to 4999. @default 1008
     * @param reason cut to 123 bytes. @default ''
     * @throws FST_BLAZE_WS_UPGRADE_REQUIRED (426) if the request is not an upgrade.
     * @throws FST_BLAZE_WS_NOT_UPGRADING after the handshake.
     * @throws FST_BLAZE_WS_OUT_OF_RANGE if the code cannot be sent.
     * @throws FST_BLAZE_WS_INVALID_ARGUMENT if the code is not a number or the reason is not a string.
     */
    refuseWebSocket(code?: number, reason?: string): void
  }
  interface FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider> {
    /** The hub of this server. It is shut down with the server. */
    wsHub: WebSocketHub
    /** The numbers of the server's connections, registered with a hub or not: in total and by route. */
    wsStats(): WebSocketStats
    /** How the server is, for probes: whether it takes new clients, and a few numbers. */
    wsHealth(): WebSocketHealth
    /** Adds a WebSocket route with the plugin's configuration. */
    webSocket: WebSocketMethod<
      FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>,
      TypeProvider,
      Logger
    >
    /** Adds a WebSocket route whose messages are those of a contract. */
    webSocketWithContract: WebSocketWithContractMethod<
      FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>,
      TypeProvider,
      Logger
    >
    /** Describes all contract routes of the server in an AsyncAPI 3.0 document. Call it once all routes are added. */
    asyncapi(info?: AsyncApiInfo): AsyncApiDocument
    /** Adds a WebSocket route with its own configuration. Options that it leaves out come from the plugin's configuration. */
    webSocketWithConfig: WebSocketWithConfigMethod<
      FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>,
      TypeProvider,
      Logger
    >
  }
}

/** The Fastify plugin: `await app.register(blazeWs)`, once, on the root instance. */
export default fastifyPlugin(blazeWs, { name: 'fastify-blaze-ws', fastify: '5.x' })
