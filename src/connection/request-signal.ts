import type { FastifyRequest } from 'fastify'

/** The connection that a request has become. */
const CONNECTION = Symbol('fastify-blaze-ws.connection')

type Upgraded = FastifyRequest & { [CONNECTION]: { readonly signal: AbortSignal } }

/** One getter for all requests: they keep the same shape. */
const SIGNAL = {
  configurable: true,
  get(this: Upgraded): AbortSignal {
    return this[CONNECTION].signal
  }
}

/**
 * From here on the request's own `signal` is that of its connection, and one that a hook took before is aborted with it. Fastify's
 * would never be aborted: it lets go of a request whose reply is hijacked, as every upgrade's is.
 */
export function shareSignal(request: FastifyRequest, connection: { readonly signal: AbortSignal }): void {
  const taken = controllerOf(request)
  if (taken !== undefined) connection.signal.addEventListener('abort', () => taken.abort(connection.signal.reason))
  ;(request as Upgraded)[CONNECTION] = connection
  Object.defineProperty(request, 'signal', SIGNAL)
}

/**
 * What aborts the signal that a hook took from Fastify; undefined where none did. Fastify keeps it under a symbol that only its
 * description tells. A test fails where a new version keeps it elsewhere.
 */
function controllerOf(request: FastifyRequest): AbortController | undefined {
  const symbol = Object.getOwnPropertySymbols(request).find(
    ({ description }) => description === 'fastify.request.signal'
  )
  return symbol === undefined
    ? undefined
    : ((request as unknown as Record<symbol, AbortController | null>)[symbol] ?? undefined)
}
