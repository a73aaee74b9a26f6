import type { FastifyBaseLogger, FastifyRequest } from 'fastify'

/** Tells a connection of its server's shutdown. */
export interface ShutdownState {
  readonly isShuttingDown: boolean
  /** Aborted when the shutdown begins. */
  readonly signal: AbortSignal
}

/** The circumstances of a connection: its upgrade request and its server. */
export interface WebSocketContext {
  /** The upgrade request, with what hooks decorated it with. */
  readonly request: FastifyRequest
  /** The request's logger. */
  readonly log: FastifyBaseLogger
  /** A parameter of the query string, the first where it is given more than once; `''` where it is absent. */
  query(name: string): string
  /** A parameter of the path; `''` where it is absent. */
  param(name: string): string
  /** What a hook before the upgrade put on the request under this name. */
  locals<T = unknown>(name: string): T | undefined
  /** True from the start of `app.close()`. */
  isShuttingDown(): boolean
  /** Aborted at the start of `app.close()`. */
  readonly shutdownSignal: AbortSignal
}

/** @internal */
export function contextOf(request: FastifyRequest, shutdown: ShutdownState): WebSocketContext {
  return {
    request,
    log: request.log,
    query: (name) => firstOf(request.query, name),
    param: (name) => firstOf(request.params, name),
    locals: <T>(name: string) => (request as unknown as Record<string, T | undefined>)[name],
    isShuttingDown: () => shutdown.isShuttingDown,
    get shutdownSignal() {
      return shutdown.signal
    }
  }
}

function firstOf(values: unknown, name: string): string {
  if (values === null || typeof values !== 'object' || !Object.hasOwn(values, name)) return ''
  const value = (values as Record<string, unknown>)[name]
  return String((Array.isArray(value) ? value[0] : value) ?? '')
}
