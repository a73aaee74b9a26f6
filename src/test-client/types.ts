import type { OutgoingHttpHeaders } from 'node:http'
import type { AnyContract, Answer, Data, Get, In, Of, Out } from '../contract/types.ts'
import type { Position } from '../rpc/position.ts'
import type { ContractTestClient as Base } from './contract-client.ts'
import type { Within } from './inbox.ts'

/** The options of `testClient`. */
export interface TestClientOptions {
  /** Headers of the upgrade request. `host` is `localhost` unless it is given. */
  headers?: OutgoingHttpHeaders
}

/** The options of `testClient` for a client that speaks the contract. */
export interface ContractTestClientOptions<C extends AnyContract> extends TestClientOptions {
  /** The contract of the route. */
  contract: C
  /** What `authenticate` of the route gets. */
  auth?: unknown
  /** Where the client is in the streams of rooms, such as `positions` of an earlier client. */
  positions?: Readonly<Record<string, Position>>
}

/** Where a published message is in the stream of its room. */
interface InRoom {
  room?: string
  offset?: number
}

/** Events of the server, as a union that is discriminated by `type`. */
type Events<C extends AnyContract> = {
  [K in keyof Of<C, 'fromServer'> & string]: EventNamed<C, K>
}[keyof Of<C, 'fromServer'> & string]
type EventNamed<C extends AnyContract, K extends keyof Of<C, 'fromServer'>> = {
  type: K
  data: Out<Of<C, 'fromServer'>[K]>
} & InRoom

/** A notification about the connection itself. */
export interface RpcNotification extends InRoom {
  type: RpcNotificationName
  data: unknown
}
export type RpcNotificationName = 'rpc.error' | 'rpc.joined' | 'rpc.left' | 'rpc.goodbye' | 'rpc.ping'

/** The functions that answer the server's asks. */
export type TestAnswers<C extends AnyContract> = {
  [K in keyof Of<C, 'asks'>]?: (
    input: Out<Get<Of<C, 'asks'>[K], 'input'>>
  ) => Answer<In<Get<Of<C, 'asks'>[K], 'output'>>>
}

/** A client of a contract route, in memory, with the types of its contract. */
export interface ContractTestClient<C extends AnyContract> extends Omit<Base, 'next' | 'send' | 'call' | 'answer'> {
  /**
   * The next event; with a name, the next event of that name. Other events wait until they are taken. Notifications about the
   * connection itself, such as `rpc.error`, are only given by their names.
   *
   * @throws ExpectationError if none comes in time, or the connection ends first.
   */
  next(options?: Within): Promise<Events<C>>
  next<N extends (keyof Of<C, 'fromServer'> & string) | RpcNotificationName>(
    name: N,
    options?: Within
  ): Promise<N extends keyof Of<C, 'fromServer'> ? EventNamed<C, N> : RpcNotification>
  /** Sends an event. Resolves once the server's socket has it: later, if the server does not read. */
  send<E extends keyof Of<C, 'fromClient'>>(event: E, ...data: Data<In<Of<C, 'fromClient'>[E]>>): Promise<void>
  /**
   * Calls the server, and resolves with its answer.
   *
   * @throws ContractError if the server answers with an error of the contract.
   * @throws RpcCallError if it answers with another error.
   * @throws ExpectationError if it does not answer in time, or the connection ends first. All errors are rejections.
   */
  call<K extends keyof Of<C, 'calls'>>(
    name: K,
    ...input: Data<In<Get<Of<C, 'calls'>[K], 'input'>>, [options?: Within]>
  ): Promise<Out<Get<Of<C, 'calls'>[K], 'output'>>>
  /** Answers the server's asks with these functions from now on. An ask without a function is not answered with a result. */
  answer(functions: TestAnswers<C>): this
}
