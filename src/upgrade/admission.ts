import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Keeper } from '../connection/close-state.ts'
import { errors } from '../internal/errors.ts'
import { addressOf, networkOf } from '../internal/address.ts'

/** When a client that was refused for want of room may try again, in seconds. */
export const RETRY_AFTER = 5

/** How many connections a route may have open; 0 = without limit. */
export interface AdmissionLimits {
  maxConnections: number
  maxConnectionsPerIp: number
}

/** What the limits count: a connection. */
interface Admitted {
  readonly session: { readonly closeState: { keptBy(keeper: Keeper, connection: object): void } }
}

/** Counts the open connections of a route, and refuses those over its limits. */
export class Admission implements Keeper {
  readonly #limits: AdmissionLimits
  readonly #networks = new Map<object, string | undefined>()
  readonly #byNetwork = new Map<string, number>()

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  /**
   * Says how to count the connection once it is open.
   *
   * @throws FST_BLAZE_WS_ROUTE_FULL or FST_BLAZE_WS_TOO_MANY_CONNECTIONS, each with a Retry-After header.
   */
  admit(request: FastifyRequest, reply: FastifyReply): (ws: Admitted) => void {
    const { maxConnections, maxConnectionsPerIp } = this.#limits
    if (maxConnections === 0 && maxConnectionsPerIp === 0) return countNothing
    const network = maxConnectionsPerIp === 0 ? undefined : networkOfRequest(request)
    const isFull = maxConnections > 0 && this.#networks.size >= maxConnections
    const isGreedy = network !== undefined && (this.#byNetwork.get(network) ?? 0) >= maxConnectionsPerIp
    if (!isFull && !isGreedy) return (ws) => this.#count(ws, network)
    void reply.header('retry-after', RETRY_AFTER)
    throw isGreedy ? new errors.TOO_MANY_CONNECTIONS() : new errors.ROUTE_FULL()
  }

  #count(ws: Admitted, network: string | undefined): void {
    this.#networks.set(ws, network)
    if (network !== undefined) this.#byNetwork.set(network, (this.#byNetwork.get(network) ?? 0) + 1)
    ws.session.closeState.keptBy(this, ws)
  }

  forget(ws: object): void {
    const network = this.#networks.get(ws)
    this.#networks.delete(ws)
    if (network === undefined) return
    const left = (this.#byNetwork.get(network) as number) - 1
    if (left > 0) this.#byNetwork.set(network, left)
    else this.#byNetwork.delete(network)
  }
}

function countNothing(): void {}

/** Clients without an address cannot be told apart: no limit for one address applies to them. */
function networkOfRequest(request: FastifyRequest): string | undefined {
  const address = addressOf(request)
  return address === undefined ? undefined : networkOf(address)
}
