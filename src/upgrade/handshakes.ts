import { hash } from 'node:crypto'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import type { WebSocketConfig } from '../config/route-config.ts'
import type { Negotiated } from '../connection/session.ts'
import { errors } from '../internal/errors.ts'
import { RETRY_AFTER } from './admission.ts'
import type { Endpoint } from './upgrade-endpoint.ts'
import { acceptDeflate } from './extension-offers.ts'
import { assertHandshake } from './opening-handshake.ts'
import { headerLines } from './reply-headers.ts'
import { shareHeaders } from './shared-headers.ts'
import { chooseProtocol } from './subprotocols.ts'
import { type Upgrade, upgradeOf } from './upgrade.ts'

/** What a server appends to the client's key (RFC 6455, 1.3). */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** Completes handshakes: everything between the hooks of a route and the 101 response. */
export class Handshakes {
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
    if (this.#isClosed) {
      void reply.header('retry-after', RETRY_AFTER)
      throw new errors.SHUTTING_DOWN()
    }
    assertHandshake(request.raw, reply)
    const { lines, negotiated } = answerTo(request.raw.headers, endpoint.config)
    const open = endpoint.admit(request, reply)
    lines.push(...headerLines(reply), '\r\n')
    const { raw: response } = reply.hijack()
    const { stream, head } = upgrade
    // The client has ended its side already.
    if (!isOpen(stream)) return void stream.destroy()
    stream.write(lines.join('\r\n'), 'latin1')
    prepare(stream)
    upgrade.finish()
    response.detachSocket(stream as Socket)
    emitClose(response, request)
    shareHeaders(request.raw)
    open({ stream, head, negotiated })
  }

  /** Answers upgrades whose hooks are still running with 503. Later upgrades do not get here. */
  close(): void {
    this.#isClosed = true
  }
}

/** The lines of the 101 response (RFC 6455, 4.2.2), and what was negotiated. */
function answerTo(headers: IncomingHttpHeaders, config: WebSocketConfig): { lines: string[]; negotiated: Negotiated } {
  const accept = hash('sha1', headers['sec-websocket-key'] + GUID, 'base64')
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`
  ]
  const protocol = chooseProtocol(headers['sec-websocket-protocol'], config.subprotocols)
  if (protocol !== '') lines.push(`Sec-WebSocket-Protocol: ${protocol}`)
  const deflate = config.compressionLevel > 0 ? acceptDeflate(headers['sec-websocket-extensions']) : undefined
  if (deflate !== undefined) lines.push(`Sec-WebSocket-Extensions: ${deflate.response}`)
  return { lines, negotiated: { protocol, windowBits: deflate?.windowBits } }
}

function isOpen(stream: Duplex): boolean {
  return stream.readable && stream.writable
}

/** The connection has its own timeouts, and its writes are already batched. Streams in memory have neither method. */
function prepare(stream: Duplex): void {
  if (!(stream instanceof Socket)) return
  stream.setTimeout(0)
  stream.setNoDelay()
}

/** Tells plugins that measure or trace requests that this one is over. Their errors must not affect the open connection. */
function emitClose(response: ServerResponse, request: FastifyRequest): void {
  try {
    response.emit('close')
  } catch (error) {
    request.log.error({ err: error }, 'a listener of the close event of a response failed')
  }
}
