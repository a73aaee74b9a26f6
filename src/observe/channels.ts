import { channel } from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { WebSocketConnection } from '../connection/connection.ts'
import type { CloseInfo } from '../internal/close-codes.ts'
import type { DataType, MessageType } from '../internal/message.ts'
import type { Id } from '../rpc/json-rpc.ts'
import type { Position } from '../rpc/position.ts'

/** A connection was opened. */
export interface OpenMessage {
  readonly ws: WebSocketConnection
  /** The upgrade request. Its headers have the `traceparent` of the client, if it has sent one. */
  readonly request: FastifyRequest
  /** The pattern of the route, such as `/rooms/:id`. */
  readonly route: string
}

/** A connection is fully closed. */
export interface CloseMessage extends OpenMessage {
  readonly closeInfo: CloseInfo
  /** True if this server has ended the connection; false if the client has, or is gone. */
  readonly isServer: boolean
}

/** An upgrade was answered with an HTTP status. There is no connection. */
export interface RefusedMessage {
  readonly request: IncomingMessage
  /** The pattern of the WebSocket route; `''` if none was found, or if the server did not look for one (503). */
  readonly route: string
  readonly status: number
}

/** A message has come from a client. It may still wait for the handler. */
export interface InMessage {
  readonly ws: WebSocketConnection
  readonly route: string
  readonly type: MessageType
  /** The size of the payload, after decompression. */
  readonly bytes: number
}

/** Messages to a client were accepted: one, or several that leave together. */
export interface OutMessage {
  readonly ws: WebSocketConnection
  readonly route: string
  readonly messages: number
  /** The size of their frames, after compression. Long messages, compressed in another thread, count uncompressed. */
  readonly bytes: number
}

/** The send queue of a client is full. Once for each time that it falls behind. */
export interface SlowMessage {
  readonly ws: WebSocketConnection
  readonly route: string
}

/** What a message between nodes says about its trace. */
export interface Traced {
  /** False where it is sent, true on each other node where it arrives. */
  readonly isRemote: boolean
  /**
   * The W3C trace context of the sender. Where the message is sent, a subscriber may set it, and it travels to the other nodes. A
   * value that is not valid is ignored.
   */
  traceparent: string | undefined
}

/** A broadcast is about to be sent, or has come from another node and is about to be delivered. */
export interface BroadcastMessage extends Traced {
  /** The `WebSocketHub` or the `Publisher`. */
  readonly hub: object
  /** Rooms and ids of connections; undefined for all clients. */
  readonly to: readonly string[] | undefined
  /** How many connections of this node it is for. */
  readonly recipients: number
  /** The size of the payload. */
  readonly bytes: number
  readonly type: DataType
  /** The node or publisher that has sent it, if it is remote. */
  readonly origin?: string | undefined
}

/** A message is about to be stored in the history of a room, or another node has stored it. */
export interface PublishMessage extends Traced {
  /** The `WebSocketHub` or the `Publisher`. */
  readonly hub: object
  readonly room: string
  /** Where it was stored, if it is remote. */
  readonly position?: Position | undefined
  /** The size of the payload. */
  readonly bytes: number
}

/** A client has called a method of a contract. Calls of methods that the contract does not have are left out. */
export interface CallMessage {
  readonly ws: WebSocketConnection
  readonly route: string
  readonly method: string
  readonly id: Id
  /** The member `traceparent` of the request; undefined if it is not valid. */
  readonly traceparent: string | undefined
  /**
   * Runs the function of the application. A subscriber may replace it, to run the function in a context of its own. It must call
   * the earlier `run`, and return what that returns. Not called if the input does not fit its schema.
   */
  run: <Result>(handler: () => Result) => Result
  /** Resolves once the answer is known, with its JSON-RPC error code; undefined for a result. Never rejects. */
  readonly done: Promise<{ readonly code: number | undefined }>
}

/** A client has sent an event of a contract, whose data fits its schema. It may still wait for the handler. */
export interface EventMessage {
  readonly ws: WebSocketConnection
  readonly route: string
  /** The name of the event. */
  readonly event: string
  /** The member `traceparent` of the notification; undefined if it is not valid. */
  readonly traceparent: string | undefined
}

/** The channels of `node:diagnostics_channel` that this package publishes to, and their messages. */
export interface BlazeWsChannels {
  'fastify-blaze-ws:connection.open': OpenMessage
  'fastify-blaze-ws:connection.close': CloseMessage
  'fastify-blaze-ws:connection.refused': RefusedMessage
  'fastify-blaze-ws:message.in': InMessage
  'fastify-blaze-ws:message.out': OutMessage
  'fastify-blaze-ws:broadcast': BroadcastMessage
  'fastify-blaze-ws:publish': PublishMessage
  'fastify-blaze-ws:slow': SlowMessage
  'fastify-blaze-ws:call': CallMessage
  'fastify-blaze-ws:event': EventMessage
}

/** A channel. Nothing is done for a message that nobody gets: check `hasSubscribers` before you make one. */
export interface MessageChannel<Message> {
  readonly hasSubscribers: boolean
  publish(message: Message): void
}

/** Looked up once: `hasSubscribers` is all that a message without subscribers costs. */
export const channels = {
  open: channelOf('fastify-blaze-ws:connection.open'),
  close: channelOf('fastify-blaze-ws:connection.close'),
  refused: channelOf('fastify-blaze-ws:connection.refused'),
  messageIn: channelOf('fastify-blaze-ws:message.in'),
  messageOut: channelOf('fastify-blaze-ws:message.out'),
  broadcast: channelOf('fastify-blaze-ws:broadcast'),
  publish: channelOf('fastify-blaze-ws:publish'),
  slow: channelOf('fastify-blaze-ws:slow'),
  call: channelOf('fastify-blaze-ws:call'),
  event: channelOf('fastify-blaze-ws:event')
} as const

function channelOf<Name extends keyof BlazeWsChannels>(name: Name): MessageChannel<BlazeWsChannels[Name]> {
  return channel(name)
}
