import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { BystanderSocket } from './bystander-socket.ts'
import { completeRequest } from './injected-request.ts'

const upgrades = new WeakMap<IncomingMessage, Upgrade>()

/** The upgrade that a request asked for; undefined for a plain request, whatever its headers say. */
export function upgradeOf(request: IncomingMessage): Upgrade | undefined {
  return upgrades.get(request)
}

/**
 * A request to switch protocols, from the server's `upgrade` event until it is answered. It keeps the stream that the event
 * came with: `request.socket` is another object if the request has a body (Node 26).
 */
export class Upgrade {
  readonly request: IncomingMessage
  /** What the answer is written to. */
  readonly socket: Duplex
  /** What the client sent after its request. */
  readonly head: Buffer
  /** Fastify's reply, as soon as one of our hooks has seen it. */
  reply: FastifyReply | undefined
  /** The close frame that a hook wants to refuse this upgrade with, if it ran before the reply was known. */
  refusal: { code: number; reason: string } | undefined
  readonly #written: number
  #listeners: number
  #bystander: BystanderSocket | undefined

  constructor(request: IncomingMessage, socket: Duplex, head: Buffer) {
    this.request = completeRequest(request, socket)
    this.socket = socket
    this.head = head
    // Node takes its own error listener off before the event: without one, a client that resets would end the process.
    socket.on('error', destroy)
    this.#written = bytesWritten(this)
    this.#listeners = countListeners(socket)
    upgrades.set(this.request, this)
  }

  /** True once someone has answered it or dropped it. */
  get isAnswered(): boolean {
    return (
      this.socket.destroyed ||
      this.socket.writableEnded ||
      this.socket.writableLength > 0 ||
      bytesWritten(this) > this.#written
    )
  }

  /** True once someone else listens to the socket: they may still answer. */
  get isWatched(): boolean {
    return countListeners(this.socket) > this.#listeners
  }

  /** The listeners that the socket has by now are no sign of interest. */
  disregardListeners(): void {
    this.#listeners = countListeners(this.socket)
  }

  /** A stand-in for the socket, for listeners that may look at this upgrade but not answer it. */
  get bystander(): BystanderSocket {
    return (this.#bystander ??= new BystanderSocket(this))
  }

  /** It is answered: nothing is kept of it, but that a client that resets does not end the process. */
  release(): void {
    upgrades.delete(this.request)
    this.#bystander?.destroy()
    this.#bystander = undefined
    this.reply = undefined
  }

  /** From now on somebody else listens to the errors of the socket. */
  unguard(): void {
    this.socket.removeListener('error', destroy)
  }
}

function destroy(this: Duplex): void {
  this.destroy()
}

/** The stream of an upgrade with a body does not count its bytes, but the connection below it does. */
function bytesWritten({ socket, request }: Upgrade): number {
  return (socket as Partial<Socket>).bytesWritten ?? (request.socket as Socket | undefined)?.bytesWritten ?? 0
}

function countListeners(socket: Duplex): number {
  return socket.eventNames().reduce((count, name) => count + socket.listenerCount(name), 0)
}
