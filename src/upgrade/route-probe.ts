import { type IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { upgradeOf } from './upgrade.ts'

/** The kind of route that Fastify has for an upgrade: a WebSocket route, an ordinary one, or none. */
export type RouteKind = 'webSocket' | 'plain' | 'none'

type Routing = (request: IncomingMessage, response: ServerResponse) => void
type OnRoute = (kind: RouteKind | undefined) => void

/**
 * A probe throws this to leave Fastify as soon as the route is known, before Fastify logs anything or runs a hook. It is not an
 * `Error`: with asynchronous constraints, Fastify would report one to the `frameworkErrors` of the application.
 */
const FOUND = undefined

const probes = new WeakMap<object, OnRoute>()

/**
 * Finds out from Fastify's own router which route an upgrade would reach. No other router knows the application's constraints,
 * its `rewriteUrl`, its router options and its 404 handlers. The probe is a copy of the request that is routed like any other.
 * It is stopped at the first thing that Fastify does for a route: it calls the route's `childLoggerFactory`, which marked routes
 * replace, and then reads the `connection` header. A test fails if a new version of Fastify does something else first.
 */
export class RouteProbe {
  readonly #app: FastifyInstance
  readonly #routing: Routing
  /** True if there may be routes from before this plugin was registered. Those are not marked. */
  readonly #hasOlderRoutes: boolean

  constructor(app: FastifyInstance, hasOlderRoutes: boolean) {
    this.#app = app
    this.#routing = app.routing.bind(app)
    this.#hasOlderRoutes = hasOlderRoutes
  }

  /** Marks a route that is being added, so that a probe recognizes it, and an upgrade knows its route before any hook runs. */
  mark(options: RouteOptions, isWebSocket: boolean): void {
    if (![options.method].flat().includes('GET')) return
    // Ordinary routes need no mark if every unmarked route is an ordinary one.
    if (!isWebSocket && !this.#hasOlderRoutes) return
    const kind = isWebSocket ? 'webSocket' : 'plain'
    const original = options.childLoggerFactory
    options.childLoggerFactory = function (this: FastifyInstance, logger, bindings, childOptions, request) {
      stopProbe(request, kind)
      const upgrade = isWebSocket ? upgradeOf(request) : undefined
      if (upgrade !== undefined) upgrade.route = options.url
      return (original ?? this.childLoggerFactory).call(this, logger, bindings, childOptions, request)
    }
  }

  /** Calls back at once, or later if the application has asynchronous constraints. */
  find(request: IncomingMessage, callback: (kind: RouteKind) => void): void {
    let isFound = false
    const probe = probeOf(request)
    probes.set(probe, (kind) => {
      if (isFound) return
      isFound = true
      callback(kind ?? this.#kindOfUnmarked(probe))
    })
    try {
      this.#routing(probe, new InertResponse(probe, () => probes.get(probe)?.('none')))
    } catch (error) {
      if (error !== FOUND) probes.get(probe)?.('none')
    }
  }

  #kindOfUnmarked({ url, headers }: IncomingMessage): RouteKind {
    const route = this.#app.findRoute({
      method: 'GET',
      url: url ?? '',
      constraints: { host: headers.host, version: headers['accept-version'] }
    } as never)
    if (route === null) return 'none'
    // Nothing more is known about routes from before this plugin was registered. A wildcard is usually a file server.
    return this.#hasOlderRoutes && !('*' in route.params) ? 'webSocket' : 'plain'
  }
}

/** Copies a request, so that Fastify's router and `rewriteUrl` do not change the original. */
function probeOf(request: IncomingMessage): IncomingMessage {
  const probe = Object.create(request, { url: { value: request.url, writable: true } }) as IncomingMessage
  const headers = Object.defineProperty({ ...request.headers }, 'connection', {
    get: () => stopProbe(probe, undefined),
    enumerable: false
  })
  return Object.defineProperty(probe, 'headers', { value: headers })
}

function stopProbe(request: object, kind: RouteKind | undefined): void {
  const onRoute = probes.get(request)
  if (onRoute === undefined) return
  onRoute(kind)
  // oxlint-disable-next-line typescript/only-throw-error -- see FOUND
  throw FOUND
}

/** Discards the answers of the router itself, such as that to a malformed URL. */
class InertResponse extends ServerResponse {
  readonly #onEnd: () => void

  constructor(request: IncomingMessage, onEnd: () => void) {
    super(request)
    this.#onEnd = onEnd
  }

  override end(): this {
    this.#onEnd()
    return this
  }
}
