import { isGeneratorFunction } from 'node:util/types'
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify'
import { isConfigKey, type WebSocketConfig } from './config/route-config.ts'
import { describe, errors } from './internal/errors.ts'
import { RouteEndpoint, type ServerServices, withEndpoint } from './route/route-endpoint.ts'
import type { InstanceHooks } from './route/instance-hooks.ts'
import type { WebSocketHandler, WebSocketRouteOptions } from './route/types.ts'

/** The options of a route that are times in milliseconds. The scheduler must be precise enough for the shortest of them. */
const TIMES = [
  'readTimeout',
  'writeTimeout',
  'pingInterval',
  'pongTimeout',
  'closeTimeout',
  'firstMessageTimeout',
  'maxLifetime'
] as const

/** Adds WebSocket routes. Each is an ordinary Fastify route whose `config` holds its endpoint. */
export class Routes {
  readonly #services: ServerServices
  readonly #hooks: InstanceHooks

  constructor(services: ServerServices, hooks: InstanceHooks) {
    this.#services = services
    this.#hooks = hooks
  }

  /** Adds a route to an instance, with the instance's prefix, hooks and decorators. */
  add(
    instance: FastifyInstance,
    path: unknown,
    handler: unknown,
    config: WebSocketConfig,
    options: unknown = {}
  ): void {
    assertPath(path)
    assertHandler(path, handler)
    assertRouteOptions(path, options)
    for (const key of TIMES) this.#services.schedulers.deadlines.ensurePrecisionFor(config[key])
    const endpoint = new RouteEndpoint(instance, this.#services, handler, config)
    this.#hooks.addTo(instance)
    instance.route({
      handler: refusePlainRequest,
      ...options,
      method: 'GET',
      url: path,
      config: withEndpoint(options.config, endpoint),
      schema: hidden(options.schema)
    })
  }
}

function assertPath(path: unknown): asserts path is string {
  if (typeof path !== 'string') throw new errors.INVALID_ROUTE(`the path must be a string, got ${describe(path)}`)
}

function assertHandler(path: string, handler: unknown): asserts handler is WebSocketHandler {
  if (typeof handler !== 'function')
    throw new errors.INVALID_ROUTE(
      `the handler of ${path} must be a function, got ${describe(handler)}; call webSocket(path, handler, options)`
    )
  if (isGeneratorFunction(handler))
    throw new errors.INVALID_ROUTE(
      `the handler of ${path} is a generator function, whose body would never run; use an async function`
    )
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

/** Hides the route from `@fastify/swagger`, because OpenAPI cannot describe it. A schema with `hide: false` shows it. */
function hidden<Schema extends FastifySchema & { hide?: boolean }>(
  schema: Schema | null | undefined
): FastifySchema & { hide: boolean } {
  return { ...schema, hide: schema?.hide ?? true }
}

/** RFC 9110, 15.5.22: a 426 response names the protocol to upgrade to. HTTP/2 does not have these headers (RFC 9113, 8.2.2). */
function refusePlainRequest({ raw }: FastifyRequest, reply: FastifyReply): never {
  if (raw.httpVersionMajor === 1) {
    // Once we set `connection`, Node no longer adds `close` itself if the client asked for it.
    void reply
      .header('connection', reply.raw.shouldKeepAlive ? 'Upgrade' : 'close, Upgrade')
      .header('upgrade', 'websocket')
  }
  throw new errors.UPGRADE_REQUIRED()
}
