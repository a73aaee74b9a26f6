import { type IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance, RouteOptions } from 'fastify'

/** What Fastify's router has for an upgrade: a WebSocket route, an ordinary one, or nothing. */
export type RouteKind = 'webSocket' | 'plain' | 'none'

type Routing = (request: IncomingMessage, response: ServerResponse) => void
type Answer = (kind: RouteKind | undefined) => void

/**
 * What a probe throws to leave Fastify as soon as the route is known, before anything is logged and any hook runs. It is no
 * error: with asynchronous constraints Fastify would report one to the `frameworkErrors` of the application.
 */
const FOUND = undefined

const probes = new WeakMap<object, Answer>()

/**
 * Asks Fastify's own router which route an upgrade would reach. No other router knows the application's constraints, its
 * `rewriteUrl`, its router options and its 404 handlers. The probe is a request that goes in like any other and turns back
 * at the first thing that Fastify does for the route it has found: it makes a logger, which WebSocket routes tell us about,
 * and looks at the `connection` header. A test fails if a new version of Fastify does something else first.
 */
export class RouteProbe {
  readonly #app: FastifyInstance
  readonly #routing: Routing
  /** True if routes were perhaps added before this plugin came: these were not marked. */
  readonly #hasOlderRoutes: boolean

  constructor(app: FastifyInstance, hasOlderRoutes: boolean) {
    this.#app = app
    this.#routing = app.routing.bind(app)
    this.#hasOlderRoutes = hasOlderRoutes
  }

  /** Marks a route that is being added, so that a probe recognises it. */
  mark(options: RouteOptions, isWebSocket: boolean): void {
    if (![options.method].flat().includes('GET')) return
    // An ordinary route needs no mark if all routes without one are ordinary.
    if (!isWebSocket && !this.#hasOlderRoutes) return
    const kind = isWebSocket ? 'webSocket' : 'plain'
    const given = options.childLoggerFactory
    options.childLoggerFactory = function (this: FastifyInstance, logger, bindings, childOptions, request) {
      turnBack(request, kind)
      return (given ?? this.childLoggerFactory).call(this, logger, bindings, childOptions, request)
    }
  }

  /** Calls back at once, or later if the application has asynchronous constraints. */
  ask(request: IncomingMessage, callback: (kind: RouteKind) => void): void {
    let isAnswered = false
    const probe = probeOf(request)
    probes.set(probe, (kind) => {
      if (isAnswered) return
      isAnswered = true
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
    // Of routes that were added before this plugin, nothing more can be known. A wildcard is mostly a file server.
    return this.#hasOlderRoutes && !('*' in route.params) ? 'webSocket' : 'plain'
  }
}

/** A copy of a request: what Fastify's router and `rewriteUrl` do to it does not touch the original. */
function probeOf(request: IncomingMessage): IncomingMessage {
  const probe = Object.create(request, { url: { value: request.url, writable: true } }) as IncomingMessage
  const headers = Object.defineProperty({ ...request.headers }, 'connection', {
    get: () => turnBack(probe, undefined),
    enumerable: false
  })
  return Object.defineProperty(probe, 'headers', { value: headers })
}

function turnBack(request: object, kind: RouteKind | undefined): void {
  const answer = probes.get(request)
  if (answer === undefined) return
  answer(kind)
  // oxlint-disable-next-line typescript/only-throw-error -- see FOUND
  throw FOUND
}

/** What the router itself answers, to a malformed URL for instance, goes nowhere. */
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
