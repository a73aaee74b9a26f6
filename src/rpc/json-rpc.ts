/*
 * JSON-RPC 2.0 as both ends of a contract use it. An event is a notification, a call is a request of the client, and an ask is a
 * request of the server. This file imports nothing, because it is part of the client's bundle.
 */

/** The id of a request. */
export type Id = string | number | null

/** The error codes of JSON-RPC 2.0, 5.1, and one for the errors that a contract declares. */
export const RpcErrorCode = {
  ParseError: -32700,
  InvalidRequest: -32600,
  MethodNotFound: -32601,
  InvalidParams: -32602,
  InternalError: -32603,
  Contract: -32000
} as const

/** The subprotocol of clients that speak the methods below. */
export const SUBPROTOCOL = 'blaze.v1'

/** JSON-RPC reserves names that begin with `rpc.` for extensions. */
export const RESERVED = 'rpc.'
export const RpcMethod = {
  Hello: 'rpc.hello',
  Ping: 'rpc.ping',
  Error: 'rpc.error',
  Joined: 'rpc.joined',
  Left: 'rpc.left',
  Goodbye: 'rpc.goodbye'
} as const

/** What a response says of an error. */
export interface RpcError {
  code: number
  message: string
  data?: unknown
}

/** The longest id that is a string. */
export const MAX_ID_LENGTH = 256
/** How many entries a batch may have. */
export const MAX_BATCH = 100
