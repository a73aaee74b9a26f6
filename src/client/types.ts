import type { AnyContract, Answer, Data, Get, In, Of, Out } from '../contract/types.ts'
import type { Position } from '../rpc/position.ts'
import type { SocketClass } from './socket.ts'

/**
 * - `connecting`: an attempt to connect runs.
 * - `open`: events and calls can be sent.
 * - `waiting`: the connection is lost; the next attempt comes after a while, or as soon as the page or the network is back.
 * - `closed`: the client was closed, or the server does not want it back. It never connects again.
 */
export type ClientState = 'connecting' | 'open' | 'waiting' | 'closed'

/** How a connection, or an attempt to connect, has ended. */
export interface CloseInfo {
  /** The close code; 1006 if there was none, as after an attempt that failed. */
  readonly code: number
  /** That of the server, or what the socket says about its failure. Browsers say nothing. */
  readonly reason: string
}

/** What could not be recovered. */
export interface Gap {
  readonly room: string
  /** `epoch` or `trimmed`: the server has lost the messages. `missing`: they did not come. */
  readonly reason: string
}

/** The events of a client itself. */
export interface ClientEvents {
  /** The state has changed. If a connection or an attempt has ended, `close` says how. */
  state: [state: ClientState, close?: CloseInfo]
  /** Published messages of a room were missed and cannot be recovered. */
  gap: [gap: Gap]
  /** The server has rejected an event or an `auth` (a `RejectedError`), or `url` or `auth` has failed. */
  error: [error: Error]
}

/** Where a message belongs. Both are undefined unless the message was published. */
export interface MessagePosition {
  readonly room: string | undefined
  readonly offset: number | undefined
}

export interface SendOptions {
  /** Wait for a connection if there is none. At most 100 events wait. @default false */
  queue?: boolean
}

export interface CallOptions {
  /** How long to wait for the answer, in milliseconds; `Infinity` for as long as the connection lasts. @default `timeout` of `connect`, 30000 */
  timeout?: number
  /** Stops waiting when it is aborted: the call rejects with its reason. */
  signal?: AbortSignal
}

export interface ConnectOptions {
  /** The address, or a function that is called for every attempt. */
  url: string | URL | (() => string | URL | Promise<string | URL>)
  /** Called for every attempt, before the socket opens. The server's `authenticate` gets the result, which is JSON of at most 16 KiB. */
  auth?: () => unknown
  /**
   * Called for each call and event: the trace that it belongs to, as a W3C `traceparent`, or undefined. It is sent along. On the
   * server, the subscribers of calls and events get it if it is valid. @default none
   */
  traceparent?: () => string | undefined
  /** Where to go on in rooms: `positions` of an earlier client, or what the server has sent along with the state of a page. */
  positions?: Readonly<Record<string, Position>>
  /**
   * The wait before an attempt, in milliseconds. It is random, below a limit that begins with `min` and doubles up to `max`.
   *
   * @default { min: 500, max: 30_000 }
   */
  reconnect?: { min?: number; max?: number }
  /**
   * How long a call waits for its answer, and an attempt to connect for `url` and `auth`, in milliseconds. The socket has as long
   * to open, and at most 15000 ms.
   *
   * @default 30000
   */
  timeout?: number
  /** The class to use, such as that of the package `ws`. @default the global one */
  WebSocket?: SocketClass
}

/** A connection that comes back. */
export interface Client<C extends AnyContract> {
  readonly state: ClientState
  /** Why the server does not want the client back. Undefined while it does, and after `close()`. */
  readonly closeInfo: CloseInfo | undefined
  /** Where the client is in the 100 rooms with the newest messages. It may be stored across a page load. */
  readonly positions: Record<string, Position>
  /** Resolves when the connection is open. Rejects with the `ClientError` 'CLOSED' if it will never be. */
  ready(): Promise<void>
  /** Calls a function for each event. What it throws does not disturb other listeners. */
  on<E extends keyof Of<C, 'fromServer'> | keyof ClientEvents>(event: E, listener: ListenerOf<C, E>): this
  off<E extends keyof Of<C, 'fromServer'> | keyof ClientEvents>(event: E, listener: ListenerOf<C, E>): this
  /**
   * Sends an event. Resolves when the socket has it, which is no acknowledgement: use a call for that.
   *
   * @throws ClientError 'OFFLINE', or 'QUEUE_FULL' with `{ queue: true }`, or 'CLOSED'. All errors are rejections.
   */
  send<E extends keyof Of<C, 'fromClient'>>(
    event: E,
    ...data: Data<In<Of<C, 'fromClient'>[E]>, [options?: SendOptions]>
  ): Promise<void>
  /**
   * Asks the server, and resolves with its answer.
   *
   * @throws ContractError for an error that the contract declares.
   * @throws RejectedError if the server does not take the input, or has failed.
   * @throws ClientError 'OFFLINE', 'TIMEOUT', 'CONNECTION_LOST' or 'CLOSED'. All errors are rejections.
   */
  call<K extends keyof Of<C, 'calls'>>(
    name: K,
    ...input: Data<In<Get<Of<C, 'calls'>[K], 'input'>>, [options?: CallOptions]>
  ): Promise<Out<Get<Of<C, 'calls'>[K], 'output'>>>
  /** Sets functions that answer what the server asks. A function may throw a `ContractError`. */
  answer(functions: {
    [K in keyof Of<C, 'asks'>]?: (
      input: Out<Get<Of<C, 'asks'>[K], 'input'>>
    ) => Answer<In<Get<Of<C, 'asks'>[K], 'output'>>>
  }): this
  /** Ends the client. What was sent before goes out; what still waits rejects with the `ClientError` 'CLOSED'. */
  close(): void
}

/** A listener of an event. One signature, not overloads, so that a misspelt name gets a message that helps. */
type ListenerOf<C extends AnyContract, E> = (
  ...args: E extends keyof ClientEvents
    ? ClientEvents[E]
    : E extends keyof Of<C, 'fromServer'>
      ? [data: Out<Of<C, 'fromServer'>[E]>, position: MessagePosition]
      : never
) => void
