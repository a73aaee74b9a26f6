// The driver for a cluster with sharded channels: a message only goes to the server that has the slot of its channel.

import { ClusterMap } from './cluster-map.ts'
import { allSettled, type RedisDriver, type RedisEvents, type RedisLibrary, type Topology } from './driver.ts'
import { isWrongServer, unavailable } from './errors.ts'
import { newProbeChannel, Path } from './path.ts'
import type { PersistentConnectionOptions } from './persistent-connection.ts'
import { slotOf } from './slot.ts'
import { SlotMoves } from './slot-moves.ts'

/** How often to ask for the topology while nothing seems wrong, in milliseconds. */
const REFRESH_INTERVAL = 5_000

/**
 * Uses one path for each server that has channels. Commands are not redirected: one that reaches the wrong server is refused, so that
 * no later one overtakes it, and the topology is asked for again.
 */
export class ShardedDriver implements RedisDriver {
  readonly #library: RedisLibrary
  readonly #events: RedisEvents
  readonly #map: ClusterMap
  readonly #moves = new SlotMoves()
  /** The paths by the addresses of their servers. */
  readonly #paths = new Map<string, Path>()
  /** The channels that are subscribed to, or were and will be again. */
  readonly #channels = new Set<string>()
  readonly #probePrefix: string
  /** True if some channels may not be subscribed to at the server that has their slot. */
  #isMisplaced = false
  /** Paths whose server has ended subscriptions. */
  readonly #pathsToRenew = new Set<Path>()

  constructor(library: RedisLibrary, prefix: string, events: RedisEvents) {
    this.#library = library
    this.#events = events
    this.#probePrefix = newProbeChannel(prefix)
    this.#map = new ClusterMap({
      discover: () => library.discover(),
      onTopology: (topology) => this.#apply(topology),
      onFailure: (error) => events.onLost(error)
    })
  }

  publish(channel: string, message: Buffer): Promise<unknown> {
    return this.#map.whenKnown(() => {
      if (this.#moves.hasJustMoved(channel)) throw slotsMoving()
      return this.#watch(this.#pathFor(channel).publish(channel, message))
    })
  }

  subscribe(channels: readonly string[]): Promise<unknown> {
    return this.#map.whenKnown(async () => {
      await this.#watch(Promise.all(this.#onEachPath(channels, (path, part) => path.subscribe(part))))
      // While some commands were awaited, the slots of other channels may have moved.
      if (this.#misplacedAmong(channels).length > 0) {
        this.#reportMove()
        throw slotsMoving()
      }
      for (const channel of channels) this.#channels.add(channel)
    })
  }

  unsubscribe(channels: readonly string[]): Promise<unknown> {
    return this.#map.whenKnown(async () => {
      try {
        await this.#watch(allSettled(this.#onEachPath(channels, (path, part) => path.unsubscribe(part))))
      } catch (error) {
        this.#renewSubscriptions(channels)
        throw error
      }
      for (const channel of channels) this.#channels.delete(channel)
    })
  }

  async check(): Promise<void> {
    await this.#map.whenKnown(async () => {})
    if (this.#isMisplaced || this.#map.age > REFRESH_INTERVAL) await this.#map.refresh()
    if (this.#isMisplaced) await this.#watch(this.#placeChannels())
    await this.#watch(Promise.all([...this.#paths.values()].map((path) => path.check())))
    // Slots may have moved in the meantime.
    if (this.#isMisplaced) throw slotsMoving()
  }

  close(): void {
    this.#map.close()
    for (const path of this.#paths.values()) path.close()
  }

  /** Notices if a command reached the wrong server. */
  async #watch<T>(command: Promise<T>): Promise<T> {
    try {
      return await command
    } catch (error) {
      if (!isWrongServer(error)) throw error
      this.#reportMove()
      throw unavailable('a command was sent to the wrong server of the Redis Cluster', error as Error)
    }
  }

  #reportMove(): void {
    this.#isMisplaced = true
    this.#map.refreshSoon()
    this.#events.onLost(slotsMoving())
  }

  /** After a failed unsubscribe: some servers may have ended these subscriptions, but the hub still believes that it has all of them. */
  #renewSubscriptions(channels: readonly string[]): void {
    for (const path of this.#paths.values()) path.forget(channels)
    this.#isMisplaced = true
  }

  /** The channels that are not subscribed to at the server that has their slot now. */
  #misplacedAmong(channels: readonly string[]): string[] {
    return channels.filter((channel) => !this.#pathFor(channel).channels.has(channel))
  }

  /** Subscribes to each channel at the server that has it now. */
  async #placeChannels(): Promise<void> {
    this.#isMisplaced = false
    try {
      for (const path of this.#pathsToRenew) path.renewSubscriber()
      this.#pathsToRenew.clear()
      const misplaced = this.#misplacedAmong([...this.#channels])
      await Promise.all(this.#onEachPath(misplaced, (path, part) => path.subscribe(part)))
    } catch (error) {
      this.#isMisplaced = true
      throw error
    }
  }

  /** Closes the paths to servers that are no longer masters, and drops channels that have moved from the others. */
  #apply(topology: Topology): void {
    this.#moves.update(topology)
    for (const [server, path] of this.#paths) {
      const moved = [...path.channels].filter((channel) => topology.masterOf(slotOf(channel)) !== server)
      if (moved.length > 0) {
        path.forget(moved)
        this.#pathsToRenew.add(path)
        this.#isMisplaced = true
        this.#events.onLost(slotsMoving())
      }
      if (topology.masters.includes(server)) continue
      path.close()
      this.#pathsToRenew.delete(path)
      this.#paths.delete(server)
    }
  }

  #onEachPath(
    channels: readonly string[],
    command: (path: Path, part: string[]) => Promise<unknown>
  ): Promise<unknown>[] {
    const parts = new Map<Path, string[]>()
    for (const channel of channels) {
      const path = this.#pathFor(channel)
      const part = parts.get(path)
      if (part === undefined) parts.set(path, [channel])
      else part.push(channel)
    }
    return [...parts].map(([path, part]) => command(path, part))
  }

  /** @throws FST_BLAZE_WS_BROKER_UNAVAILABLE if no server has the slot of the channel. */
  #pathFor(channel: string): Path {
    const server = this.#map.current?.masterOf(slotOf(channel))
    if (server === undefined) {
      this.#map.refreshSoon()
      throw unavailable('no server has the slot of this channel')
    }
    let path = this.#paths.get(server)
    if (path === undefined) this.#paths.set(server, (path = this.#createPath(server)))
    return path
  }

  #createPath(server: string): Path {
    const create: PersistentConnectionOptions['create'] = async (events, failures) => {
      // The server may no longer be a master. Then the refresh closes this path.
      if (failures > 0) await this.#map.refresh()
      return this.#library.createConnection(events, true, server)
    }
    const path: Path = new Path({
      createPublisher: create,
      createSubscriber: create,
      probeChannel: () => this.#probeChannelAt(server),
      events: this.#events,
      onSlotsMoved: () => {
        this.#pathsToRenew.add(path)
        this.#reportMove()
      },
      hasFailover: true
    })
    return path
  }

  /** A channel for probes whose slot this server has. */
  #probeChannelAt(server: string): string {
    const topology = this.#map.current as Topology
    for (let i = 0; i < 100_000; i++) {
      const channel = `${this.#probePrefix}:${i}`
      if (topology.masterOf(slotOf(channel)) === server) return channel
    }
    throw unavailable('a server of the Redis Cluster has no slots')
  }
}

function slotsMoving(): Error {
  return unavailable('slots of the Redis Cluster are moving to other servers')
}
