import { type FastifyInstance } from 'fastify'
import type { Cluster } from '../cluster/cluster.ts'
import { openConnections } from '../plugin/open-connections.ts'
import { type ConnectionDetails, type ConnectionRow, Connections, isRow, MAX_ROWS, type Order } from './connections.ts'
import { type Overview, overviewOf } from './overview.ts'
import { reportOf } from './report.ts'
import type { Sampler } from './sampler.ts'

/** Under this name the dashboards of all nodes ask each other. */
const NAME = 'fastify-blaze-ws:dashboard'

/** What one dashboard asks the others. */
type Question =
  | { type: 'report'; route?: string | undefined }
  | { type: 'list'; order: Order }
  | { type: 'details'; id: string }
  | { type: 'disconnect'; id: string }

/** A list of connections, and the nodes that are missing in it. */
export interface ConnectionList {
  connections: (ConnectionRow & { node: string })[]
  missing: string[]
}

/** Something of one connection; undefined if no node that has answered has this connection. */
export interface Found<T> {
  found: (T & { node: string }) | undefined
  missing: string[]
}

/** Asks all nodes what the page shows, and answers for this one. */
export class Questions {
  readonly #cluster: Cluster

  constructor(app: FastifyInstance, sampler: Sampler) {
    const hub = app.wsHub
    const connections = new Connections(openConnections.get(app.server) ?? new Set(), hub)
    const source = { hub, sampler, read: () => app.wsStats() }
    this.#cluster = hub.cluster
    this.#cluster.respond(NAME, (data) => {
      // Another node may have another version of this package.
      const { type, route, order, id } = (data ?? {}) as Record<string, string | undefined>
      switch (type) {
        case 'report':
          return reportOf(source, route)
        case 'list':
          return connections.list(order as Order)
        case 'details':
          return connections.details(String(id))
        case 'disconnect':
          return connections.disconnect(String(id)) ? {} : undefined
        default:
          return undefined
      }
    })
  }

  async overview(route: string | undefined, node: string | undefined): Promise<Overview> {
    return overviewOf(this.#cluster.id, await this.#ask({ type: 'report', route }), node)
  }

  /** The newest or slowest connections of all nodes, or of one. */
  async list(order: Order, node: string | undefined): Promise<ConnectionList> {
    const { answers, missing } = await this.#ask({ type: 'list', order })
    const chosen = [...answers].filter(([from]) => node === undefined || from === node)
    const rows = chosen.flatMap(([from, answer]) => rowsOf(answer, from))
    const connections = rows.toSorted((a, b) =>
      order === 'newest' ? a.age - b.age : b.unsentBytes - a.unsentBytes || a.age - b.age
    )
    return { connections: connections.slice(0, MAX_ROWS), missing }
  }

  details(id: string): Promise<Found<ConnectionDetails>> {
    return this.#find({ type: 'details', id }, isRow)
  }

  disconnect(id: string): Promise<Found<object>> {
    return this.#find({ type: 'disconnect', id }, (answer) => typeof answer === 'object')
  }

  async #find<T>(question: Question, isFound: (answer: unknown) => boolean): Promise<Found<T>> {
    const { answers, missing } = await this.#ask(question)
    const found = [...answers].find(([, answer]) => answer !== null && isFound(answer))
    return { found: found && { ...(found[1] as T), node: found[0] }, missing }
  }

  #ask(question: Question): Promise<{ answers: Map<string, unknown>; missing: string[] }> {
    return this.#cluster.ask(NAME, question)
  }
}

function rowsOf(answer: unknown, node: string): (ConnectionRow & { node: string })[] {
  const rows: unknown[] = Array.isArray(answer) ? answer.slice(0, MAX_ROWS) : []
  return rows.filter(isRow).map((row) => Object.assign(row, { node }))
}
