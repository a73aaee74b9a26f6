import type { FastifyRequest } from 'fastify'

/** The key under which an upgraded request keeps its connection. */
const CONNECTION = Symbol('fastify-blaze-ws.connection')

type Upgraded = FastifyRequest & { [CONNECTION]: { readonly signal: AbortSignal } }

/** One getter for all requests, so that they keep the same shape in V8. */
const SIGNAL = {
  configurable: true,
  get(this: Upgraded): AbortSignal {
    return this[CONNECTION].signal
  }
}

/**
 * Makes `request.signal` the signal of the connection. A signal that a hook took from Fastify earlier is aborted with it.
 * Fastify itself would never abort it: it stops watching a request whose reply is hijacked, as the reply to every upgrade is.
 */
export function shareSignal(request: FastifyRequest, connection: { readonly signal: AbortSignal }): void {
  const earlier = controllerOf(request)
  if (earlier !== undefined) connection.signal.addEventListener('abort', () => earlier.abort(connection.signal.reason))
  ;(request as Upgraded)[CONNECTION] = connection
  Object.defineProperty(request, 'signal', SIGNAL)
}

/**
 * The controller of the signal that a hook took from Fastify; undefined if none did. Fastify keeps it under a symbol that can
 * be found only by its description. A test fails if a new version of Fastify changes this.
 */
function controllerOf(request: FastifyRequest): AbortController | undefined {
  const symbol = Object.getOwnPropertySymbols(request).find(
    ({ description }) => description === 'fastify.request.signal'
  )
  return symbol === undefined
    ? undefined
    : ((request as unknown as Record<symbol, AbortController | null>)[symbol] ?? undefined)
}
