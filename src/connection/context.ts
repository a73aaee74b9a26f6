import type { FastifyBaseLogger, FastifyRequest } from 'fastify'

/** Whether the server shuts down, as a connection sees it. */
export interface ShutdownState {
  /** True from the connection's turn in the shutdown on. */
  isShuttingDown(connection: object): boolean
  /** Aborted at the connection's turn. */
  signalOf(connection: object): AbortSignal
}

/** The upgrade request of a connection, and the state of its server. */
export interface WebSocketContext {
  /** The upgrade request, with its decorations. */
  readonly request: FastifyRequest
  /** The request's logger. */
  readonly log: FastifyBaseLogger
  /** A parameter of the query string; the first if there are several, `''` if there is none. */
  query(name: string): string
  /** A parameter of the path; `''` if there is none. */
  param(name: string): string
  /** A property that a hook set on the request before the upgrade. */
  locals<T = unknown>(name: string): T | undefined
  /** True from the start of `app.close()`; with `shutdown.spread`, from the turn of this connection on. */
  isShuttingDown(): boolean
  /** Aborted at the start of `app.close()`; with `shutdown.spread`, at the turn of this connection. */
  readonly shutdownSignal: AbortSignal
}

/** @internal */
export function contextOf(ws: { readonly request: FastifyRequest }, shutdown: ShutdownState): WebSocketContext {
  const { request } = ws
  return {
    request,
    log: request.log,
    query: (name) => firstOf(request.query, name),
    param: (name) => firstOf(request.params, name),
    locals: <T>(name: string) => (request as unknown as Record<string, T | undefined>)[name],
    isShuttingDown: () => shutdown.isShuttingDown(ws),
    get shutdownSignal() {
      return shutdown.signalOf(ws)
    }
  }
}

function firstOf(values: unknown, name: string): string {
  if (values === null || typeof values !== 'object' || !Object.hasOwn(values, name)) return ''
  const value = (values as Record<string, unknown>)[name]
  return String((Array.isArray(value) ? value[0] : value) ?? '')
}
