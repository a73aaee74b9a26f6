import type { RouteStats } from '../observe/stats.ts'
import { biggest, BY_CODE, type Counted, isReport, LINES, NUMBERS, type Report } from './report.ts'
import { type Line, PERIOD, SLOTS } from './timeline.ts'

/** A node of the cluster, as the page shows it. */
export interface NodeRow {
  id: string
  /** `silent`: it has not answered in time. `without`: it has no dashboard, or one of another version. */
  state: 'answers' | 'silent' | 'without'
  uptime?: number
  /** The newest sample. */
  now?: Record<(typeof LINES)[number], number | null>
}

/** What the page shows. */
export interface Overview {
  /** The time between two samples, in milliseconds. */
  period: number
  /** The node that has answered the page. */
  self: string
  nodes: NodeRow[]
  nodeCount: number
  /** The lines of the chosen nodes: sums, and of the delay the longest. */
  lines: Record<(typeof LINES)[number], Line>
  /** The sum of the numbers of `app.wsStats()`; undefined if no chosen node has answered. */
  stats: RouteStats | undefined
  routes: Counted[]
  rooms: Counted[]
  /** How many rooms there are. */
  roomCount: number
  /** Whether that is exact. Otherwise, a room with members on several nodes may count for each of them. */
  isRoomCountExact: boolean
}

/** How many nodes, and how many rooms, the page shows. */
const MAX_NODES = 100
const MAX_ROOMS = 20

/** What the nodes have answered, put together: of all of them, or of one. */
export function overviewOf(
  self: string,
  { answers, missing }: { answers: ReadonlyMap<string, unknown>; missing: readonly string[] },
  node: string | undefined
): Overview {
  const reports = new Map([...answers].filter((answer): answer is [string, Report] => isReport(answer[1])))
  const chosen = node === undefined ? [...reports.values()] : [reports.get(node) ?? []].flat()
  const nodes = [
    ...[...answers.keys()].map((id) => rowOf(id, reports.get(id))),
    ...missing.map((id): NodeRow => ({ id, state: 'silent' }))
  ]
  return {
    period: PERIOD,
    self,
    nodes: nodes.slice(0, MAX_NODES),
    nodeCount: nodes.length,
    lines: linesOf(chosen),
    stats: statsOf(chosen),
    routes: biggest(sumUp(chosen.map(({ routes }) => routes))),
    ...roomsOf(chosen)
  }
}

function roomsOf(reports: readonly Report[]): Pick<Overview, 'rooms' | 'roomCount' | 'isRoomCountExact'> {
  const members = sumUp(reports.map(({ rooms }) => rooms))
  const rooms = biggest(members, MAX_ROOMS)
  // A node names only its largest rooms. If it has more, nobody knows which of them are also on other nodes.
  if (reports.every((report) => report.rooms.length === report.roomCount))
    return { rooms, roomCount: members.size, isRoomCountExact: true }
  const roomCount = reports.reduce((sum, report) => sum + report.roomCount, 0)
  return { rooms, roomCount, isRoomCountExact: reports.length === 1 }
}

function rowOf(id: string, report: Report | undefined): NodeRow {
  if (report === undefined) return { id, state: 'without' }
  const newest = LINES.map((name) => [name, report.lines?.[name].at(-1) ?? null])
  return { id, state: 'answers', uptime: report.uptime, now: Object.fromEntries(newest) as NonNullable<NodeRow['now']> }
}

/** The nodes have their samples at different moments of the five seconds. The newest of each are taken together. */
function linesOf(reports: readonly Report[]): Overview['lines'] {
  const lines = LINES.map((name) => {
    const ofNodes = reports.map((report) => report.lines?.[name] ?? [])
    return [name, Array.from({ length: SLOTS }, (_, i) => together(ofNodes, i - SLOTS, name === 'delay'))]
  })
  return Object.fromEntries(lines) as Overview['lines']
}

function together(lines: readonly Line[], place: number, isLongest: boolean): number | null {
  const values = lines.map((line) => line.at(place) ?? null).filter((value) => value !== null)
  if (values.length === 0) return null
  if (isLongest) return Math.max(...values)
  return Math.round(values.reduce((sum, value) => sum + value, 0) * 10) / 10
}

function statsOf(reports: readonly Report[]): RouteStats | undefined {
  const all = reports.map(({ stats }) => stats).filter((stats) => stats !== undefined)
  if (all.length === 0) return undefined
  const numbers = NUMBERS.map((name) => [name, all.reduce((sum, stats) => sum + stats[name], 0)])
  const byCode = BY_CODE.map((name) => [
    name,
    Object.fromEntries(sumUp(all.map((stats) => Object.entries(stats[name]))))
  ])
  return Object.fromEntries([...numbers, ...byCode]) as RouteStats
}

/** Adds up the counts of each name. */
function sumUp(lists: readonly (readonly Counted[])[]): Map<string, number> {
  const sums = new Map<string, number>()
  for (const [name, count] of lists.flat()) sums.set(name, (sums.get(name) ?? 0) + count)
  return sums
}
