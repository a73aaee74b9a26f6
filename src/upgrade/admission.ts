import type { FastifyReply, FastifyRequest } from 'fastify'
import type { WebSocketConfig } from '../config/route-config.ts'
import type { WebSocketConnection } from '../connection/connection.ts'
import { errors } from '../internal/errors.ts'
import { addressOf, networkOf } from '../internal/ip-address.ts'

/** The seconds after which a client that was refused because of a limit may try again. */
export const RETRY_AFTER = 5

type AdmissionLimits = Pick<WebSocketConfig, 'maxConnections' | 'maxConnectionsPerIp'>

/** Counts the open connections of a route and refuses clients above its limits. */
export class Admission {
  readonly #limits: AdmissionLimits
  readonly #networks = new Map<object, string | undefined>()
  readonly #byNetwork = new Map<string, number>()

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  /**
   * Checks the limits, and returns a function that counts the connection once it is open.
   *
   * @throws FST_BLAZE_WS_ROUTE_FULL or FST_BLAZE_WS_TOO_MANY_CONNECTIONS, each with a Retry-After header.
   */
  admit(request: FastifyRequest, reply: FastifyReply): (ws: WebSocketConnection) => void {
    const { maxConnections, maxConnectionsPerIp } = this.#limits
    if (maxConnections === 0 && maxConnectionsPerIp === 0) return countNothing
    const network = maxConnectionsPerIp === 0 ? undefined : networkOfRequest(request)
    const isFull = maxConnections > 0 && this.#networks.size >= maxConnections
    const isNetworkFull = network !== undefined && (this.#byNetwork.get(network) ?? 0) >= maxConnectionsPerIp
    if (!isFull && !isNetworkFull) return (ws) => this.#count(ws, network)
    void reply.header('retry-after', RETRY_AFTER)
    throw isNetworkFull ? new errors.TOO_MANY_CONNECTIONS() : new errors.ROUTE_FULL()
  }

  #count(ws: WebSocketConnection, network: string | undefined): void {
    this.#networks.set(ws, network)
    if (network !== undefined) this.#byNetwork.set(network, (this.#byNetwork.get(network) ?? 0) + 1)
    ws.session.closeState.addListener(this.#onClosed, ws)
  }

  readonly #onClosed = (ws: object): void => {
    const network = this.#networks.get(ws)
    this.#networks.delete(ws)
    if (network === undefined) return
    const left = (this.#byNetwork.get(network) as number) - 1
    if (left > 0) this.#byNetwork.set(network, left)
    else this.#byNetwork.delete(network)
  }
}

function countNothing(): void {}

/** Clients without an address cannot be told apart, so `maxConnectionsPerIp` does not apply to them. */
function networkOfRequest(request: FastifyRequest): string | undefined {
  const address = addressOf(request)
  return address === undefined ? undefined : networkOf(address)
}
