import type { FastifyReply, FastifyRequest } from 'fastify'
import type { WebSocketConfig } from '../config/route-config.ts'
import type { OpenStream } from '../connection/session.ts'

/** Opens a connection after its handshake. It must not throw. */
export type OpenConnection = (open: OpenStream) => void

/** The server's end of a connection: a route's handler, or a refusal that closes the connection at once. */
export interface Endpoint {
  readonly config: WebSocketConfig
  /** Returns a function that opens the connection after the handshake. Throws if a limit of the route is reached. */
  admit(request: FastifyRequest, reply: FastifyReply): OpenConnection
}
