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
 * From here on the request's own `signal` is that of its connection. Fastify's would never be aborted: it lets go of a request
 * whose reply is hijacked, as every upgrade's is.
 */
export function shareSignal(request: FastifyRequest, connection: { readonly signal: AbortSignal }): void {
  ;(request as Upgraded)[CONNECTION] = connection
  Object.defineProperty(request, 'signal', SIGNAL)
}
