import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { StandInSocket } from './stand-in-socket.ts'
import { asNodeRequest } from './injected-request.ts'

const NO_BYTES = Buffer.alloc(0)
const upgrades = new WeakMap<IncomingMessage, Upgrade>()

/** The unanswered upgrade of a request; undefined if the request is a plain one, even if it has an `Upgrade` header. */
export function upgradeOf(request: IncomingMessage): Upgrade | undefined {
  return upgrades.get(request)
}

/**
 * A request to switch protocols, from the server's `upgrade` event until it is answered. It keeps the stream that the event
 * passes, because `request.socket` is another object if the request has a body (Node 26).
 */
export class Upgrade {
  readonly request: IncomingMessage
  /** The answer is written to this stream. */
  readonly stream: Duplex
  /** The bytes that the client sent after its request. */
  readonly head: Buffer
  /** Fastify's reply. It is set by the first of our hooks. */
  reply: FastifyReply | undefined
  /** The pattern of the WebSocket route that Fastify has found; `''` until then. */
  route = ''
  /** Set if a hook refused this upgrade with a close frame before the reply was known. */
  refusal: { code: number; reason: string } | undefined
  readonly #written: number
  /** How many listeners the stream had when the other listeners of the event were first called. */
  #listeners = 0
  #standIn: StandInSocket | undefined

  constructor(request: IncomingMessage, stream: Duplex, head: Buffer) {
    this.request = asNodeRequest(request, stream)
    this.stream = stream
    // An empty one would keep the chunk with the request in memory.
    this.head = head.length === 0 ? NO_BYTES : head
    // Node removes its own error listener before the event. Without one, a client that resets would crash the process.
    stream.on('error', destroy)
    this.#written = bytesWritten(this)
    upgrades.set(this.request, this)
  }

  /** True once a listener or a route has answered it or destroyed its stream. */
  get isAnswered(): boolean {
    return (
      this.stream.destroyed ||
      this.stream.writableEnded ||
      this.stream.writableLength > 0 ||
      bytesWritten(this) > this.#written
    )
  }

  /** True once the handshake is complete: reading from the stream has begun, also if another package has completed it. */
  get isComplete(): boolean {
    return this.stream.listenerCount('data') > 0
  }

  /** True if other code has begun to listen to the stream. It may still answer. */
  get hasNewListeners(): boolean {
    return countListeners(this.stream) > this.#listeners
  }

  /** The listeners that the stream has now are not new ones. */
  ignoreCurrentListeners(): void {
    this.#listeners = countListeners(this.stream)
  }

  /** A stand-in for the stream, for listeners that may look at this upgrade but must not answer it. */
  get standIn(): StandInSocket {
    return (this.#standIn ??= new StandInSocket(this.stream, this.request))
  }

  /** It is answered. Only the error listener stays, so that a client that resets does not crash the process. */
  finish(): void {
    upgrades.delete(this.request)
    this.#standIn?.destroy()
    this.#standIn = undefined
    this.reply = undefined
  }

  /** Called when other code has taken over the stream and listens to its errors. */
  removeErrorListener(): void {
    this.stream.removeListener('error', destroy)
  }
}

function destroy(this: Duplex): void {
  this.destroy()
}

/** The stream of an upgrade with a body does not count its bytes, but the connection below it does. */
function bytesWritten({ stream, request }: Upgrade): number {
  return (stream as Partial<Socket>).bytesWritten ?? (request.socket as Socket | undefined)?.bytesWritten ?? 0
}

function countListeners(stream: Duplex): number {
  return stream.eventNames().reduce((count, name) => count + stream.listenerCount(name), 0)
}
