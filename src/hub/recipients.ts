import type { WebSocketConnection } from '../connection/connection.ts'
import { underlying } from '../connection/underlying.ts'
import type { ContractEvent } from '../contract/definition.ts'
import { assertTargetCount, keepValidIds } from '../internal/targets.ts'
import { accepts } from '../connection/audience.ts'
import { callFilter } from './argument-checks.ts'
import type { BroadcastOptions } from './broadcast-options.ts'
import type { Clients } from './clients.ts'

const NOBODY: readonly WebSocketConnection[] = []
const NO_IDS: readonly string[] = []

/** Recipients of a message, each once. */
export type Recipients = ReadonlySet<WebSocketConnection> | readonly WebSocketConnection[]

export function countOf(recipients: Recipients): number {
  return 'size' in recipients ? recipients.size : recipients.length
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
): Recipients {
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
export function excludedIds(options: BroadcastOptions): readonly string[] {
  if (options.except === undefined) return NO_IDS
  return keepValidIds(exclusionsIn(options).map((one) => (typeof one === 'string' ? one : one.id)))
}

/** The connections and ids that the options exclude. */
function exclusionsIn({ except }: BroadcastOptions): readonly (WebSocketConnection | string)[] {
  if (except === undefined) return NOBODY
  const exclusions = [except].flat()
  assertTargetCount('except', exclusions)
  return exclusions.map((one) => (typeof one === 'string' ? one : underlying(one, 'except')))
}
