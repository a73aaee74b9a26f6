import type { WebSocketConnection } from '../connection/connection.ts'
import { type AnyConnection, underlying } from '../connection/underlying.ts'
import type { ContractEvent } from '../contract/definition.ts'
import type { AnyContract, Data, In, Of } from '../contract/types.ts'
import type { StreamTarget } from '../history/stream-target.ts'
import { describe, errors } from '../internal/errors.ts'
import type { MessageType } from '../internal/message.ts'
import { assertTargetCount, keepValidIds } from '../internal/targets.ts'
import { assertKeys } from '../internal/validate.ts'
import { accepts } from '../connection/audience.ts'
import { assertLocal, callFilter } from './argument-checks.ts'
import type { Clients } from './clients.ts'

/** Who gets a broadcast, and as which type of message. */
export interface BroadcastOptions {
  /** `TextMessage` or `BinaryMessage`. @default TextMessage */
  type?: MessageType
  /**
   * Only the members of this room get it, or the connection with this `id` on any node. It may be a list of up to 1024 rooms and
   * ids; each connection gets the message once. @default all clients
   */
  to?: string | readonly string[]
  /** These do not get it: connections, or `id`s of connections on any node, 1024 at most. @default none */
  except?: AnyConnection | string | readonly (AnyConnection | string)[]
  /**
   * Only the clients for which it returns true get it. It is called for all of them before anything is sent. Only clients of this
   * node get a broadcast with a filter, because a function cannot be sent to other nodes. @default none
   */
  filter?: (ws: WebSocketConnection) => boolean
  /** Only the clients of this node get it. @default false */
  local?: boolean
}

/** The rooms and ids that were passed to `hub.to()`. */
export interface RoomTarget extends StreamTarget {
  /** Sends to these rooms and ids. See `WebSocketHub.broadcast`. */
  broadcast(data: string | Uint8Array, options?: Omit<BroadcastOptions, 'to'>): number
  /** Sends a value as JSON to these rooms and ids. See `WebSocketHub.broadcastJSON`. */
  broadcastJSON(value: unknown, options?: Omit<BroadcastOptions, 'to'>): number
  /** Sends an event of a contract to these rooms and ids. See `WebSocketHub.broadcast`. */
  broadcast<C extends AnyContract, E extends keyof Of<C, 'fromServer'> & string>(
    contract: C,
    event: E,
    ...data: Data<In<Of<C, 'fromServer'>[E]>, [options?: Omit<BroadcastOptions, 'to' | 'type'>]>
  ): number
}

const KEYS = ['type', 'to', 'except', 'filter', 'local']

/** Throws for an unknown option or a wrong type. A mistake in the options must not send the message to all clients. */
export function assertBroadcastOptions(options: BroadcastOptions): void {
  assertKeys('options', options, KEYS)
  assertLocal(options.local)
  if (options.filter !== undefined && typeof options.filter !== 'function') {
    throw new errors.INVALID_ARGUMENT('filter', `must be a function, got ${describe(options.filter)}`)
  }
}

/**
 * Selects the recipients of a broadcast among the clients of this node. Without `except` and `filter`, all clients and the members of one
 * room are the same set each time, which a `BroadcastGroup` recognizes.
 *
 * @param targets undefined: all clients.
 */
export function selectRecipients(
  clients: Clients,
  targets: readonly string[] | undefined,
  options: BroadcastOptions,
  audience: ContractEvent | undefined
): Iterable<WebSocketConnection> {
  const { filter } = options
  const named = targets === undefined ? clients.all : clients.findByTargets(targets)
  const all = clients.allAccept(audience) ? named : [...named].filter((ws) => accepts(ws.session.contract, audience))
  const exclusions = exclusionsIn(options)
  if (exclusions.length === 0 && filter === undefined) return all
  const excluded = new Set(exclusions)
  const isExcluded = exclusions.some((one) => typeof one === 'string')
    ? (ws: WebSocketConnection) => excluded.has(ws) || excluded.has(ws.id)
    : (ws: WebSocketConnection) => excluded.has(ws)
  return [...all].filter((ws) => !isExcluded(ws) && (filter === undefined || callFilter(filter, ws)))
}

/** The ids of all connections that the options exclude, for other nodes. */
export function excludedIds(options: BroadcastOptions): string[] {
  return keepValidIds(exclusionsIn(options).map((one) => (typeof one === 'string' ? one : one.id)))
}

/** The connections and ids that the options exclude. */
function exclusionsIn({ except = [] }: BroadcastOptions): (WebSocketConnection | string)[] {
  const exclusions = [except].flat()
  assertTargetCount('except', exclusions)
  return exclusions.map((one) => (typeof one === 'string' ? one : underlying(one, 'except')))
}
