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
  RouteShorthandOptions
} from 'fastify'
import type { WebSocketConfig } from '../config/route-config.ts'
import type { WebSocketConnection } from '../connection/connection.ts'

export type InstanceOf<Provider extends FastifyTypeProvider, Logger extends FastifyBaseLogger> = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  Logger,
  Provider
>

/** Any value. With `unknown`, `resolve` would require an argument in a handler that returns `new Promise((resolve) => …)`. */
// oxlint-disable-next-line typescript/no-empty-object-type -- every value but null and undefined
export type Ignored = void | Promise<void> | {} | null | undefined

/**
 * Handles the connections of a route. When the handler settles, its connection is closed with 1000. The return value is
 * ignored. If it throws or rejects, the error is logged and the connection is closed with the error's `closeCode`, or 1011
 * without one. An error that only says that the connection is closed is not logged.
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
 * Fastify's route options, without `method`, `url` and the options of `@fastify/websocket`. `handler` answers plain GET
 * requests, which get 426 without it.
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

/**
 * Adds a WebSocket route: `(path, handler, options?)`, or `(path, options, handler)` as in Fastify.
 *
 * @throws FST_BLAZE_WS_INVALID_ROUTE if an argument is wrong.
 */
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
  // This overload is last because TypeScript explains a wrong call with the last one, and most calls use this one.
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

/**
 * Adds a WebSocket route with its own configuration. Options that `config` leaves out come from the plugin's configuration.
 *
 * @throws FST_BLAZE_WS_INVALID_ROUTE if an argument is wrong.
 * @throws FST_BLAZE_WS_INVALID_OPTION if the configuration has an unknown option or a value that is not allowed.
 */
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
