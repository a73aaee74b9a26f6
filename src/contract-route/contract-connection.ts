import type { FastifyRequest } from 'fastify'
import type { WebSocketConnection } from '../connection/connection.ts'
import type { WebSocketContext } from '../connection/context.ts'
import type { WebSocketLocals } from '../connection/locals.ts'
import { UNDERLYING } from '../connection/underlying.ts'
import type { Contract } from '../contract/types.ts'
import type { CloseInfo } from '../internal/close-codes.ts'
import { brand } from '../internal/package-copies.ts'
import { rejected } from '../internal/promises.ts'
import type { AskOptions, Asks } from './asks.ts'
import type { CompiledContract } from '../schemas/compiled-contract.ts'
import { eventText } from '../schemas/event-text.ts'
import { EventIterator } from './event-iterator.ts'
import type { ClientEvent, EventStream } from './event-stream.ts'

/** The parts of a contract connection. */
export interface ContractParts {
  readonly contract: Contract
  readonly compiled: CompiledContract
  readonly events: EventStream
  readonly asks: Asks
}

/**
 * A connection of a contract route: read its events in a loop, send events, and ask the client. The methods that it shares with
 * `WebSocketConnection` do the same. The methods of a hub take either.
 */
export class ContractConnection {
  static {
    brand(this, 'contract-connection')
  }

  /** The contract of the route. */
  readonly contract: Contract
  /** What `authenticate` has returned; without it, what the client has sent, unverified. */
  auth: unknown
  /** Makes hubs accept it. A part of the declarations, and so not marked as internal. */
  readonly [UNDERLYING]: WebSocketConnection
  readonly #compiled: CompiledContract
  readonly #events: EventStream
  readonly #asks: Asks

  /** @internal */
  constructor(ws: WebSocketConnection, { contract, compiled, events, asks }: ContractParts) {
    this[UNDERLYING] = ws
    this.contract = contract
    this.#compiled = compiled
    this.#events = events
    this.#asks = asks
  }

  // ---- Events and asks

  /**
   * Returns the client's next event. Calls that come before it are answered first.
   *
   * @throws CloseError if the connection is closed and all events were received.
   * @throws FST_BLAZE_WS_CONCURRENT_READ if another `receive` waits.
   */
  receive(options?: { signal?: AbortSignal }): Promise<ClientEvent> {
    return this.#events.receive(options?.signal)
  }

  /** Iterates over the client's events until the connection ends. To leave the loop early does not close the connection. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ClientEvent> {
    return new EventIterator(this.#events)
  }

  /**
   * Sends an event. Resolves once at most `writeBufferSize` bytes are unsent, so awaiting it slows down with a slow client.
   *
   * @throws TypeError if the data does not fit its schema. Nothing is sent then.
   * @throws CloseError if the connection is closing or closed. All errors are rejections.
   */
  send(event: string, data?: unknown): Promise<void> {
    try {
      return this[UNDERLYING].writeText(eventText(this.#compiled, event, data))
    } catch (error) {
      return rejected(error as Error)
    }
  }

  /**
   * Sends an event if there is room, and never waits. Returns false if it was dropped.
   *
   * @throws TypeError if the data does not fit its schema.
   */
  sendAsync(event: string, data?: unknown): boolean {
    return this[UNDERLYING].writeAsync(eventText(this.#compiled, event, data))
  }

  /**
   * Asks the client, and resolves with its answer. While it waits, other messages of the client are kept until 1 MiB is unread.
   *
   * @throws AskError with the code 'TIMEOUT', 'CLOSED' or 'UNANSWERED'.
   * @throws ContractError if the client answers with an error of the contract.
   * @throws TypeError if the data does not fit its schema. All errors are rejections.
   * @throws FST_BLAZE_WS_OUT_OF_RANGE, a RangeError, if the timeout is not 0 to 2147483647, or if 64 asks wait already.
   */
  ask(name: string, data?: unknown, options: AskOptions = {}): Promise<unknown> {
    const check = this.#compiled.ask(name)
    if (check === undefined)
      return rejected(new TypeError(`The contract "${this.contract.name}" has no "${name}" in asks`))
    return this.#asks.ask(name, check, data, options)
  }

  // ---- The request

  /** The upgrade request. */
  get request(): FastifyRequest {
    return this[UNDERLYING].request
  }

  /** The parameters of the path. */
  get params(): unknown {
    return this.request.params
  }

  /** The parameters of the query string. */
  get query(): unknown {
    return this.request.query
  }

  /** See `WebSocketConnection.context`. */
  context(): WebSocketContext {
    return this[UNDERLYING].context()
  }

  /** A header of the upgrade request; `''` if there is none. */
  header(name: string): string {
    return this[UNDERLYING].header(name)
  }

  /** The `User-Agent` header; `''` if there is none. */
  userAgent(): string {
    return this[UNDERLYING].userAgent()
  }

  /** See `WebSocketConnection.remoteAddr`. */
  remoteAddr(): string {
    return this[UNDERLYING].remoteAddr()
  }

  /** See `WebSocketConnection.localAddr`. */
  localAddr(): string {
    return this[UNDERLYING].localAddr()
  }

  // ---- State

  /** A unique id, even among all nodes of a cluster. */
  get id(): string {
    return this[UNDERLYING].id
  }

  /** The negotiated subprotocol; `''` if there is none. */
  get protocol(): string {
    return this[UNDERLYING].protocol
  }

  /** How many bytes were written and not yet taken by the kernel. */
  get bufferedAmount(): number {
    return this[UNDERLYING].bufferedAmount
  }

  /** How many messages to this client were dropped. */
  get dropped(): number {
    return this[UNDERLYING].dropped
  }

  /** Keeps a value for as long as the connection lives. */
  setLocal<K extends string>(key: K, value: K extends keyof WebSocketLocals ? WebSocketLocals[K] : unknown): void {
    this[UNDERLYING].setLocal(key, value)
  }

  /** Returns the value that `setLocal` has kept under this key; undefined if there is none. */
  getLocal<K extends keyof WebSocketLocals>(key: K): WebSocketLocals[K] | undefined
  getLocal<T = unknown>(key: string): T | undefined
  getLocal(key: string): unknown {
    return this[UNDERLYING].getLocal(key)
  }

  // ---- The end

  /** Closes the connection. See `WebSocketConnection.close`. */
  close(code?: number, reason?: string): Promise<void> {
    return this[UNDERLYING].close(code, reason)
  }

  /** See `WebSocketConnection.closeGracefully`. */
  closeGracefully(timeout: number): Promise<void> {
    return this[UNDERLYING].closeGracefully(timeout)
  }

  /** Drops the connection at once. */
  terminate(): void {
    this[UNDERLYING].terminate()
  }

  /** Closes with 4401 at this time. See `WebSocketConnection.expireAt`. */
  expireAt(time: Date | number): void {
    this[UNDERLYING].expireAt(time)
  }

  /** True once the connection is closing or closed. */
  isClosed(): boolean {
    return this[UNDERLYING].isClosed()
  }

  /** How the connection ended; undefined until it is fully closed. */
  get closeInfo(): CloseInfo | undefined {
    return this[UNDERLYING].closeInfo
  }

  /** Aborted once the connection is fully closed. */
  get signal(): AbortSignal {
    return this[UNDERLYING].signal
  }
}
