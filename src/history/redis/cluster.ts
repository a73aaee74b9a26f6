// A cluster that keeps histories: each room is at the master that has its slot.

import { ClusterMap } from '../../brokers/redis/cluster-map.ts'
import type { RedisLibrary, Topology } from '../../brokers/redis/driver.ts'
import { isWrongServer, unavailable } from '../../brokers/redis/errors.ts'
import type { ScriptCall } from './script-calls.ts'
import { type ScriptRunner, Server } from './server.ts'

/**
 * Runs scripts at the masters of a cluster. Calls are not redirected: one that reaches the wrong server is refused, so that no later
 * one overtakes it, and the topology is asked for again.
 */
export class Cluster implements ScriptRunner {
  readonly #library: RedisLibrary
  readonly #map: ClusterMap
  /** By their addresses. */
  readonly #servers = new Map<string, Server>()
  #isClosed = false

  constructor(library: RedisLibrary) {
    this.#library = library
    this.#map = new ClusterMap({
      discover: () => library.discover(),
      onTopology: (topology) => this.#closeOthers(topology),
      // The callers learn it.
      onFailure: () => {}
    })
  }

  async run(slot: number, call: ScriptCall): Promise<unknown> {
    try {
      return await this.#map.whenKnown(() => this.#serverOf(slot).run(slot, call))
    } catch (error) {
      if (isWrongServer(error)) this.#map.refreshSoon()
      throw error
    }
  }

  close(): void {
    this.#isClosed = true
    this.#map.close()
    for (const server of this.#servers.values()) server.close()
  }

  #serverOf(slot: number): Server {
    // Calls that still wait for the topology must not connect any more.
    if (this.#isClosed) throw unavailable('the connection to Redis was closed')
    const address = this.#map.current?.masterOf(slot)
    if (address === undefined) {
      this.#map.refreshSoon()
      throw unavailable('no server has the slot of this room')
    }
    let server = this.#servers.get(address)
    if (server === undefined) this.#servers.set(address, (server = this.#createServer(address)))
    return server
  }

  #createServer(address: string): Server {
    return new Server(async (events, failures) => {
      // The server may no longer be a master. Then the refresh closes it.
      if (failures > 0) await this.#map.refresh()
      return this.#library.createStoreConnection(events, address)
    }, true)
  }

  /** Closes the connections to servers that are no longer masters. */
  #closeOthers(topology: Topology): void {
    for (const [address, server] of this.#servers) {
      if (topology.masters.includes(address)) continue
      server.close()
      this.#servers.delete(address)
    }
  }
}
