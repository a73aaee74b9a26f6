import type { ConnectionObserver } from '../connection/events.ts'
import type { Session } from '../connection/session.ts'

/** The numbers of a route, or of all routes. `open` is current; the others count from the start of the server. */
export interface RouteStats {
  /** Connections that are open. */
  open: number
  /** Connections that were opened. */
  opened: number
  /** Upgrades that were answered with an HTTP status, by this status. */
  refused: Record<string, number>
  /** Connections that were closed, by their close code. A code from 3000 that the client chose counts as `3xxx` or `4xxx`. */
  closed: Record<string, number>
  /** Messages of clients. */
  messagesIn: number
  /** Messages to clients that were accepted. Those that were dropped later count, too. */
  messagesOut: number
  /** The payload bytes of messages of clients, after decompression. */
  bytesIn: number
  /** The bytes of all frames to clients, control frames included, after compression. */
  bytesOut: number
  /** Handlers that have failed, and calls of contracts that have failed with an internal error. */
  errors: number
  /** How often a client was called slow: its send queue was full. */
  slow: number
}

/** The numbers of a server, as `app.wsStats()` returns them. */
export interface WebSocketStats {
  total: RouteStats
  /** By the patterns of the routes, such as `/rooms/:id`, that a client has asked for. `''` has the refused upgrades for which no WebSocket route was found. */
  routes: Record<string, RouteStats>
}

/** The first close code that applications define. */
const FIRST_OWN_CODE = 3_000
const TRAFFIC = ['messagesIn', 'messagesOut', 'bytesIn', 'bytesOut'] as const
const COUNTS = ['open', 'opened', ...TRAFFIC, 'errors', 'slow'] as const

/**
 * Counts what happens on the routes of a server. Nothing is counted per message: each session counts its own, and they are summed
 * when someone asks.
 */
export class ServerStats implements ConnectionObserver {
  readonly #routes = new Map<string, RouteCounter>()

  read(): WebSocketStats {
    const routes = [...this.#routes].map(([route, counter]) => [route, counter.read()] as const)
    const total = noStats()
    for (const [, stats] of routes) addStats(total, stats)
    return { total, routes: Object.fromEntries(routes) }
  }

  // ---- The observer. These are properties, because `ConnectionEvents.add` looks for properties.

  readonly onRefused: ConnectionObserver['onRefused'] & {} = (_request, status, route) => {
    countIn(this.#of(route).stats.refused, String(status))
  }

  readonly onOpened: ConnectionObserver['onOpened'] & {} = ({ session }) => this.#of(session.route).open(session)

  readonly onClosed: ConnectionObserver['onClosed'] & {} = ({ session }) => this.#of(session.route).close(session)

  readonly onSlow: ConnectionObserver['onSlow'] & {} = ({ route }) => void this.#of(route).stats.slow++

  readonly onFailed: ConnectionObserver['onFailed'] & {} = ({ route }) => void this.#of(route).stats.errors++

  #of(route: string): RouteCounter {
    let counter = this.#routes.get(route)
    if (counter === undefined) this.#routes.set(route, (counter = new RouteCounter()))
    return counter
  }
}

/** The open sessions of a route, and the numbers without their traffic. */
class RouteCounter {
  readonly stats = noStats()
  readonly #open = new Set<Session>()

  open(session: Session): void {
    this.#open.add(session)
    this.stats.opened++
  }

  close(session: Session): void {
    this.#open.delete(session)
    addTraffic(this.stats, session)
    countIn(this.stats.closed, keyOfCode(session))
  }

  read(): RouteStats {
    const { refused, closed } = this.stats
    const stats = { ...this.stats, open: this.#open.size, refused: { ...refused }, closed: { ...closed } }
    for (const session of this.#open) addTraffic(stats, session)
    return stats
  }
}

/** Clients must not be able to add keys at will. */
function keyOfCode({ closeState: { cause, isByClient } }: Session): string {
  const { code } = cause as { code: number }
  return isByClient && code >= FIRST_OWN_CODE ? `${Math.floor(code / 1_000)}xxx` : String(code)
}

function noStats(): RouteStats {
  return {
    open: 0,
    opened: 0,
    refused: {},
    closed: {},
    messagesIn: 0,
    messagesOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    errors: 0,
    slow: 0
  }
}

function addStats(sum: RouteStats, stats: RouteStats): void {
  for (const key of COUNTS) sum[key] += stats[key]
  for (const by of ['refused', 'closed'] as const)
    for (const [key, count] of Object.entries(stats[by])) countIn(sum[by], key, count)
}

function addTraffic(stats: RouteStats, session: Pick<Session, (typeof TRAFFIC)[number]>): void {
  stats.messagesIn += session.messagesIn
  stats.messagesOut += session.messagesOut
  stats.bytesIn += session.bytesIn
  stats.bytesOut += session.bytesOut
}

function countIn(counts: Record<string, number>, key: string, count = 1): void {
  counts[key] = (counts[key] ?? 0) + count
}
