import { isIPv6, type Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { addressOf } from '../internal/address.ts'
import { newConnectionId } from '../internal/connection-id.ts'
import type { Session } from './session.ts'
import { contextOf, type ShutdownState, type WebSocketContext } from './context.ts'
import type { WebSocketLocals } from './locals.ts'

type LocalOf<K extends string> = K extends keyof WebSocketLocals ? WebSocketLocals[K] : unknown

/** Who is connected: the part of a `WebSocketConnection` that its upgrade request settled, and what is kept beside it. */
export abstract class ConnectionIdentity {
  /** The upgrade request. */
  readonly request: FastifyRequest
  /** @internal */
  readonly session: Session
  readonly #shutdown: ShutdownState
  // Made when first asked for: most connections never are.
  #remote: string | undefined
  #local: string | undefined
  #id: string | undefined
  #locals: Map<string, unknown> | undefined
  #context: WebSocketContext | undefined

  /** @internal */
  constructor(session: Session, request: FastifyRequest, shutdown: ShutdownState) {
    this.session = session
    this.request = request
    this.#shutdown = shutdown
    // Node remembers the address of a socket that is gone only where it was asked for it before.
    void addressesOf(session, request).remoteAddress
  }

  /** Unique for each connection, also among all nodes. A hub takes it in the place of a room, and means this connection. */
  get id(): string {
    return (this.#id ??= newConnectionId())
  }

  /** The subprotocol that was chosen; `''` where there is none. */
  get protocol(): string {
    return this.session.socket.protocol
  }

  /** `ip:port` of the client (`[ip]:port` for IPv6); the ip is that of Fastify's `trustProxy`. */
  remoteAddr(): string {
    return (this.#remote ??= address(addressOf(this.request), addressesOf(this.session, this.request).remotePort))
  }

  /** `ip:port` of our side; `''` where the client cut the connection before this was first asked for. */
  localAddr(): string {
    return (this.#local ??= this.#localAddress())
  }

  #localAddress(): string {
    const { localAddress, localPort } = addressesOf(this.session, this.request)
    return address(localAddress, localPort)
  }

  /** The User-Agent header of the upgrade request; `''` where it is absent. */
  userAgent(): string {
    return this.header('user-agent')
  }

  /** A header of the upgrade request, its name in any case; `''` where it is absent. */
  header(name: string): string {
    const headers = this.request.headers
    const key = name.toLowerCase()
    const value = Object.hasOwn(headers, key) ? headers[key] : undefined
    return Array.isArray(value) ? value.join(', ') : (value ?? '')
  }

  /** The request, its parameters and logger, and the server's shutdown. */
  context(): WebSocketContext {
    return (this.#context ??= contextOf(this.request, this.#shutdown))
  }

  /** Keeps a value for as long as the connection lives. */
  setLocal<K extends string>(key: K, value: LocalOf<K>): void {
    ;(this.#locals ??= new Map()).set(key, value)
  }

  /** What `setLocal` kept under this key. */
  getLocal<K extends keyof WebSocketLocals>(key: K): WebSocketLocals[K] | undefined
  getLocal<T = unknown>(key: string): T | undefined
  getLocal(key: string): unknown {
    return this.#locals?.get(key)
  }
}

/** What knows the addresses: the stream of an upgrade with a body does not (Node 26), and a pair of streams in memory has none. */
function addressesOf({ raw }: Session, request: FastifyRequest): Partial<Socket> {
  return 'remoteAddress' in raw ? (raw as Socket) : (request.raw.socket ?? {})
}

function address(ip: string | undefined, port: number | undefined): string {
  if (ip === undefined) return ''
  return `${isIPv6(ip) ? `[${ip}]` : ip}:${port ?? 0}`
}
