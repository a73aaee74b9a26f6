import { type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { ConnectionEvents } from '../connection/events.ts'
import { errors, type FastifyError } from '../internal/errors.ts'
import type { Scheduler } from '../internal/scheduler.ts'
import { filterUpgrades } from './node-private.ts'
import { OfferedUpgrades } from './offered-upgrades.ts'
import { OtherListeners } from './other-listeners.ts'
import type { PendingUpgrades } from './pending-upgrades.ts'
import { hasSeparateBody, isWebSocketUpgrade, PlainRequests } from './plain-requests.ts'
import type { RouteKind, RouteProbe } from './route-probe.ts'
import { answerUnavailable } from './service-unavailable.ts'
import { StandInSocket } from './stand-in-socket.ts'
import { Upgrade, upgradeOf } from './upgrade.ts'
import { interceptUpgrades, type UpgradeArguments, type UpgradeListener } from './upgrade-event.ts'
import type { WebsocketPlugin } from './websocket-plugin.ts'

type Routing = (request: IncomingMessage, response: ServerResponse) => void

/**
 * Takes every upgrade of a server and passes it to the code that should answer it. Node would pass each upgrade to all
 * listeners of the `upgrade` event, and another listener (a development server, a proxy, another WebSocket library) would
 * write to or close the sockets of our connections. Therefore:
 *
 * - An upgrade to a WebSocket route goes to Fastify. The other listeners see it with a stand-in for its socket.
 * - Any other upgrade goes to the other listeners with its real socket, and to Fastify if none of them answers.
 */
export class UpgradeDispatcher {
  readonly #app: FastifyInstance
  readonly #websocket: WebsocketPlugin
  readonly #pending: PendingUpgrades
  readonly #routes: RouteProbe
  readonly #others: OtherListeners
  readonly #offered: OfferedUpgrades
  readonly #events: ConnectionEvents
  readonly #plainRequests = new PlainRequests()
  readonly #routing: Routing
  readonly #undo: (() => void)[] = []
  /** Stays on the server, because Node emits the event only if there is a listener. */
  readonly #listener: UpgradeListener = (...args) => this.#onBypassed(args)
  /** The kind of route that Fastify has for the upgrade which the other listeners are being offered. */
  #offeredKind: RouteKind | undefined
  #isClosed = false
  #hasWarned = false

  constructor(
    app: FastifyInstance,
    websocket: WebsocketPlugin,
    pending: PendingUpgrades,
    routes: RouteProbe,
    scheduler: Scheduler,
    events: ConnectionEvents
  ) {
    this.#app = app
    this.#websocket = websocket
    this.#pending = pending
    this.#routes = routes
    this.#events = events
    this.#others = new OtherListeners(websocket.server, this.#listener, app.log)
    this.#offered = new OfferedUpgrades(scheduler, (upgrade) => this.#answer(upgrade))
    this.#routing = app.routing.bind(app)
    app.routing = (request, response) => this.#onRoutingCalled(request, response)
    const { server } = websocket
    if (server === undefined)
      this.#warn(
        '@fastify/websocket listens to a server of its own: other listeners of its upgrade event can interfere with WebSocket routes'
      )
    else this.#intercept(server)
  }

  /** Takes an upgrade from `injectWS`. The other listeners do not see it. */
  inject(...args: UpgradeArguments): void {
    this.#passToFastify(new Upgrade(...args))
  }

  /**
   * Answers further upgrades with 503. After `timeout` milliseconds, destroys the connections of the other listeners and of
   * `@fastify/websocket` that are still open.
   */
  close(timeout: number): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#offered.close(timeout)
    this.#websocket.close(timeout)
  }

  /** Removes everything that was put on the server, because another application may use it next. */
  restoreServer(): void {
    for (const undo of this.#undo.splice(0)) undo()
  }

  #intercept(server: Server): void {
    this.#addListener()
    this.#undo.push(
      () => server.removeListener('upgrade', this.#listener),
      filterUpgrades(server, (request) => this.#isUpgrade(request)),
      interceptUpgrades(server, (...args) => this.#dispatch(args))
    )
  }

  /** Adds our listener again if the application has removed all listeners of the event. */
  #addListener(): void {
    const { server } = this.#websocket
    if (server?.listenerCount('upgrade', this.#listener) === 0) server.on('upgrade', this.#listener)
  }

  /** Called for each request with an `Upgrade` header. */
  #isUpgrade(request: IncomingMessage): boolean {
    this.#addListener()
    return this.#plainRequests.isUpgrade(request, !this.#others.isEmpty)
  }

  /** Throws nothing: an error in the server's event would end the process. */
  #dispatch(args: UpgradeArguments): void {
    const upgrade = new Upgrade(...args)
    try {
      if (this.#others.isEmpty) this.#answer(upgrade)
      else if (!isWebSocketUpgrade(upgrade.request)) this.#offer(upgrade, 'none')
      else this.#findRoute(upgrade, (kind) => this.#dispatchTo(kind, upgrade))
    } catch (error) {
      this.#destroyAfterError(upgrade, error)
    }
  }

  /** Finds the kind of route that the upgrade is for. During an asynchronous lookup the upgrade counts as pending. */
  #findRoute(upgrade: Upgrade, onFound: (kind: RouteKind) => void): void {
    let isFound = false
    this.#routes.find(upgrade.request, (kind) => {
      isFound = true
      this.#pending.delete(upgrade)
      // The client may have left, or may have been refused, in the meantime.
      if (upgrade.stream.writable) onFound(kind)
    })
    if (isFound) return
    if (this.#pending.add(upgrade)) this.#pending.watch(upgrade, false)
    else this.#refuse(upgrade, new errors.TOO_MANY_UPGRADES())
  }

  #dispatchTo(kind: RouteKind, upgrade: Upgrade): void {
    if (kind !== 'webSocket') return this.#offer(upgrade, kind)
    this.#others.call(upgrade.request, upgrade.standIn, upgrade.head)
    this.#passToFastify(upgrade)
  }

  /** Lets the other listeners answer an upgrade. */
  #offer(upgrade: Upgrade, kind: RouteKind): void {
    // A connection that another listener opened now would delay `app.close()`.
    if (this.#isClosed) return this.#passToFastify(upgrade)
    upgrade.ignoreCurrentListeners()
    this.#offered.add(upgrade)
    this.#offeredKind = kind
    this.#others.call(upgrade.request, upgrade.stream, upgrade.head)
    this.#offeredKind = undefined
    // Listeners that only pass upgrades to Fastify's routes will not answer later.
    if (upgrade.isAnswered || this.#others.hasOnlyRouting) this.#offered.stopWaiting(upgrade)
  }

  /** `app.routing` was called: for an ordinary request, or by a listener that passes an upgrade to Fastify's routes. */
  #onRoutingCalled(request: IncomingMessage, response: ServerResponse): void {
    const stream = response.socket as Duplex | null | undefined
    const upgrade = upgradeOf(request)
    if (stream instanceof StandInSocket) return
    if (stream === null || stream === undefined) {
      // Adapters pass on ordinary requests with a response that has no socket. An upgrade could not be answered this way.
      if (upgrade === undefined) this.#routing(request, response)
      return
    }
    if (upgrade === undefined) return this.#routeUnknown(request, response, stream)
    if (!this.#others.isRunning) return this.#routing(request, response)
    const isWebsocketPlugin = this.#websocket.isRegisteredByApp && this.#websocket.hasMarked(request, stream)
    this.#others.recordRouting(isWebsocketPlugin)
    if (!isWebsocketPlugin && this.#offeredKind !== 'none') return this.#route(upgrade, response)
    // Fastify gets the upgrade later, if no other listener answers it.
    this.#websocket.unmark(request)
    response.detachSocket(stream as Socket)
    upgrade.ignoreCurrentListeners()
  }

  /** Routes an ordinary request, or an upgrade that `@fastify/websocket` took from a server that we do not know. */
  #routeUnknown(request: IncomingMessage, response: ServerResponse, stream: Duplex): void {
    const args = this.#websocket.argumentsOf(request, stream)
    if (args === undefined) return this.#routing(request, response)
    const upgrade = new Upgrade(...args)
    response.detachSocket(stream as Socket)
    this.#passToFastify(upgrade)
  }

  /** Our listener was called past `#dispatch`, because `server.emit` was replaced. The other listeners were called as well. */
  #onBypassed(args: UpgradeArguments): void {
    const upgrade = new Upgrade(...args)
    this.#warn(
      'server.emit was replaced after fastify-blaze-ws was registered: other listeners of the upgrade event can interfere with WebSocket routes'
    )
    try {
      this.#findRoute(upgrade, (kind) =>
        kind === 'webSocket' || this.#others.isEmpty ? this.#passToFastify(upgrade) : this.#offered.add(upgrade)
      )
    } catch (error) {
      this.#destroyAfterError(upgrade, error)
    }
  }

  /** Has the upgrade answered as if there were no other listeners. */
  #answer(upgrade: Upgrade): void {
    const { server } = this.#websocket
    if (server === undefined || isWebSocketUpgrade(upgrade.request) || hasSeparateBody(upgrade))
      this.#passToFastify(upgrade)
    else this.#plainRequests.replay(upgrade, server)
  }

  #passToFastify(upgrade: Upgrade): void {
    if (this.#isClosed) return this.#refuse(upgrade, new errors.SHUTTING_DOWN())
    const response = new ServerResponse(upgrade.request)
    response.shouldKeepAlive = false
    try {
      response.assignSocket(upgrade.stream as Socket)
    } catch {
      // An earlier request on this socket is not answered yet, and a socket takes one response at a time.
      upgrade.stream.destroy()
      return
    }
    // Fastify must see a plain request if the body has to be read.
    if (hasSeparateBody(upgrade)) upgrade.finish()
    else this.#websocket.mark(upgrade)
    this.#route(upgrade, response)
  }

  #route(upgrade: Upgrade, response: ServerResponse): void {
    this.#offered.delete(upgrade)
    // The client may have left while the route was looked up. No hook should run then.
    if (upgrade.stream.destroyed) return upgrade.finish()
    if (!this.#pending.add(upgrade)) {
      response.detachSocket(upgrade.stream as Socket)
      return this.#refuse(upgrade, new errors.TOO_MANY_UPGRADES())
    }
    try {
      this.#routing(upgrade.request, response)
    } catch (error) {
      return this.#destroyAfterError(upgrade, error)
    }
    if (!upgrade.isComplete) return this.#awaitAnswer(upgrade, response)
    this.#pending.delete(upgrade)
    upgrade.finish()
  }

  /** Hooks are still running, or they have answered with a status. */
  #awaitAnswer(upgrade: Upgrade, response: ServerResponse): void {
    if (response.writableEnded) this.#pending.delete(upgrade)
    else this.#pending.watch(upgrade, !hasSeparateBody(upgrade))
    response.on('prefinish', () => this.#pending.delete(upgrade))
    // Fastify runs no hook for some of its own answers, such as that to a malformed URL, so no hook could close the socket.
    response.on('finish', () => {
      this.#onRefused(upgrade, response.statusCode)
      upgrade.stream.destroy()
      upgrade.finish()
    })
  }

  #refuse(upgrade: Upgrade, error: FastifyError): void {
    answerUnavailable(upgrade, error)
    this.#onRefused(upgrade, 503)
  }

  #onRefused({ request, route }: Upgrade, status: number): void {
    this.#events.onRefused?.(request, status, route)
  }

  #destroyAfterError(upgrade: Upgrade, error: unknown): void {
    this.#app.log.error({ err: error }, 'an upgrade failed')
    upgrade.stream.destroy()
  }

  #warn(message: string): void {
    if (this.#hasWarned) return
    this.#hasWarned = true
    this.#app.log.warn(message)
  }
}
