import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Upgrade } from './upgrade.ts'

/** True for a request to open a WebSocket (RFC 6455, 4.2.1). */
export function isWebSocketUpgrade({ method, headers }: IncomingMessage): boolean {
  const { upgrade = '' } = headers
  return method === 'GET' && (upgrade === 'websocket' || /(?:^|[\s,])websocket(?:$|[\s,/])/i.test(upgrade))
}

/**
 * True for a plain request whose body is read from the request and not from the stream of the upgrade (Node 26). Reading the
 * stream would discard the body.
 */
export function hasSeparateBody({ request, stream }: Upgrade): boolean {
  return !isWebSocketUpgrade(request) && (stream !== request.socket || request.readableLength > 0)
}

/** Tells upgrades from plain requests with an `Upgrade` header, and turns unwanted upgrades back into plain requests. */
export class PlainRequests {
  /** Streams whose next request is a plain one, even if it has an `Upgrade` header. */
  readonly #replayed = new WeakSet<Duplex>()

  /** Whether a request with an `Upgrade` header is an upgrade. */
  isUpgrade(request: IncomingMessage, hasOtherListeners: boolean): boolean {
    if (this.#replayed.delete(request.socket)) return false
    if (isWebSocketUpgrade(request)) return true
    // No listener in Node can upgrade a connection to HTTP/2.
    return hasOtherListeners && !/^h2c\b/i.test(request.headers.upgrade ?? '')
  }

  /**
   * Makes the server read a request again, now as a plain one. This is for upgrades to other protocols that no listener
   * answers, and for requests of the servers that Fastify adds for further addresses of `localhost`, which `isUpgrade` does not see.
   */
  replay(upgrade: Upgrade, server: Server): void {
    const { request, stream, head } = upgrade
    upgrade.finish()
    upgrade.removeErrorListener()
    const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`]
    for (let i = 0; i < request.rawHeaders.length; i += 2)
      lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`)
    this.#replayed.add(stream)
    stream.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
    server.emit('encrypted' in stream ? 'secureConnection' : 'connection', stream)
  }
}
