import type { Duplex } from 'node:stream'
import { isGeneratorFunction } from 'node:util/types'
import type {
  ContextConfigDefault,
  FastifyBaseLogger,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  FastifyTypeProvider,
  FastifyTypeProviderDefault,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
  RouteGenericInterface,
  RouteOptions,
  RouteShorthandOptions
} from 'fastify'
import { CloseCode, isCloseError, isSendableCloseCode } from './internal/close.ts'
import { isConfigKey, type WebSocketConfig } from './config/route-config.ts'
import { Session, type Schedulers } from './connection/session.ts'
import { WebSocketConnection } from './connection/connection.ts'
import { shareSignal } from './connection/request-signal.ts'
import type { ServerSocket } from './connection/socket.ts'
import { describe, errors } from './internal/errors.ts'
import type { Shutdown } from './shutdown.ts'
import { Admission } from './upgrade/admission.ts'
import type { Handshakes, OpenConnection, UpgradeTarget } from './upgrade/handshakes.ts'

type InstanceOf<Provider extends FastifyTypeProvider, Logger extends FastifyBaseLogger> = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  Logger,
  Provider
>

/** Anything at all. `unknown` would make `resolve` want an argument in a handler that returns `new Promise((resolve) => …)`. */
// oxlint-disable-next-line typescript/no-empty-object-type -- every value but null and undefined
type Ignored = void | Promise<void> | {} | null | undefined

/**
 * What a route does with a connection, which is closed with 1000 when it settles; what it returns is ignored. An error closes
 * with 1011, or with the error's own `closeCode`, and is logged; one that only says that the peer went away is neither.
 */
export type WebSocketHandler<
  Route extends RouteGenericInterface = RouteGenericInterface,
  Config = ContextConfigDefault,
  Schema extends FastifySchema = FastifySchema,
  Provider extends FastifyTypeProvider = FastifyTypeProviderDefault,
  Logger extends FastifyBaseLogger = FastifyBaseLogger
> = (
  this: InstanceOf<Provider, Logger>,
  ws: WebSocketConnection,
  request: FastifyRequest<Route, RawServerDefault, RawRequestDefaultExpression, Schema, Provider, Config, Logger>
) => Ignored

/**
 * Fastify's route options. `handler` answers plain GET requests, which get 426 without it.
 * `method`, `url` and the options of `@fastify/websocket` are not among them.
 */
export type WebSocketRouteOptions<
  Route extends RouteGenericInterface = RouteGenericInterface,
  Config = ContextConfigDefault,
  Schema extends FastifySchema = FastifySchema,
  Provider extends FastifyTypeProvider = FastifyTypeProviderDefault,
  Logger extends FastifyBaseLogger = FastifyBaseLogger
> = Omit<
  RouteShorthandOptions<
    RawServerDefault,
    RawRequestDefaultExpression,
    RawReplyDefaultExpression,
    Route,
    Config,
    Schema,
    Provider,
    Logger
  >,
  'websocket' | 'wsHandler'
> & {
  handler?: (
    this: InstanceOf<Provider, Logger>,
    request: FastifyRequest<
      Route,
      RawServerDefault,
      RawRequestDefaultExpression,
      NoInfer<Schema>,
      Provider,
      Config,
      Logger
    >,
    reply: FastifyReply<
      Route,
      RawServerDefault,
      RawRequestDefaultExpression,
      RawReplyDefaultExpression,
      Config,
      NoInfer<Schema>,
      Provider
    >
  ) => unknown
}

/** Adds a WebSocket route: `(path, handler, options?)`, or in Fastify's order. */
export interface WebSocketMethod<Instance, Provider extends FastifyTypeProvider, Logger extends FastifyBaseLogger> {
  <
    Route extends RouteGenericInterface = RouteGenericInterface,
    Config = ContextConfigDefault,
    const Schema extends FastifySchema = FastifySchema
  >(
    path: string,
    options: WebSocketRouteOptions<Route, Config, Schema, Provider, Logger>,
    handler: WebSocketHandler<Route, Config, NoInfer<Schema>, Provider, Logger>
  ): Instance
  // The last, because TypeScript explains a wrong call by the last overload, and this is the one that most calls mean.
  <
    Route extends RouteGenericInterface = RouteGenericInterface,
    Config = ContextConfigDefault,
    const Schema extends FastifySchema = FastifySchema
  >(
    path: string,
    handler: WebSocketHandler<Route, Config, NoInfer<Schema>, Provider, Logger>,
    options?: WebSocketRouteOptions<Route, Config, Schema, Provider, Logger>
  ): Instance
}

/** Adds a WebSocket route with a configuration of its own. */
export interface WebSocketWithConfigMethod<
  Instance,
  Provider extends FastifyTypeProvider,
  Logger extends FastifyBaseLogger
> {
  <
    Route extends RouteGenericInterface = RouteGenericInterface,
    Config = ContextConfigDefault,
    const Schema extends FastifySchema = FastifySchema
  >(
    path: string,
    handler: WebSocketHandler<Route, Config, NoInfer<Schema>, Provider, Logger>,
    config?: Partial<WebSocketConfig>,
    options?: WebSocketRouteOptions<Route, Config, Schema, Provider, Logger>
  ): Instance
}

/** What all routes of a server share. */
export interface RouteHost {
  readonly shutdown: Shutdown
  readonly clocks: Schedulers
  /** Adds the plugin's hooks to an instance that was made before the plugin came. */
  reach(instance: FastifyInstance): void
}

const TIMES = [
  'readTimeout',
  'writeTimeout',
  'pingInterval',
  'pongTimeout',
  'closeTimeout',
  'firstMessageTimeout',
  'maxLifetime'
] as const

/** Where the `config` of a route, which every request of it has, keeps our side of the route. */
const TARGET = Symbol('fastify-blaze-ws.target')

function withTarget(config: object | undefined, target: UpgradeTarget): object {
  return { ...config, [TARGET]: target }
}

/** The target in the `config` of a route; undefined if the route is not ours. */
export function targetOf(config: object | undefined): UpgradeTarget | undefined {
  const ours: { [TARGET]?: UpgradeTarget } = config ?? {}
  return ours[TARGET]
}

/** Adds a WebSocket route to an instance, with its prefix, its hooks and its decorators. */
export function addRoute(
  instance: FastifyInstance,
  host: RouteHost,
  path: unknown,
  handler: unknown,
  config: WebSocketConfig,
  options: unknown = {}
): void {
  if (typeof path !== 'string') throw new errors.INVALID_ROUTE(`the path must be a string, got ${describe(path)}`)
  if (typeof handler !== 'function')
    throw new errors.INVALID_ROUTE(
      `the handler of ${path} must be a function, got ${describe(handler)}; call webSocket(path, handler, options)`
    )
  if (isGeneratorFunction(handler))
    throw new errors.INVALID_ROUTE(
      `the handler of ${path} is a generator function, whose body nobody would run; use an async function`
    )
  assertRouteOptions(path, options)
  for (const key of TIMES) host.clocks.deadlines.require(config[key])
  const target = new RouteTarget(instance, host, handler as WebSocketHandler, config)
  host.reach(instance)
  instance.route({
    handler: refusePlainRequest,
    ...options,
    method: 'GET',
    url: path,
    config: withTarget(options.config, target),
    schema: hidden(options.schema)
  })
}

/** OpenAPI has no words for a WebSocket route: `@fastify/swagger` leaves it out, unless the schema itself says `hide: false`. */
function hidden<Schema extends FastifySchema & { hide?: boolean }>(
  schema: Schema | null | undefined
): FastifySchema & { hide: boolean } {
  return { ...schema, hide: schema?.hide ?? true }
}

/** Puts the guard of its handshakes in front of each route of ours. */
export class RouteGuards {
  readonly #handshakes: Handshakes
  readonly #guarded = new WeakSet<UpgradeTarget>()

  constructor(handshakes: Handshakes) {
    this.#handshakes = handshakes
  }

  /** An onRoute hook, to run after that of `@fastify/websocket`, which has wrapped the handler. */
  guard(options: RouteOptions): void {
    const target = targetOf(options.config)
    if (target === undefined || options.method !== 'GET' || this.#guarded.has(target)) return
    this.#guarded.add(target)
    options.handler = this.#handshakes.guard(target, options.handler)
  }
}

function assertRouteOptions(path: string, options: unknown): asserts options is WebSocketRouteOptions {
  if (options === null || typeof options !== 'object' || Array.isArray(options)) {
    throw new errors.INVALID_ROUTE(`the options of ${path} must be an object, got ${describe(options)}`)
  }
  for (const key of ['method', 'url', 'path', 'websocket', 'wsHandler']) {
    if (key in options)
      throw new errors.INVALID_ROUTE(`"${key}" is no option of ${path}: WebSocket routes set it themselves`)
  }
  const misplaced = Object.keys(options).find(isConfigKey)
  if (misplaced !== undefined) {
    throw new errors.INVALID_ROUTE(
      `"${misplaced}" is no route option of ${path}; use webSocketWithConfig(path, handler, config, options)`
    )
  }
  const { handler } = options as WebSocketRouteOptions
  if (handler !== undefined && typeof handler !== 'function') {
    throw new errors.INVALID_ROUTE(`options.handler of ${path} must be a function, got ${describe(handler)}`)
  }
}

/** RFC 9110, 15.5.22: the answer names the protocol that the route wants. HTTP/2 has no such headers (RFC 9113, 8.2.2). */
function refusePlainRequest({ raw }: FastifyRequest, reply: FastifyReply): never {
  if (raw.httpVersionMajor === 1) {
    // A header of our own would hide from Node that the client wants the connection to end.
    void reply
      .header('connection', reply.raw.shouldKeepAlive ? 'Upgrade' : 'close, Upgrade')
      .header('upgrade', 'websocket')
  }
  throw new errors.UPGRADE_REQUIRED()
}

/** Runs a route's handler for each of its connections. */
class RouteTarget implements UpgradeTarget {
  readonly config: WebSocketConfig
  readonly #instance: FastifyInstance
  readonly #host: RouteHost
  readonly #handler: WebSocketHandler
  readonly #admission: Admission

  constructor(instance: FastifyInstance, host: RouteHost, handler: WebSocketHandler, config: WebSocketConfig) {
    this.config = config
    this.#instance = instance
    this.#host = host
    this.#handler = handler
    this.#admission = new Admission(config)
  }

  admit(request: FastifyRequest, reply: FastifyReply): OpenConnection {
    const count = this.#admission.admit(request, reply)
    return (socket, raw) => {
      const ws = openConnection(this.#host, socket, raw, this.config, request)
      count(ws)
      this.#run(ws, request)
    }
  }

  /** Not async: what an async function holds while it waits would stay for as long as the connection lives. */
  #run(ws: WebSocketConnection, request: FastifyRequest): void {
    let settled: Promise<unknown>
    try {
      settled = Promise.resolve(this.#handler.call(this.#instance, ws, request))
    } catch (error) {
      return this.#failed(ws, request, error)
    }
    void settled.then(
      () => this.#settled(ws),
      (error: unknown) => this.#failed(ws, request, error)
    )
  }

  #settled(ws: WebSocketConnection): void {
    ws.session.isSettled = true
    this.#host.shutdown.settled(ws)
  }

  #failed(ws: WebSocketConnection, request: FastifyRequest, error: unknown): void {
    ws.session.isSettled = true
    try {
      if (isAboutItsEnd(error, ws)) this.#host.shutdown.settled(ws)
      else fail(ws, request, error)
    } catch (reason) {
      // Anything can be thrown, also what throws again when it is looked at.
      void ws.close(CloseCode.InternalServerError, 'internal error')
      try {
        request.log.error({ err: reason }, 'websocket handler failed with an error that cannot be read')
      } catch {
        // It was the log that failed.
      }
    }
  }
}

/** A connection that is closed as soon as it is open, for a client that can only so learn why it was refused. */
export class RefusedTarget implements UpgradeTarget {
  readonly config: WebSocketConfig
  readonly #host: RouteHost
  readonly #code: number
  readonly #reason: string

  constructor(host: RouteHost, config: WebSocketConfig, code: number, reason: string) {
    this.#host = host
    this.config = config
    this.#code = code
    this.#reason = reason
  }

  admit(request: FastifyRequest): OpenConnection {
    return (socket, raw) =>
      void openConnection(this.#host, socket, raw, this.config, request).close(this.#code, this.#reason)
  }
}

function openConnection(
  host: RouteHost,
  socket: ServerSocket,
  raw: Duplex,
  config: WebSocketConfig,
  request: FastifyRequest
): WebSocketConnection {
  const session = new Session(socket, raw, config, host.clocks, request.log)
  const ws = new WebSocketConnection(session, request, host.shutdown)
  shareSignal(request, ws)
  host.shutdown.add(ws)
  return ws
}

/** True where an error only says that this connection is closed, or that its server shuts down. */
function isAboutItsEnd(error: unknown, ws: WebSocketConnection): boolean {
  if (!ws.isClosed() && !ws.context().isShuttingDown()) return false
  if (isCloseError(error)) return true
  // What takes an AbortSignal rejects with its reason, or with an AbortError that may name it.
  const { name, cause } = (error ?? {}) as Partial<Error>
  return name === 'AbortError' && (cause === undefined || isCloseError(cause) || ws.context().isShuttingDown())
}

function fail(ws: WebSocketConnection, request: FastifyRequest, error: unknown): void {
  const code = (error as { closeCode?: unknown } | null | undefined)?.closeCode
  const own = isSendableCloseCode(code)
  void ws.close(own ? code : CloseCode.InternalServerError, own ? reasonOf(error) : 'internal error')
  request.log[own ? 'warn' : 'error'](
    { err: error, closeCode: own ? code : CloseCode.InternalServerError },
    'websocket handler failed'
  )
}

/**
 * Only an error that was made for the peer, with a code and a reason of its own, tells it something. The reason of a
 * `CloseError` was chosen by the client of another connection.
 */
function reasonOf(error: unknown): string {
  if (isCloseError(error)) return ''
  const { reason } = error as { reason?: unknown }
  return typeof reason === 'string' ? reason : ''
}
