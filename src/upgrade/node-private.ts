import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

/**
 * This file uses the only private part of Node that this package needs. As soon as a server listens to `upgrade`, Node treats
 * every request with an `Upgrade` header as an upgrade, and ordinary routes never see it: `curl --http2` and Java's HTTP client
 * send `Upgrade: h2c` with every request. Node 22.21, 24.9 and later let a server decide (`shouldUpgradeCallback`). In older
 * versions the HTTP parser of each connection decides. A test fails if a new version keeps the parser elsewhere.
 */

type IsUpgrade = (request: IncomingMessage) => boolean

interface WithCallback {
  shouldUpgradeCallback?: IsUpgrade
}

interface Parser {
  onIncoming?: ((request: IncomingMessage & { upgrade: boolean }, ...rest: unknown[]) => unknown) | null
}

/**
 * Treats a request of this server with an `Upgrade` header as a plain request unless `isUpgrade` returns true. Returns a
 * function that undoes this.
 */
export function filterUpgrades(server: Server, isUpgrade: IsUpgrade): () => void {
  const withCallback = server as WithCallback
  const before = withCallback.shouldUpgradeCallback
  if (typeof before !== 'function') return filterInParsers(server, isUpgrade)
  const callback: IsUpgrade = (request) => isUpgrade(request) && before.call(server, request)
  withCallback.shouldUpgradeCallback = callback
  return () => {
    if (withCallback.shouldUpgradeCallback === callback) withCallback.shouldUpgradeCallback = before
  }
}

const CONNECTION_EVENTS = ['connection', 'secureConnection']

function filterInParsers(server: Server, isUpgrade: IsUpgrade): () => void {
  const onConnection = (socket: Socket & { parser?: Parser | null }): void => {
    const { parser } = socket
    const onIncoming = parser?.onIncoming
    if (parser === null || parser === undefined || typeof onIncoming !== 'function') return
    parser.onIncoming = (request, ...rest) => {
      if (request.upgrade && request.method !== 'CONNECT' && !isUpgrade(request)) request.upgrade = false
      return onIncoming.call(parser, request, ...rest)
    }
  }
  for (const event of CONNECTION_EVENTS) server.on(event, onConnection)
  return () => {
    for (const event of CONNECTION_EVENTS) server.removeListener(event, onConnection)
  }
}
