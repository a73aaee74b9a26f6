import { isIPv4 } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Keeper } from '../connection/ending.ts'
import { errors } from '../errors.ts'

/** When a client that was refused for want of room may try again, in seconds. */
export const RETRY_AFTER = 5

/** How many connections a route may have open; 0 = without limit. */
export interface AdmissionLimits {
  maxConnections: number
  maxConnectionsPerIp: number
}

/** What the limits count: a connection with its request. */
interface Admitted {
  readonly request: FastifyRequest
  readonly channel: { readonly ending: { keptBy(keeper: Keeper, connection: object): void } }
}

/** Counts the open connections of a route, and refuses those over its limits. */
export class Admission implements Keeper {
  readonly #limits: AdmissionLimits
  readonly #keys = new Map<object, string>()
  readonly #byKey = new Map<string, number>()

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  /** True where there is nothing to count. */
  get isUnlimited(): boolean {
    return this.#limits.maxConnections === 0 && this.#limits.maxConnectionsPerIp === 0
  }

  /** @throws FST_BLAZE_WS_ROUTE_FULL or FST_BLAZE_WS_TOO_MANY_CONNECTIONS, each with a Retry-After header. */
  assertRoom(request: FastifyRequest, reply: FastifyReply): void {
    if (this.isUnlimited) return
    const { maxConnections, maxConnectionsPerIp } = this.#limits
    const isFull = maxConnections > 0 && this.#keys.size >= maxConnections
    const isGreedy = maxConnectionsPerIp > 0 && (this.#byKey.get(networkOf(request.ip)) ?? 0) >= maxConnectionsPerIp
    if (!isFull && !isGreedy) return
    void reply.header('retry-after', RETRY_AFTER)
    throw isGreedy ? new errors.TOO_MANY_CONNECTIONS() : new errors.ROUTE_FULL()
  }

  /** Counts a connection until it is closed. */
  add(ws: Admitted): void {
    if (this.isUnlimited) return
    const key = networkOf(ws.request.ip)
    this.#keys.set(ws, key)
    this.#byKey.set(key, (this.#byKey.get(key) ?? 0) + 1)
    ws.channel.ending.keptBy(this, ws)
  }

  forget(ws: object): void {
    const key = this.#keys.get(ws)
    if (key === undefined) return
    this.#keys.delete(ws)
    const left = (this.#byKey.get(key) as number) - 1
    if (left > 0) this.#byKey.set(key, left)
    else this.#byKey.delete(key)
  }
}

/** Whom an address belongs to: an IPv6 client has a network of 64 bits to itself (RFC 6177), an IPv4 client one address. */
export function networkOf(ip: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)?.[1]
  if (mapped !== undefined || isIPv4(ip) || !ip.includes(':')) return mapped ?? ip
  const [head = '', tail] = (ip.split('%')[0] as string).split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  // An IPv4 address at the end stands for two groups.
  const missing = tail === undefined ? 0 : 8 - front.length - back.length - (ip.includes('.') ? 1 : 0)
  const groups = [...front, ...Array.from({ length: missing }, () => '0'), ...back]
  return `${groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}
