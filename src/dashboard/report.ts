import type { WebSocketHub } from '../hub/hub.ts'
import type { RouteStats, WebSocketStats } from '../observe/stats.ts'
import { largest } from './largest.ts'
import type { Sampler } from './sampler.ts'
import type { Line, Lines } from './timeline.ts'

/** A name and a number that belongs to it. */
export type Counted = [name: string, count: number]

/** What a node tells of itself, or of one of its routes. It has a bounded size, whatever the clients do. */
export interface Report {
  /** For how long the process has been running, in seconds. */
  uptime: number
  /** The last ten minutes; undefined if nothing has happened on the route. */
  lines: (Lines & { delay: Line }) | undefined
  /** The numbers of `app.wsStats()`; undefined if the node does not have the route. */
  stats: RouteStats | undefined
  /** The routes with the most connections, and how many. */
  routes: Counted[]
  /** The largest rooms, and how many members each has on this node. */
  rooms: Counted[]
  /** How many rooms the node has. */
  roomCount: number
}

/** How many routes, and how many rooms, a node reports. */
export const MAX_REPORTED = 100

export function reportOf(
  { hub, sampler, read }: { hub: WebSocketHub; sampler: Sampler; read: () => WebSocketStats },
  route: string | undefined
): Report {
  const stats = read()
  return {
    uptime: Math.round(process.uptime()),
    lines: sampler.lines(route),
    stats: route === undefined ? stats.total : ownValue(stats.routes, route),
    routes: biggest(Object.entries(stats.routes).map(([name, { open }]): Counted => [name, open])),
    rooms: biggest(hub.roomSizes()),
    roomCount: hub.stats().rooms
  }
}

/** The entries with the largest counts. */
export function biggest(counted: Iterable<Counted>, count = MAX_REPORTED): Counted[] {
  return largest(counted, ([, number]) => number, count)
}

/** Names of routes come from the page: `__proto__` must not be found. */
function ownValue<T>(values: Record<string, T>, key: string): T | undefined {
  return Object.hasOwn(values, key) ? values[key] : undefined
}

/** Whether what another node has answered is a report. The other node may have another version of this package. */
export function isReport(value: unknown): value is Report {
  const { uptime, lines, stats, routes, rooms, roomCount } = (value ?? {}) as Partial<Report>
  return (
    typeof uptime === 'number' &&
    (lines === undefined || LINES.every((name) => isLine(lines?.[name]))) &&
    (stats === undefined || isStats(stats)) &&
    isCountedList(routes) &&
    isCountedList(rooms) &&
    typeof roomCount === 'number'
  )
}

/** The names of the lines. */
export const LINES = ['open', 'messagesIn', 'messagesOut', 'refused', 'slow', 'delay'] as const
/** The names of the numbers of a route. */
export const NUMBERS = ['open', 'opened', 'messagesIn', 'messagesOut', 'bytesIn', 'bytesOut', 'errors', 'slow'] as const
/** The names of the numbers by status and by close code. */
export const BY_CODE = ['refused', 'closed'] as const

function isLine(value: unknown): value is Line {
  return Array.isArray(value) && value.every((one) => one === null || typeof one === 'number')
}

function isStats(value: RouteStats): boolean {
  return (
    value !== null &&
    NUMBERS.every((name) => typeof value[name] === 'number') &&
    BY_CODE.every((name) => Object.values(value[name] ?? [null]).every((count) => typeof count === 'number'))
  )
}

function isCountedList(value: unknown): value is Counted[] {
  return (
    Array.isArray(value) &&
    value.length <= MAX_REPORTED &&
    value.every((one: unknown) => Array.isArray(one) && typeof one[0] === 'string' && typeof one[1] === 'number')
  )
}
