import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Upgrade } from './upgrade.ts'

/** A request that wants to open a WebSocket (RFC 6455, 4.2.1). */
export function isWebSocketUpgrade({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && /(?:^|[\s,])websocket(?:$|[\s,/])/i.test(headers.upgrade ?? '')
}

/**
 * True for a plain request whose body comes with the request, not with the stream of the upgrade (Node 26). Reading that stream
 * would throw the body away.
 */
export function holdsBody({ request, socket }: Upgrade): boolean {
  return !isWebSocketUpgrade(request) && (socket !== request.socket || request.readableLength > 0)
}

/** Requests with an `Upgrade` header that stay plain requests, or become plain requests again. */
export class PlainRequests {
  /** Sockets whose next request is a plain one, whatever its headers say. */
  readonly #next = new WeakSet<Duplex>()

  /** Whether a request with an `Upgrade` header is an upgrade. */
  isUpgrade(request: IncomingMessage, hasOtherListeners: boolean): boolean {
    if (this.#next.delete(request.socket)) return false
    if (isWebSocketUpgrade(request)) return true
    // HTTP/2 over an upgrade is something that no listener in Node can speak.
    return hasOtherListeners && !/^h2c\b/i.test(request.headers.upgrade ?? '')
  }

  /**
   * Gives a request back to its server, which reads it once more. For upgrades to other protocols that nobody wants, and for
   * requests of servers that could not ask us: those that Fastify adds to listen to every address of `localhost`.
   */
  replay(upgrade: Upgrade, server: Server): void {
    const { request, socket, head } = upgrade
    upgrade.release()
    upgrade.unguard()
    const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`]
    for (let i = 0; i < request.rawHeaders.length; i += 2)
      lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`)
    this.#next.add(socket)
    socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
    server.emit('encrypted' in socket ? 'secureConnection' : 'connection', socket)
  }
}
