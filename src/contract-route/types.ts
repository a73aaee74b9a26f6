import type {
  ContextConfigDefault,
  FastifyBaseLogger,
  FastifyRequest,
  FastifySchema,
  FastifyTypeProvider,
  RawRequestDefaultExpression,
  RawServerDefault,
  RouteGenericInterface
} from 'fastify'
import type { WebSocketConfig } from '../config/route-config.ts'
import type { AnyContract, Answer, Data, ErrorsOf, EventOf, Get, In, Of, Out } from '../contract/types.ts'
import type { Ignored, InstanceOf, WebSocketRouteOptions } from '../route/types.ts'
import type { AskOptions } from './asks.ts'
import type { CallContext } from './calls.ts'
import type { ContractConnection as Base } from './contract-connection.ts'

type Untyped =
  'receive' | 'send' | 'sendAsync' | 'ask' | 'contract' | 'params' | 'query' | 'auth' | typeof Symbol.asyncIterator

/** A connection of a contract route, with the types of its contract. */
export interface ContractConnection<
  C extends AnyContract = AnyContract,
  Params = unknown,
  Query = unknown,
  Auth = unknown
> extends Omit<Base, Untyped> {
  /** The contract of the route. */
  readonly contract: C
  /** The parameters of the path. */
  readonly params: Params
  /** The parameters of the query string. */
  readonly query: Query
  /** What `authenticate` has returned; without it, what the client has sent, unverified. */
  readonly auth: Auth
  /** Iterates over the client's events until the connection ends. To leave the loop early does not close the connection. */
  [Symbol.asyncIterator](): AsyncIterableIterator<EventOf<Of<C, 'fromClient'>>>
  /**
   * Returns the client's next event. Calls that come before it are answered first.
   *
   * @throws CloseError if the connection is closed and all events were received.
   * @throws FST_BLAZE_WS_CONCURRENT_READ if another `receive` waits.
   */
  receive(options?: { signal?: AbortSignal }): Promise<EventOf<Of<C, 'fromClient'>>>
  /**
   * Sends an event. Resolves once at most `writeBufferSize` bytes are unsent, so awaiting it slows down with a slow client.
   *
   * @throws TypeError if the data does not fit its schema. Nothing is sent then.
   * @throws CloseError if the connection is closing or closed. All errors are rejections.
   */
  send<E extends keyof Of<C, 'fromServer'>>(event: E, ...data: Data<In<Of<C, 'fromServer'>[E]>>): Promise<void>
  /**
   * Sends an event if there is room, and never waits. Returns false if it was dropped.
   *
   * @throws TypeError if the data does not fit its schema.
   */
  sendAsync<E extends keyof Of<C, 'fromServer'>>(event: E, ...data: Data<In<Of<C, 'fromServer'>[E]>>): boolean
  /**
   * Asks the client, and resolves with its answer. While it waits, other messages of the client are kept until 1 MiB is unread.
   *
   * @throws AskError with the code 'TIMEOUT', 'CLOSED' or 'UNANSWERED'.
   * @throws ContractError if the client answers with an error of the contract.
   * @throws TypeError if the data does not fit its schema. All errors are rejections.
   */
  ask<K extends keyof Of<C, 'asks'>>(
    name: K,
    ...input: Data<In<Get<Of<C, 'asks'>[K], 'input'>>, [options?: AskOptions]>
  ): Promise<Out<Get<Of<C, 'asks'>[K], 'output'>>>
}

/** Answers a call. It is an interface, with the connection last, so that error messages stay short. */
export interface CallHandler<Input, Output, Code extends string, Connection> {
  (input: Input, ws: Connection, context: CallContext<Code>): Answer<Output>
}

// ---- The parameters of a path, for routes without a schema

type Cut<S extends string> = S extends `${infer A}/${string}`
  ? Cut<A>
  : S extends `${infer A}-${string}`
    ? Cut<A>
    : S extends `${infer A}.${string}`
      ? Cut<A>
      : S extends `${infer A}(${string}`
        ? A
        : S
type Names<P extends string> = P extends `${infer A}::${infer B}`
  ? Names<`${A}${B}`>
  : P extends `${string}:${infer R}`
    ? Cut<R> | Names<R>
    : P extends `${string}*`
      ? '*'
      : never
type PathParams<P extends string> = string extends P
  ? unknown
  : {
      [K in Names<P> as K extends `${infer N}?` ? N : K]: K extends `${string}?` ? string | undefined : string
    }

// ---- The arguments of `webSocketWithContract`

/** The schema through the instance's type provider; the path if there is none. */
type Ws<C extends AnyContract, Path extends string, S, P extends FastifyTypeProvider, Auth> = ContractConnection<
  C,
  S extends { params: infer X } ? (P & { schema: X })['validator'] : PathParams<Path>,
  S extends { querystring: infer X } ? (P & { schema: X })['validator'] : unknown,
  Auth
>

type ContractHandler<
  Connection,
  Config,
  S extends FastifySchema,
  P extends FastifyTypeProvider,
  Logger extends FastifyBaseLogger
> = (
  this: InstanceOf<P, Logger>,
  ws: Connection,
  request: FastifyRequest<
    RouteGenericInterface,
    RawServerDefault,
    RawRequestDefaultExpression,
    NoInfer<S>,
    P,
    Config,
    Logger
  >
) => Ignored

type ContractRouteOptions<
  C extends AnyContract,
  Connection,
  Config,
  S extends FastifySchema,
  P extends FastifyTypeProvider,
  Logger extends FastifyBaseLogger,
  Auth
> = WebSocketRouteOptions<RouteGenericInterface, Config, S, P, Logger> & {
  /** The configuration of the connection. What it leaves out comes from the plugin's configuration. */
  webSocket?: Partial<WebSocketConfig>
  /** How many calls of one connection may run at once. @default 1 */
  concurrency?: number
  /**
   * Runs before the handler, with the `auth` that the client sends first, or `undefined` for clients that send none. Its result
   * is `ws.auth`. If it throws, the connection is closed with 4401.
   */
  authenticate?: (auth: unknown, ws: Connection) => Auth | Promise<Auth>
} & (None<Of<C, 'calls'>> extends true
    ? unknown
    : {
        /** A function for each call of the contract. */
        calls: {
          [K in keyof Of<C, 'calls'>]: CallHandler<
            Out<Get<Of<C, 'calls'>[K], 'input'>>,
            In<Get<Of<C, 'calls'>[K], 'output'>>,
            ErrorsOf<Of<C, 'calls'>[K]>,
            Connection
          >
        }
      })

type None<T> = [keyof T] extends [never] ? true : false

/** One tuple for each kind of contract: overloads and unions of tuples would ruin error messages and completions. */
type Rest<C extends AnyContract, H, O> =
  None<Of<C, 'fromClient'>> extends true
    ? None<Of<C, 'calls'>> extends true
      ? [handlerOrOptions?: H | O, options?: O]
      : [handlerOrOptions: H | O, options?: O]
    : None<Of<C, 'calls'>> extends true
      ? [handler: H, options?: O]
      : [handler: H, options: O]

/**
 * Adds a WebSocket route whose messages are those of a contract: `(path, contract, handler, options)`. A contract without events
 * from clients needs no handler.
 *
 * `ws.auth` has the type of what `authenticate` returns if that is a function without untyped parameters, such as one that is
 * defined elsewhere. Otherwise it is unknown.
 *
 * @throws FST_BLAZE_WS_INVALID_ROUTE if an argument is wrong, or if the functions in `options.calls` are not those of the contract.
 * @throws FST_BLAZE_WS_INVALID_OPTION if `options.webSocket` has an unknown option or a value that is not allowed.
 */
export interface WebSocketWithContractMethod<
  Instance,
  Provider extends FastifyTypeProvider,
  Logger extends FastifyBaseLogger
> {
  <
    C extends AnyContract,
    const Path extends string,
    const S extends FastifySchema = FastifySchema,
    Config = ContextConfigDefault,
    Auth = unknown
  >(
    path: Path,
    contract: C,
    ...rest: Rest<
      C,
      ContractHandler<Ws<C, Path, S, Provider, Auth>, Config, S, Provider, Logger>,
      ContractRouteOptions<C, Ws<C, Path, S, Provider, Auth>, Config, S, Provider, Logger, Auth>
    >
  ): Instance
}
