import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { WebSocketConfig } from '../config/route-config.ts'
import { WebSocketConnection } from '../connection/connection.ts'
import type { ConnectionEvents } from '../connection/events.ts'
import { shareSignal } from '../connection/request-signal.ts'
import { type OpenStream, Session, type SessionServices } from '../connection/session.ts'
import type { Shutdown } from '../shutdown/shutdown.ts'
import { Admission } from '../upgrade/admission.ts'
import type { Endpoint, OpenConnection } from '../upgrade/upgrade-endpoint.ts'
import { closeAfterError } from './handler-error.ts'
import type { WebSocketHandler } from './types.ts'

/** What all connections of a server share. */
export interface ServerServices extends SessionServices {
  readonly events: ConnectionEvents
  readonly shutdown: Shutdown
}

/** The key of a route's endpoint in the route's `config`, which every request of the route has. */
const ENDPOINT = Symbol('fastify-blaze-ws.endpoint')

/** The `config` of a route with the route's endpoint. */
export function withEndpoint(config: object | undefined, endpoint: Endpoint): object {
  return { ...config, [ENDPOINT]: endpoint }
}

/** The endpoint in the `config` of a route; undefined if it is not a route of this plugin. */
export function endpointOf(config: object | undefined): Endpoint | undefined {
  const own: { [ENDPOINT]?: Endpoint } = config ?? {}
  return own[ENDPOINT]
}

/** Runs a route's handler for each of its connections. */
export class RouteEndpoint implements Endpoint {
  readonly config: WebSocketConfig
  readonly #instance: FastifyInstance
  readonly #services: ServerServices
  readonly #handler: WebSocketHandler
  readonly #admission: Admission

  constructor(instance: FastifyInstance, services: ServerServices, handler: WebSocketHandler, config: WebSocketConfig) {
    this.config = config
    this.#instance = instance
    this.#services = services
    this.#handler = handler
    this.#admission = new Admission(config)
  }

  admit(request: FastifyRequest, reply: FastifyReply): OpenConnection {
    const count = this.#admission.admit(request, reply)
    return (open) => {
      const ws = openConnection(this.#services, open, this.config, request)
      count(ws)
      this.#runHandler(ws, request)
    }
  }

  /** Not async: the state of an async function would stay in memory for as long as the connection is open. */
  #runHandler(ws: WebSocketConnection, request: FastifyRequest): void {
    let settled: Promise<unknown>
    try {
      settled = Promise.resolve(this.#handler.call(this.#instance, ws, request))
    } catch (error) {
      return this.#onError(ws, request, error)
    }
    void settled.then(
      () => this.#onSettled(ws),
      (error: unknown) => this.#onError(ws, request, error)
    )
  }

  #onSettled(ws: WebSocketConnection): void {
    this.#services.shutdown.onSettled(ws)
    this.#services.shutdown.closeSettled(ws)
  }

  #onError(ws: WebSocketConnection, request: FastifyRequest, error: unknown): void {
    this.#services.shutdown.onSettled(ws)
    closeAfterError(ws, request, error, this.#services.shutdown)
  }
}

/** Closes each connection as soon as it is open, because only a close frame can tell a browser why it was refused. */
export class RefusingEndpoint implements Endpoint {
  readonly config: WebSocketConfig
  readonly #services: ServerServices
  readonly #code: number
  readonly #reason: string

  constructor(services: ServerServices, config: WebSocketConfig, code: number, reason: string) {
    this.#services = services
    this.config = config
    this.#code = code
    this.#reason = reason
  }

  admit(request: FastifyRequest): OpenConnection {
    return (open) => void openConnection(this.#services, open, this.config, request).close(this.#code, this.#reason)
  }
}

function openConnection(
  services: ServerServices,
  open: OpenStream,
  config: WebSocketConfig,
  request: FastifyRequest
): WebSocketConnection {
  const session = new Session(open, config, services, request.log)
  session.route = request.routeOptions.url ?? ''
  const ws = new WebSocketConnection(session, request, services.shutdown)
  shareSignal(request, ws)
  services.shutdown.add(ws)
  services.events.onOpened?.(ws)
  return ws
}
