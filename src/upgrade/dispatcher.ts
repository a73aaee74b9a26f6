import { type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { Scheduler } from '../internal/scheduler.ts'
import { errors, type FastifyError } from '../internal/errors.ts'
import { RETRY_AFTER } from './admission.ts'
import { BystanderSocket } from './bystander-socket.ts'
import { ForeignUpgrades } from './foreign-upgrades.ts'
import { decideUpgrades } from './node-private.ts'
import type { PendingUpgrades } from './pending-upgrades.ts'
import { holdsBody, isWebSocketUpgrade, PlainRequests } from './plain-requests.ts'
import type { RouteKind, RouteProbe } from './route-probe.ts'
import { Upgrade, upgradeOf } from './upgrade.ts'
import { interceptUpgrades, type UpgradeArguments, type UpgradeListener } from './upgrade-event.ts'
import type { WebsocketPlugin } from './websocket-plugin.ts'

type Routing = (request: IncomingMessage, response: ServerResponse) => void

/**
 * The owner of a server's upgrades. Node tells every listener of the `upgrade` event of every upgrade, and all that a foreign
 * one (a development server, a proxy, another WebSocket library) can do with ours is harm. So an upgrade to a WebSocket route
 * goes to Fastify, and the other listeners see it with a stand-in for its socket. Any other upgrade goes to the other listeners
 * with its real socket, and to Fastify if none of them answers.
 */
export class UpgradeDispatcher {
  readonly #app: FastifyInstance
  readonly #websocket: WebsocketPlugin
  readonly #pending: PendingUpgrades
  readonly #routes: RouteProbe
  readonly #foreign: ForeignUpgrades
  readonly #routing: Routing
  readonly #undo: (() => void)[] = []
  /** Stays on the server, so that Node emits the event at all. */
  readonly #listener: UpgradeListener = (...args) => this.#bypassed(args)
  /** The listener that is being called. */
  #calling: UpgradeListener | undefined
  /** What Fastify has for the upgrade that is being offered to the other listeners. */
  #offered: RouteKind | undefined
  /** That of `@fastify/websocket`, if the application registered it: known once it was called. */
  #shared: UpgradeListener | undefined
  /** Other listeners that answer upgrades with Fastify's routes, as `@fastify/http-proxy` does. */
  readonly #routers = new WeakSet<UpgradeListener>()
  readonly #plain = new PlainRequests()
  #isClosed = false
  #hasWarned = false

  constructor(
    app: FastifyInstance,
    websocket: WebsocketPlugin,
    pending: PendingUpgrades,
    routes: RouteProbe,
    clock: Scheduler
  ) {
    this.#app = app
    this.#websocket = websocket
    this.#pending = pending
    this.#routes = routes
    this.#foreign = new ForeignUpgrades(clock, (upgrade) => this.#answer(upgrade))
    this.#routing = app.routing.bind(app)
    app.routing = (request, response) => this.#routed(request, response)
    const { server } = websocket
    if (server === undefined)
      this.#warn(
        '@fastify/websocket listens to a server of its own: other listeners of its upgrade event are not kept from ours'
      )
    else this.#takeOver(server)
  }

  /** An upgrade that `injectWS` has made: nobody else is told. */
  inject(...args: UpgradeArguments): void {
    this.#enter(new Upgrade(...args))
  }

  /**
   * From now on upgrades get 503. Connections of the other listeners and of `@fastify/websocket` that are still open after
   * `timeout` milliseconds are dropped.
   */
  close(timeout: number): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#foreign.close(timeout)
    this.#websocket.close(timeout)
  }

  /** Takes off the server what was put on it: another application may use it next. */
  release(): void {
    for (const undo of this.#undo.splice(0)) undo()
  }

  #takeOver(server: Server): void {
    this.#listen()
    this.#undo.push(
      () => server.removeListener('upgrade', this.#listener),
      decideUpgrades(server, (request) => this.#isUpgrade(request)),
      interceptUpgrades(server, (...args) => this.#dispatch(args))
    )
  }

  /** Also if the application has removed all listeners of the event, to get rid of another library's. */
  #listen(): void {
    const { server } = this.#websocket
    if (server?.listenerCount('upgrade', this.#listener) === 0) server.on('upgrade', this.#listener)
  }

  /** Asked of each request with an `Upgrade` header. */
  #isUpgrade(request: IncomingMessage): boolean {
    this.#listen()
    return this.#plain.isUpgrade(request, this.#others().length > 0)
  }

  /** The other listeners of the server. */
  #others(): UpgradeListener[] {
    const listeners = (this.#websocket.server?.rawListeners('upgrade') ?? []) as UpgradeListener[]
    return listeners.filter((listener) => listener !== this.#listener && listener !== this.#shared)
  }

  /** Nothing may be thrown into the server's event: it would end the process. */
  #dispatch(args: UpgradeArguments): void {
    const upgrade = new Upgrade(...args)
    try {
      if (this.#others().length === 0) this.#answer(upgrade)
      else if (!isWebSocketUpgrade(upgrade.request)) this.#offer(upgrade, 'none')
      else this.#ask(upgrade, (kind) => this.#decide(upgrade, kind))
    } catch (error) {
      this.#fail(upgrade, error)
    }
  }

  /** Asks for the route. While the application looks it up asynchronously, the upgrade counts like one whose hooks run. */
  #ask(upgrade: Upgrade, decide: (kind: RouteKind) => void): void {
    let isKnown = false
    this.#routes.ask(upgrade.request, (kind) => {
      isKnown = true
      this.#pending.delete(upgrade)
      // Meanwhile the client may have left, or was refused.
      if (upgrade.socket.writable) decide(kind)
    })
    if (!isKnown && !this.#pending.add(upgrade)) refuse(upgrade, new errors.TOO_MANY_UPGRADES())
  }

  #decide(upgrade: Upgrade, kind: RouteKind): void {
    if (kind !== 'webSocket') return this.#offer(upgrade, kind)
    for (const listener of this.#others()) this.#call(listener, [upgrade.request, upgrade.bystander, upgrade.head])
    this.#enter(upgrade)
  }

  /** Gives an upgrade to the other listeners. */
  #offer(upgrade: Upgrade, kind: RouteKind): void {
    // A connection that another listener opened now would hold up `app.close()`.
    if (this.#isClosed) return this.#enter(upgrade)
    this.#foreign.add(upgrade)
    this.#offered = kind
    for (const listener of this.#others()) this.#call(listener, [upgrade.request, upgrade.socket, upgrade.head])
    this.#offered = undefined
    // Listeners that only route, such as that of `@fastify/websocket`, have nothing more to say.
    if (upgrade.isAnswered || this.#others().every((listener) => this.#routers.has(listener)))
      this.#foreign.settle(upgrade)
  }

  #call(listener: UpgradeListener, args: UpgradeArguments): void {
    const onError = (error: unknown): void =>
      this.#app.log.error({ err: error }, 'a listener of the upgrade event failed')
    this.#calling = listener
    try {
      const result: unknown = Reflect.apply(listener, this.#websocket.server, args)
      if (result instanceof Promise) result.catch(onError)
    } catch (error) {
      onError(error)
    }
    this.#calling = undefined
  }

  /** `app.routing` was called: by a listener that answers upgrades with Fastify's routes. */
  #routed(request: IncomingMessage, response: ServerResponse): void {
    const socket = response.socket as Duplex | null | undefined
    const upgrade = upgradeOf(request)
    if (socket instanceof BystanderSocket) return
    if (socket === null || socket === undefined) {
      // Adapters pass ordinary requests on with responses that have no socket. An upgrade could not be answered.
      if (upgrade === undefined) this.#routing(request, response)
      return
    }
    if (upgrade === undefined) return this.#adopt(request, response, socket)
    if (this.#calling === undefined) return this.#routing(request, response)
    const isShared = this.#websocket.isShared && this.#websocket.hasMarked(request, socket)
    if (isShared) this.#shared = this.#calling
    else this.#routers.add(this.#calling)
    if (!isShared && this.#offered !== 'none') return this.#route(upgrade, response)
    // Its turn comes if no other listener answers.
    this.#websocket.unmark(request)
    response.detachSocket(socket as Socket)
    upgrade.disregardListeners()
  }

  /** An upgrade from a server that we do not know, or an ordinary request. */
  #adopt(request: IncomingMessage, response: ServerResponse, socket: Duplex): void {
    const args = this.#websocket.argumentsOf(request, socket)
    if (args === undefined) return this.#routing(request, response)
    const upgrade = new Upgrade(...args)
    response.detachSocket(socket as Socket)
    this.#enter(upgrade)
  }

  /** The event came to us without our knowing: whoever has replaced `server.emit` has told the other listeners as well. */
  #bypassed(args: UpgradeArguments): void {
    const upgrade = new Upgrade(...args)
    this.#warn(
      'server.emit was replaced after fastify-blaze-ws was registered: other listeners of the upgrade event are not kept from ours'
    )
    try {
      this.#ask(upgrade, (kind) =>
        kind === 'webSocket' || this.#others().length === 0 ? this.#enter(upgrade) : this.#foreign.add(upgrade)
      )
    } catch (error) {
      this.#fail(upgrade, error)
    }
  }

  /** Has Fastify answer, as it would without other listeners. */
  #answer(upgrade: Upgrade): void {
    const { server } = this.#websocket
    if (server === undefined || isWebSocketUpgrade(upgrade.request) || holdsBody(upgrade)) this.#enter(upgrade)
    else this.#plain.replay(upgrade, server)
  }

  #enter(upgrade: Upgrade): void {
    if (this.#isClosed) return refuse(upgrade, new errors.SHUTTING_DOWN())
    const response = new ServerResponse(upgrade.request)
    response.shouldKeepAlive = false
    try {
      response.assignSocket(upgrade.socket as Socket)
    } catch {
      // An earlier request on this socket has no answer yet: there is no place for another one.
      upgrade.socket.destroy()
      return
    }
    // Fastify is to see a plain request.
    if (holdsBody(upgrade)) upgrade.release()
    else this.#websocket.mark(upgrade)
    this.#route(upgrade, response)
  }

  #route(upgrade: Upgrade, response: ServerResponse): void {
    this.#foreign.delete(upgrade)
    // The client has left, perhaps while its route was looked up: there is nobody to run hooks for.
    if (upgrade.socket.destroyed) return upgrade.release()
    if (!this.#pending.add(upgrade)) {
      response.detachSocket(upgrade.socket as Socket)
      return refuse(upgrade, new errors.TOO_MANY_UPGRADES())
    }
    response.on('prefinish', () => this.#pending.delete(upgrade))
    // What Fastify answers on its own, to a malformed URL for instance, runs no hook that could close the socket.
    response.on('finish', () => {
      upgrade.socket.destroy()
      upgrade.release()
    })
    try {
      this.#routing(upgrade.request, response)
    } catch (error) {
      return this.#fail(upgrade, error)
    }
    if (this.#pending.has(upgrade) && !holdsBody(upgrade)) this.#pending.watch(upgrade)
  }

  #fail(upgrade: Upgrade, error: unknown): void {
    this.#app.log.error({ err: error }, 'an upgrade failed')
    upgrade.socket.destroy()
  }

  #warn(message: string): void {
    if (this.#hasWarned) return
    this.#hasWarned = true
    this.#app.log.warn(message)
  }
}

/** Answers with 503, without Fastify: a server that has too much to do, or no time left, runs no hooks for it. */
function refuse({ socket }: Upgrade, error: FastifyError): void {
  const body = JSON.stringify({
    statusCode: 503,
    code: error.code,
    error: 'Service Unavailable',
    message: error.message
  })
  socket.end(
    `HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: ${RETRY_AFTER}\r\n` +
      `Content-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy()
  )
}
