import { type IncomingMessage, type ServerResponse, validateHeaderName, validateHeaderValue } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import { type ServerOptions, WebSocketServer } from 'ws'
import type { WebSocketConfig } from '../config/route-config.ts'
import { ServerSocket } from '../connection/socket.ts'
import { errors } from '../internal/errors.ts'
import { keepValidOffers } from './extension-offers.ts'
import { type Upgrade, upgradeOf } from './upgrade.ts'

/** Runs a connection. Called after the handshake, when nothing may fail any more. */
export type OpenConnection = (socket: ServerSocket, raw: Duplex) => void

/** A route, as its handshakes know it. */
export interface UpgradeTarget {
  readonly config: WebSocketConfig
  /** Says what opens the connection. Throws if the route takes no further one. */
  admit(request: FastifyRequest, reply: FastifyReply): OpenConnection
}

/** Longer than any connection takes to close: we keep that time ourselves, for all connections with one timer. */
const NEVER = 2 ** 31 - 1

/** Options of `ws` that its types do not know yet. */
interface NewerOptions {
  closeTimeout: number
  maxFragments: number
  maxBufferedChunks: number
}

/** What the handshake itself sets, and what only belongs to a response with a body. */
const OWN_HEADERS = /^(connection|upgrade|keep-alive|transfer-encoding|content-.*|sec-websocket-.*)$/

/**
 * What happens between the hooks of a route and its 101. `@fastify/websocket` completes every handshake with one `ws` server and
 * one set of options; here each configuration of a route has a `ws` server of its own.
 */
export class Handshakes {
  readonly #headers = new WeakMap<IncomingMessage, string[]>()
  readonly #servers = new Map<WebSocketConfig, WebSocketServer>()
  #isClosed = false

  /**
   * Lets each upgrade to `target` through its gate, once every hook before the handler has run, also those that other plugins
   * add to a route. Plain requests go to `handler`.
   */
  guard(target: UpgradeTarget, handler: RouteHandlerMethod): RouteHandlerMethod {
    const pass = (request: FastifyRequest, reply: FastifyReply, upgrade: Upgrade, isAllowed: unknown): void => {
      // The check has called `request.refuseWebSocket()`, or it took its time and Fastify has answered (`handlerTimeout`).
      if (reply.sent) return
      // The client has left meanwhile.
      if (upgrade.socket.destroyed) return void reply.hijack()
      if (isAllowed !== true) throw new errors.ORIGIN_FORBIDDEN()
      this.complete(target, request, reply, upgrade)
    }
    return function (request, reply) {
      const upgrade = upgradeOf(request.raw)
      if (upgrade === undefined) return handler.call(this, request, reply)
      assertHandshake(request.raw, reply)
      const isAllowed = target.config.checkOrigin(request)
      // Most checks need no promise, and then nor does the handshake.
      if (typeof (isAllowed as Partial<Promise<boolean>> | undefined)?.then !== 'function')
        return pass(request, reply, upgrade, isAllowed)
      return Promise.resolve(isAllowed).then((allowed) => pass(request, reply, upgrade, allowed))
    }
  }

  /** Completes the handshake of a request. Hooks that still wait do not run. */
  complete(target: UpgradeTarget, request: FastifyRequest, reply: FastifyReply, upgrade: Upgrade): void {
    if (this.#isClosed) throw new errors.SHUTTING_DOWN()
    assertHandshake(request.raw, reply)
    const open = target.admit(request, reply)
    keepValidOffers(request.raw)
    this.#headers.set(request.raw, headerLines(reply))
    const { raw: response } = reply.hijack()
    this.#serverFor(target.config).handleUpgrade(request.raw, upgrade.socket, upgrade.head, (socket) => {
      // Of the HTTP exchange only the request is kept for as long as the connection lives.
      this.#headers.delete(request.raw)
      upgrade.unguard()
      response.detachSocket(upgrade.socket as Socket)
      tellClosed(response, request)
      open(socket as ServerSocket, upgrade.socket)
    })
  }

  /** From now on upgrades whose hooks still run get 503; later ones do not get here. */
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

/** Whoever measures or traces requests learns that this one is over. Their errors must not reach the open connection. */
function tellClosed(response: ServerResponse, request: FastifyRequest): void {
  try {
    response.emit('close')
  } catch (error) {
    request.log.error({ err: error }, 'a listener of the close event of a response failed')
  }
}

const KEY = /^[+/0-9A-Za-z]{22}==$/

/** Throws where the request is no opening handshake (RFC 6455, 4.2.1). */
function assertHandshake({ headers, httpVersion }: IncomingMessage, reply: FastifyReply): void {
  if (httpVersion !== '1.1') throw new errors.BAD_HANDSHAKE('it takes HTTP/1.1')
  if (headers.host === undefined) throw new errors.BAD_HANDSHAKE('Host is missing')
  if (headers.upgrade?.toLowerCase() !== 'websocket') throw new errors.BAD_HANDSHAKE('Upgrade must be websocket')
  if (!KEY.test(headers['sec-websocket-key'] ?? ''))
    throw new errors.BAD_HANDSHAKE('Sec-WebSocket-Key must be 16 bytes in base64')
  if (headers['sec-websocket-version'] === '13') return
  // RFC 6455, 4.4 and RFC 9110, 15.5.22: the answer names what would do.
  void reply.headers({ 'sec-websocket-version': '13', upgrade: 'websocket' })
  throw new errors.UNSUPPORTED_VERSION()
}

/** The header lines that hooks have set on the reply, such as cookies: they go out with the 101. */
function headerLines(reply: FastifyReply): string[] {
  const lines: string[] = []
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value === undefined || OWN_HEADERS.test(name)) continue
    for (const one of [value].flat()) lines.push(headerLine(reply, name, String(one)))
  }
  return lines
}

/** Throws where Node would refuse the header; it is taken off, so that the error's own response can be sent. */
function headerLine(reply: FastifyReply, name: string, value: string): string {
  try {
    validateHeaderName(name)
    validateHeaderValue(name, value)
  } catch (error) {
    void reply.removeHeader(name)
    throw error
  }
  return `${name}: ${value}`
}
