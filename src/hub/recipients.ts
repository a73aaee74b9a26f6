import { WebSocketConnection } from '../connection/connection.ts'
import { describe, errors } from '../internal/errors.ts'
import type { MessageType } from '../internal/message.ts'
import { assertKeys } from '../internal/validate.ts'
import { assertTargetCount, checkTargets, keepValidIds } from '../internal/targets.ts'
import type { Clients } from './clients.ts'

/** Who gets a broadcast, and as what. */
export interface BroadcastOptions {
  /** @default TextMessage */
  type?: MessageType
  /** Only to the members of this room, or to the connection with this `id` on any node. With several, to each once. */
  to?: string | readonly string[]
  /** Not to these: connections, or the `id`s of connections on any node. */
  except?: WebSocketConnection | string | readonly (WebSocketConnection | string)[]
  /**
   * Only to those it returns true for. It is asked before anything is sent. A function cannot travel: with a filter, only the
   * clients of this node get the message.
   */
  filter?: (ws: WebSocketConnection) => boolean
  /** Only to the clients of this node. @default false */
  local?: boolean
}

/** What `to()` was given, to broadcast to. */
export interface RoomTarget {
  broadcast(data: string | Uint8Array, options?: Omit<BroadcastOptions, 'to'>): number
  broadcastJSON(value: unknown, options?: Omit<BroadcastOptions, 'to'>): number
}

const KEYS = ['type', 'to', 'except', 'filter', 'local']

/** Those of a hub's clients whom the targets name, all if they are undefined, without those whom the options leave out. */
export function recipientsOf(
  clients: Clients,
  targets: readonly string[] | undefined,
  options: BroadcastOptions
): Iterable<WebSocketConnection> {
  const { filter } = options
  const all = targets === undefined ? clients.all : clients.namedByAny(targets)
  const excluded = excludedBy(options)
  if (excluded.length === 0 && filter === undefined) return all
  const not = new Set(excluded)
  const isExcluded = excluded.some((one) => typeof one === 'string')
    ? (ws: WebSocketConnection) => not.has(ws) || not.has(ws.id)
    : (ws: WebSocketConnection) => not.has(ws)
  return [...all].filter((ws) => !isExcluded(ws) && (filter === undefined || answer(filter(ws))))
}

/** Whom the options exclude: connections and ids. */
function excludedBy({ except = [] }: BroadcastOptions): (WebSocketConnection | string)[] {
  const excluded = [except].flat()
  assertTargetCount('except', excluded)
  for (const one of excluded) if (typeof one !== 'string') assertConnection(one, 'except')
  return excluded
}

/** The ids of those whom the options exclude; what cannot be an id excludes nobody. */
export function excludedIds(options: BroadcastOptions): string[] {
  return keepValidIds(excludedBy(options).map((one) => (typeof one === 'string' ? one : one.id)))
}

/** A mistake in the options must not send to everybody: what is unknown, undefined or of the wrong type throws. */
export function assertOptions(options: BroadcastOptions): void {
  assertKeys('options', options, KEYS)
  if (options.local !== undefined && typeof options.local !== 'boolean') {
    throw new errors.INVALID_ARGUMENT('local', `must be a boolean, got ${describe(options.local)}`)
  }
  if (options.filter !== undefined && typeof options.filter !== 'function') {
    throw new errors.INVALID_ARGUMENT('filter', `must be a function, got ${describe(options.filter)}`)
  }
}

/** Where `disconnect` closes. */
export interface DisconnectOptions {
  /** Only clients of this node. @default false */
  local?: boolean
}

/** Whom `disconnect` closes: a room, the `id` of a connection, connections, several of these, or a filter over all clients of the hub. */
export type DisconnectTarget =
  | string
  | readonly string[]
  | WebSocketConnection
  | readonly WebSocketConnection[]
  | ((ws: WebSocketConnection) => boolean)

/** The registered connections that a target names, each once. */
export function connectionsOf(clients: Clients, target: DisconnectTarget): WebSocketConnection[] {
  if (typeof target === 'function') return [...clients.all].filter((ws) => answer(target(ws)))
  const named = new Set(clients.namedByAny(namesIn(target)))
  for (const one of [target].flat() as unknown[]) {
    if (typeof one === 'string') continue
    assertTarget(one)
    if (clients.has(one)) named.add(one)
  }
  return [...named]
}

/** A promise is truthy: an async filter would let everybody pass. */
function answer(value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw new errors.INVALID_ARGUMENT('filter', `must return a boolean, got ${describe(value)}`)
}

/** Throws where a value is no connection. */
export function assertConnection(ws: unknown, name = 'ws'): asserts ws is WebSocketConnection {
  if (!(ws instanceof WebSocketConnection)) {
    throw new errors.INVALID_ARGUMENT(name, `must be the WebSocketConnection that a handler gets, got ${describe(ws)}`)
  }
}

function assertTarget(target: unknown): asserts target is WebSocketConnection {
  if (target instanceof WebSocketConnection) return
  throw new errors.INVALID_ARGUMENT(
    'target',
    `must be a room, the id of a connection, a WebSocketConnection, an array of these, or a function (ws) => boolean, got ${describe(target)}`
  )
}

/** The rooms and ids that a target names. */
export function namesIn(target: DisconnectTarget): readonly string[] {
  return checkTargets(
    ([target].flat() as unknown[]).filter((one) => typeof one === 'string'),
    'target'
  )
}
