import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { errors, type FastifyError } from '../errors.ts'
import { RETRY_AFTER } from './admission.ts'
import type { Paths } from './paths.ts'
import type { PendingUpgrades } from './pending-upgrades.ts'

type UpgradeArguments = [request: IncomingMessage, socket: Duplex, head: Buffer]
type UpgradeListener = (...args: UpgradeArguments) => void

/**
 * Who gets an upgrade. Every listener of a server's `upgrade` event is told of every one, and all that a foreign one (a
 * development server, a proxy) can do with ours is harm, and the other way round. So that what goes to a WebSocket route of
 * Fastify goes to `@fastify/websocket` alone, and the rest to the others, where there are any.
 */
export class UpgradeEvent {
  readonly #server: Server
  readonly #own: UpgradeListener
  readonly #paths: Paths
  readonly #pending: PendingUpgrades
  #isClosed = false
  #isRouted = false

  /** `own` is the listener of `@fastify/websocket`. */
  constructor(server: Server, own: UpgradeListener, paths: Paths, pending: PendingUpgrades) {
    this.#server = server
    this.#own = own
    this.#paths = paths
    this.#pending = pending
  }

  /** From now on the listeners are called from here, and no socket outlives an answer that is no 101. */
  takeOver(app: FastifyInstance): void {
    const pending = this.#pending
    const onFinish = function (this: ServerResponse): void {
      pending.drop(this.req)
    }
    // What Fastify answers on its own, to a malformed URL for instance, runs no hook that could close the socket.
    const routing = app.routing.bind(app)
    app.routing = (request, response) => {
      this.#isRouted = true
      if (pending.has(request)) response.on('finish', onFinish)
      routing(request, response)
    }
    this.#listen()
  }

  #listen(): void {
    const server = this.#server
    const emit = server.emit.bind(server) as (event: string | symbol, ...args: unknown[]) => boolean
    server.emit = (event: string | symbol, ...args: unknown[]) => {
      if (event !== 'upgrade') return emit(event, ...args)
      this.#dispatch(args as UpgradeArguments)
      return true
    }
  }

  /** From now on what is for us gets 503. */
  close(): void {
    this.#isClosed = true
  }

  #dispatch(args: UpgradeArguments): void {
    const others = this.#server.rawListeners('upgrade').filter((listener) => listener !== this.#own)
    if (others.length > 0 && !this.#paths.isWebSocket(args[0].url ?? '')) {
      for (const listener of others) Reflect.apply(listener, this.#server, args)
      return
    }
    // A closing Fastify would answer, and leave the socket open.
    if (this.#isClosed) refuse(args[1], new errors.SHUTTING_DOWN())
    else if (this.#pending.add(args[0], args[1])) this.#give(args)
    else refuse(args[1], new errors.TOO_MANY_UPGRADES())
  }

  #give(args: UpgradeArguments): void {
    this.#isRouted = false
    this.#own.apply(this.#server, args)
    // An earlier request on this socket has no answer yet: there is no place for another one.
    if (!this.#isRouted) args[1].destroy()
    else if (this.#pending.has(args[0])) this.#pending.watch(args[1])
  }
}

const ignore = (): void => {}

/** Answers with 503, without Fastify: a server that has too much to do, or no time left, runs no hooks for it. */
function refuse(socket: Duplex, error: FastifyError): void {
  const body = JSON.stringify({ statusCode: 503, code: error.code, error: 'Service Unavailable', message: error.message })
  socket.on('error', ignore)
  socket.end(
    `HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: ${RETRY_AFTER}\r\n` +
      `Content-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy()
  )
}
