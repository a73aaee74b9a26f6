import type { WebSocketConnection } from '../connection/connection.ts'
import { type AnyConnection, isConnection, underlying } from '../connection/underlying.ts'
import { describe, errors } from '../internal/errors.ts'
import { checkTargets } from '../internal/targets.ts'
import { assertKeys } from '../internal/validate.ts'
import { assertLocal, callFilter } from './argument-checks.ts'
import type { Clients } from './clients.ts'

/** The options of `hub.disconnect()`. */
export interface DisconnectOptions {
  /** Disconnect only clients of this node. @default false */
  local?: boolean
}

/**
 * Which clients `hub.disconnect()` closes: the members of a room, the connection with an `id`, a connection, a list of these, or
 * all clients of this node for which a function returns true.
 */
export type DisconnectTarget =
  string | readonly string[] | AnyConnection | readonly AnyConnection[] | ((ws: WebSocketConnection) => boolean)

/** Throws for an unknown option or a wrong type: a mistyped `local` would disconnect clients of other nodes. */
export function assertDisconnectOptions(options: DisconnectOptions): void {
  assertKeys('options', options, ['local'])
  assertLocal(options.local)
}

/** Selects the clients of this node to disconnect, each once. `targets` are the rooms and ids in `target`. */
export function selectClients(
  clients: Clients,
  target: DisconnectTarget,
  targets: readonly string[]
): WebSocketConnection[] {
  if (typeof target === 'function') return [...clients.all].filter((ws) => callFilter(target, ws))
  const selected = new Set(clients.findByTargets(targets))
  for (const one of [target].flat() as unknown[]) {
    if (typeof one === 'string') continue
    const ws = connectionOf(one)
    if (clients.has(ws)) selected.add(ws)
  }
  return [...selected]
}

/** The rooms and ids to disconnect; none if the target is a function. Only these can be sent to other nodes. */
export function roomsAndIdsIn(target: DisconnectTarget): readonly string[] {
  return checkTargets(
    ([target].flat() as unknown[]).filter((one) => typeof one === 'string'),
    'target'
  )
}

function connectionOf(target: unknown): WebSocketConnection {
  if (isConnection(target)) return underlying(target)
  throw new errors.INVALID_ARGUMENT(
    'target',
    `must be a room, the id of a connection, a WebSocketConnection, an array of these, or a function (ws) => boolean, got ${describe(target)}`
  )
}
