// What is known of a cluster: which servers it has, and which of them has which slot. Drivers choose the servers for their connections
// by it.

import { withTimeout } from '../../internal/promises.ts'
import { CONNECT_TIMEOUT, retryDelay, type Topology } from './driver.ts'
import { unavailable } from './errors.ts'

/** The shortest time between two requests for the topology after commands have failed, in milliseconds. */
const MIN_REFRESH_INTERVAL = 50

export interface ClusterMapOptions {
  /** Asks the cluster. */
  discover: () => Promise<Topology>
  /** Called with each answer. */
  onTopology?: (topology: Topology) => void
  /** Called if no server has answered. */
  onFailure: (error: Error) => void
}

/** The last known topology of a cluster. After a failure it asks again until a server answers. */
export class ClusterMap {
  readonly #options: ClusterMapOptions
  #request: Promise<Topology> | undefined
  #requestedAt = -Infinity
  /** Settles after the first request; undefined when no command waits for it any more. */
  #first: Promise<unknown> | undefined
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #isClosed = false
  current: Topology | undefined

  constructor(options: ClusterMapOptions) {
    this.#options = options
  }

  /** The time since the last request, in milliseconds. */
  get age(): number {
    return performance.now() - this.#requestedAt
  }

  /** Asks the cluster, or joins a request that is under way. */
  refresh(): Promise<Topology> {
    this.#request ??= this.#ask().finally(() => (this.#request = undefined))
    return this.#request
  }

  /** Asks the cluster in the background, because the topology may be out of date, unless that was done just now. */
  refreshSoon(): void {
    if (this.#isClosed || this.age < MIN_REFRESH_INTERVAL) return
    this.refresh().catch(() => {})
  }

  /** Runs a command when the topology is known, in the order of the calls. Rejects at once if no server has answered so far. */
  whenKnown<T>(command: () => Promise<T>): Promise<T> {
    if (this.#first === undefined) {
      if (this.current !== undefined) return runAsync(command)
      if (this.age < Infinity) return Promise.reject(unavailable('no server of the Redis Cluster can be reached'))
      this.#first = this.refresh()
      // Not before the next turn, so that no later command overtakes those that wait.
      const onSettled = (): void => void setImmediate(() => (this.#first = undefined))
      this.#first.then(onSettled, onSettled)
    }
    return this.#first.then(command)
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  async #ask(): Promise<Topology> {
    const { discover, onTopology } = this.#options
    clearTimeout(this.#timer)
    this.#requestedAt = performance.now()
    try {
      const topology = await withTimeout(discover(), CONNECT_TIMEOUT, (): never => {
        throw new Error(`no server answered within ${CONNECT_TIMEOUT} ms`)
      })
      this.#failures = 0
      this.current = topology
      if (!this.#isClosed) onTopology?.(topology)
      return topology
    } catch (error) {
      throw this.#retry(unavailable('no server of the Redis Cluster can be reached', error as Error))
    }
  }

  #retry(error: Error): Error {
    if (this.#isClosed) return error
    this.#timer = setTimeout(() => this.refresh().catch(() => {}), retryDelay(++this.#failures)).unref()
    this.#options.onFailure(error)
    return error
  }
}

/** Calls a function so that an error that it throws becomes a rejection. */
async function runAsync<T>(command: () => Promise<T>): Promise<T> {
  return command()
}
