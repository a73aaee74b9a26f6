import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'

/**
 * The one private part of Node that this package touches. As soon as a server listens to `upgrade`, Node takes every request
 * with an `Upgrade` header for one, and ordinary routes never see it: `curl --http2` and Java's HTTP client send
 * `Upgrade: h2c` with every request. Node 22.21, 24.9 and later let a server decide (`shouldUpgradeCallback`). In older versions
 * the decision is taken by the HTTP parser of each connection. A test fails if a new version keeps the parser elsewhere.
 */

type Decide = (request: IncomingMessage) => boolean

interface Deciding {
  shouldUpgradeCallback?: Decide
}

interface Parser {
  onIncoming?: ((request: IncomingMessage & { upgrade: boolean }, ...rest: unknown[]) => unknown) | null
}

/**
 * From now on a request of this server with an `Upgrade` header stays a plain request unless `wantsUpgrade` says otherwise.
 * Returns a function that takes this back.
 */
export function decideUpgrades(server: Server, wantsUpgrade: Decide): () => void {
  const deciding = server as Deciding
  const before = deciding.shouldUpgradeCallback
  if (typeof before !== 'function') return decideInParsers(server, wantsUpgrade)
  const decide: Decide = (request) => wantsUpgrade(request) && before.call(server, request)
  deciding.shouldUpgradeCallback = decide
  return () => {
    if (deciding.shouldUpgradeCallback === decide) deciding.shouldUpgradeCallback = before
  }
}

const CONNECTION_EVENTS = ['connection', 'secureConnection']

function decideInParsers(server: Server, wantsUpgrade: Decide): () => void {
  const onConnection = (socket: Socket & { parser?: Parser | null }): void => {
    const { parser } = socket
    const onIncoming = parser?.onIncoming
    if (parser === null || parser === undefined || typeof onIncoming !== 'function') return
    parser.onIncoming = (request, ...rest) => {
      if (request.upgrade && request.method !== 'CONNECT' && !wantsUpgrade(request)) request.upgrade = false
      return onIncoming.call(parser, request, ...rest)
    }
  }
  for (const event of CONNECTION_EVENTS) server.on(event, onConnection)
  return () => {
    for (const event of CONNECTION_EVENTS) server.removeListener(event, onConnection)
  }
}
