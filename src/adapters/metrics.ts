import type { FastifyInstance } from 'fastify'
import type { WebSocketHub } from '../hub/hub.ts'
import { microtask } from '../internal/event-loop.ts'
import type { RouteStats } from '../observe/stats.ts'

/** A label's value says which of several series of a metric this is. */
export type Labels = Readonly<Record<string, string>>

/** The value of one series. */
export type Sample = readonly [value: number, labels: Labels]

/** A metric whose values are read when someone asks, so that messages cost nothing more. */
export interface Metric {
  /** Without the name of the package, in the style of OpenTelemetry. */
  readonly name: string
  readonly kind: 'counter' | 'gauge'
  readonly unit: string
  readonly help: string
  readonly labels: readonly string[]
  readonly read: (report: Report) => Iterable<Sample>
}

/** The numbers of a hub, with what `labels` calls it. */
interface HubReport {
  readonly labels: Labels
  readonly stats: ReturnType<WebSocketHub['stats']>
  /** Undefined if the hub has no broker. */
  readonly cluster: ReturnType<WebSocketHub['cluster']['stats']> | undefined
}

/** All numbers at one time. */
export interface Report {
  readonly routes: readonly (readonly [route: string, stats: RouteStats])[]
  readonly hubs: readonly HubReport[]
}

/** Every metric. Their labels are patterns of routes, codes and names of hubs: clients cannot make new series. */
export const METRICS: readonly Metric[] = [
  ofRoutes('gauge', 'connections', '{connection}', 'Open connections.', ({ open }) => open),
  ofRoutes('counter', 'connections.opened', '{connection}', 'Connections that were opened.', ({ opened }) => opened),
  byKey('closed', 'code', '{connection}', 'Closed connections by close code.', ({ closed }) => closed),
  byKey('refused', 'status', '{request}', 'Upgrades refused with an HTTP status.', ({ refused }) => refused),
  byDirection('messages', '{message}', 'Messages from clients and to clients.', (stats) => [
    stats.messagesIn,
    stats.messagesOut
  ]),
  byDirection('bytes', 'By', 'Payload bytes from clients, and frame bytes to clients.', (stats) => [
    stats.bytesIn,
    stats.bytesOut
  ]),
  ofRoutes('counter', 'errors', '{error}', 'Handlers and calls that failed.', ({ errors }) => errors),
  ofRoutes('counter', 'slow', '{event}', 'How often the send queue of a client was full.', ({ slow }) => slow),

  ofHubs('gauge', 'hub.clients', '{connection}', 'Connections in the hub.', ({ clients }) => clients),
  ofHubs('gauge', 'hub.rooms', '{room}', 'Rooms with members on this node.', ({ rooms }) => rooms),
  ofHubs('counter', 'hub.messages', '{message}', 'Broadcasts, once per recipient.', (stats) => stats.messagesSent),
  ofHubs(
    'counter',
    'hub.bytes',
    'By',
    'Payload bytes of broadcasts, once per recipient.',
    ({ bytesSent }) => bytesSent
  ),
  ofHubs('counter', 'hub.drops', '{message}', 'Messages dropped for slow clients.', ({ drops }) => drops),
  ofHubs(
    'counter',
    'hub.slow_disconnects',
    '{connection}',
    'Clients closed because they were slow.',
    (stats) => stats.slowDisconnects
  ),

  ofClusters('gauge', 'degraded', '1', '1 while the engine cannot be reached.', ({ isDegraded }) => Number(isDegraded)),
  ofClusters('counter', 'published', '{message}', 'Messages that the engine accepted.', ({ published }) => published),
  ofClusters(
    'counter',
    'unpublished',
    '{message}',
    'Messages that may not have reached other nodes.',
    (stats) => stats.unpublished
  ),
  ofClusters('counter', 'received', '{message}', 'Messages of other nodes.', ({ received }) => received),
  ofClusters('counter', 'missed', '{message}', 'Messages of other nodes that were lost.', ({ missed }) => missed)
]

/** Reads the numbers of a server and its hubs. What is read in one turn is read once: a scrape asks for each metric. */
export class Reporter {
  readonly #app: FastifyInstance
  readonly #hubs: readonly (readonly [Labels, WebSocketHub])[]
  #current: Report | undefined

  /** @param hubs the hubs by the values of their label. */
  constructor(app: FastifyInstance, hubs: Readonly<Record<string, WebSocketHub>>) {
    this.#app = app
    this.#hubs = Object.entries(hubs).map(([hub, instance]) => [{ hub }, instance] as const)
  }

  read(): Report {
    if (this.#current === undefined) {
      this.#current = {
        routes: Object.entries(this.#app.wsStats().routes),
        hubs: this.#hubs.map(([labels, hub]) => ({ labels, stats: hub.stats(), cluster: clusterStats(hub) }))
      }
      microtask(() => {
        this.#current = undefined
      })
    }
    return this.#current
  }
}

function clusterStats({ cluster }: WebSocketHub): HubReport['cluster'] {
  return cluster.id === '' ? undefined : cluster.stats()
}

type Kind = Metric['kind']

function ofRoutes(kind: Kind, name: string, unit: string, help: string, value: (stats: RouteStats) => number): Metric {
  const read: Metric['read'] = ({ routes }) => routes.map(([route, stats]) => [value(stats), { route }])
  return { name, kind, unit, help, labels: ['route'], read }
}

/** A counter that the statistics of a route have by a key, such as a close code. */
function byKey(
  name: string,
  label: string,
  unit: string,
  help: string,
  counts: (stats: RouteStats) => Record<string, number>
): Metric {
  const read: Metric['read'] = ({ routes }) =>
    routes.flatMap(([route, stats]) =>
      Object.entries(counts(stats)).map(([key, count]): Sample => [count, { route, [label]: key }])
    )
  return { name, kind: 'counter', unit, help, labels: ['route', label], read }
}

function byDirection(
  name: string,
  unit: string,
  help: string,
  counts: (stats: RouteStats) => [number, number]
): Metric {
  const read: Metric['read'] = ({ routes }) =>
    routes.flatMap(([route, stats]): Sample[] => {
      const [received, sent] = counts(stats)
      return [
        [received, { route, direction: 'in' }],
        [sent, { route, direction: 'out' }]
      ]
    })
  return { name, kind: 'counter', unit, help, labels: ['route', 'direction'], read }
}

function ofHubs(
  kind: Kind,
  name: string,
  unit: string,
  help: string,
  value: (stats: HubReport['stats']) => number
): Metric {
  const read: Metric['read'] = ({ hubs }) => hubs.map(({ stats, labels }) => [value(stats), labels])
  return { name, kind, unit, help, labels: ['hub'], read }
}

function ofClusters(
  kind: Kind,
  name: string,
  unit: string,
  help: string,
  value: (stats: HubReport['cluster'] & {}) => number
): Metric {
  const read: Metric['read'] = ({ hubs }) =>
    hubs.flatMap(({ cluster, labels }): Sample[] => (cluster === undefined ? [] : [[value(cluster), labels]]))
  return { name: `cluster.${name}`, kind, unit, help, labels: ['hub'], read }
}
