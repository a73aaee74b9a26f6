import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import { type ServerOptions, WebSocketServer } from 'ws'
import type { WebSocketConfig } from '../config/route-config.ts'
import { ServerSocket } from '../connection/socket.ts'
import { errors } from '../internal/errors.ts'
import type { Endpoint } from './upgrade-endpoint.ts'
import { keepValidOffers } from './extension-offers.ts'
import { assertHandshake } from './opening-handshake.ts'
import { headerLines } from './reply-headers.ts'
import { type Upgrade, upgradeOf } from './upgrade.ts'

/** Turns off the close timer of `ws`: one timer of ours enforces `closeTimeout` for all connections. */
const NEVER = 2 ** 31 - 1

/** Options of `ws` that are not in its types yet. */
interface NewerOptions {
  closeTimeout: number
  maxFragments: number
  maxBufferedChunks: number
}

/**
 * Completes handshakes: everything between the hooks of a route and the 101 response. `@fastify/websocket` has one `ws` server
 * with one set of options for all routes. Here each route configuration has its own `ws` server.
 */
export class Handshakes {
  readonly #headers = new WeakMap<IncomingMessage, string[]>()
  readonly #servers = new Map<WebSocketConfig, WebSocketServer>()
  #isClosed = false

  /**
   * Returns a route handler that checks the origin of each upgrade and completes its handshake. It runs after all hooks, also
   * those that other plugins add to the route. Plain requests go to the given handler.
   */
  wrapHandler(endpoint: Endpoint, handler: RouteHandlerMethod): RouteHandlerMethod {
    const onChecked = (request: FastifyRequest, reply: FastifyReply, upgrade: Upgrade, isAllowed: unknown): void => {
      // The check has called `request.refuseWebSocket()`, or was so slow that Fastify has answered (`handlerTimeout`).
      if (reply.sent) return
      // The client has left in the meantime.
      if (upgrade.stream.destroyed) return void reply.hijack()
      if (isAllowed !== true) throw new errors.ORIGIN_FORBIDDEN()
      this.complete(endpoint, request, reply, upgrade)
    }
    return function (request, reply) {
      const upgrade = upgradeOf(request.raw)
      if (upgrade === undefined) return handler.call(this, request, reply)
      assertHandshake(request.raw, reply)
      const isAllowed = endpoint.config.checkOrigin(request)
      // Without a promise from the check, the handshake needs none either.
      if (typeof (isAllowed as Partial<Promise<boolean>> | undefined)?.then !== 'function')
        return onChecked(request, reply, upgrade, isAllowed)
      return Promise.resolve(isAllowed).then((allowed) => onChecked(request, reply, upgrade, allowed))
    }
  }

  /** Completes the handshake of a request. Hooks that have not run yet do not run. */
  complete(endpoint: Endpoint, request: FastifyRequest, reply: FastifyReply, upgrade: Upgrade): void {
    if (this.#isClosed) throw new errors.SHUTTING_DOWN()
    assertHandshake(request.raw, reply)
    const open = endpoint.admit(request, reply)
    keepValidOffers(request.raw)
    this.#headers.set(request.raw, headerLines(reply))
    const { raw: response } = reply.hijack()
    this.#serverFor(endpoint.config).handleUpgrade(request.raw, upgrade.stream, upgrade.head, (socket) => {
      // Only the request may stay in memory for as long as the connection is open.
      this.#headers.delete(request.raw)
      upgrade.removeErrorListener()
      response.detachSocket(upgrade.stream as Socket)
      emitClose(response, request)
      open(socket as ServerSocket, upgrade.stream)
    })
  }

  /** Answers upgrades whose hooks are still running with 503. Later upgrades do not get here. */
  close(): void {
    this.#isClosed = true
    for (const server of this.#servers.values()) server.close()
  }

  #serverFor(config: WebSocketConfig): WebSocketServer {
    const existing = this.#servers.get(config)
    if (existing !== undefined) return existing
    const options: ServerOptions<typeof ServerSocket> & NewerOptions = {
      noServer: true,
      clientTracking: false,
      WebSocket: ServerSocket,
      autoPong: false,
      closeTimeout: NEVER,
      maxPayload: config.maxMessageSize,
      maxFragments: config.maxFragments,
      maxBufferedChunks: config.maxBufferedChunks,
      handleProtocols: (offered) => config.subprotocols.find((name) => offered.has(name)) ?? false,
      perMessageDeflate: config.compressionLevel > 0 && { serverNoContextTakeover: true, clientNoContextTakeover: true }
    }
    const server = new WebSocketServer(options)
    server.on('headers', (headers, request) => headers.push(...(this.#headers.get(request) ?? [])))
    this.#servers.set(config, server)
    return server
  }
}

/** Tells plugins that measure or trace requests that this one is over. Their errors must not affect the open connection. */
function emitClose(response: ServerResponse, request: FastifyRequest): void {
  try {
    response.emit('close')
  } catch (error) {
    request.log.error({ err: error }, 'a listener of the close event of a response failed')
  }
}
