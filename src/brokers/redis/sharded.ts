import { errors } from '../../internal/errors.ts'
import { ClusterMap } from './cluster-map.ts'
import { isMisplaced, type RedisDriver, type RedisEvents, type RedisLibrary, type Topology } from './driver.ts'
import { Path } from './path.ts'
import { newProbe } from './single.ts'
import { SLOTS, slotOf } from './slot.ts'

/** How often the cluster is asked which server has which slot though nothing seems wrong, in milliseconds. */
const REFRESH_INTERVAL = 5_000

/** How long nothing is published on channels that another server has taken over, in milliseconds: what the former has taken may still be on its way. */
const SETTLING = 250

/**
 * Publishes and subscribes in a cluster over one path for each server that has channels. Commands are not redirected: one that
 * comes to the wrong server is refused, so that no later one overtakes it, and the cluster is asked for its servers again.
 */
export class ShardedDriver implements RedisDriver {
  readonly #library: RedisLibrary
  readonly #events: RedisEvents
  readonly #map: ClusterMap
  readonly #paths = new Map<string, Path>()
  /** What is subscribed to, or was and has to be again. */
  readonly #channels = new Set<string>()
  readonly #probe: string
  /** Settles after the first question to the cluster; undefined when nobody waits for it any more. */
  #first: Promise<unknown> | undefined
  /** Some channels may not be subscribed to at the server that has their slot. */
  #isMisplaced = false
  /** Paths whose server has ended subscriptions. */
  readonly #cut = new Set<Path>()
  /** What the topology was before it changed, and when that was. */
  #former: Topology | undefined
  #latest: Topology | undefined
  #changedAt = -Infinity

  constructor(library: RedisLibrary, prefix: string, events: RedisEvents) {
    this.#library = library
    this.#events = events
    this.#probe = newProbe(prefix)
    this.#map = new ClusterMap(
      () => library.discover(),
      (topology) => this.#changed(topology),
      (error) => events.lost(error)
    )
  }

  publish(channel: string, message: Buffer): Promise<unknown> {
    return this.#ready(() => {
      this.#assertSettled(channel)
      return this.#noticing(this.#pathOf(channel).publish(channel, message))
    })
  }

  subscribe(channels: readonly string[]): Promise<unknown> {
    return this.#ready(async () => {
      await this.#noticing(this.#each(channels, (path, part) => path.subscribe(part)))
      for (const channel of channels) this.#channels.add(channel)
    })
  }

  unsubscribe(channels: readonly string[]): Promise<unknown> {
    return this.#ready(async () => {
      await this.#noticing(this.#each(channels, (path, part) => path.unsubscribe(part)))
      for (const channel of channels) this.#channels.delete(channel)
    })
  }

  async check(): Promise<void> {
    await this.#ready(async () => {})
    if (this.#isMisplaced || this.#map.age > REFRESH_INTERVAL) await this.#map.refresh()
    if (this.#isMisplaced) await this.#noticing(this.#place())
    await this.#noticing(Promise.all([...this.#paths].map(([server, path]) => path.check(this.#probeOf(server)))))
    // Something may have moved meanwhile.
    if (this.#isMisplaced) throw moving()
  }

  close(): void {
    this.#map.close()
    for (const path of this.#paths.values()) path.close()
  }

  /** Does something once the cluster has been asked first, in the order of the calls; without an answer it is refused. */
  #ready<T>(act: () => Promise<T>): Promise<T> {
    if (this.#first === undefined) {
      if (this.#map.current !== undefined) return attempt(act)
      if (this.#map.age < Infinity)
        return Promise.reject(new errors.BROKER_UNAVAILABLE('no server of the cluster can be reached'))
      this.#first = this.#map.refresh()
      // Behind those who wait: nobody may overtake them.
      const end = (): void => void setImmediate(() => (this.#first = undefined))
      this.#first.then(end, end)
    }
    return this.#first.then(act)
  }

  /** Notices where a command came to the wrong server. */
  async #noticing<T>(command: Promise<T>): Promise<T> {
    try {
      return await command
    } catch (error) {
      if (!isMisplaced(error)) throw error
      this.#misplaced()
      throw Object.assign(new errors.BROKER_UNAVAILABLE((error as Error).message), { cause: error })
    }
  }

  #misplaced(): void {
    this.#isMisplaced = true
    this.#map.doubt()
    this.#events.lost(moving())
  }

  /** Subscribes to each channel at the server that has it now. */
  async #place(): Promise<void> {
    this.#isMisplaced = false
    try {
      for (const path of this.#cut) path.renew()
      this.#cut.clear()
      const missing = [...this.#channels].filter((channel) => !this.#pathOf(channel).channels.has(channel))
      await this.#each(missing, (path, part) => path.subscribe(part))
    } catch (error) {
      this.#isMisplaced = true
      throw error
    }
  }

  /** Lets go of servers that are no longer masters, and of the channels that others have now. */
  #changed(topology: Topology): void {
    const { masters } = topology
    const masterOf = (slot: number): string | undefined => topology.masterOf(slot)
    this.#remember(topology)
    for (const [server, path] of this.#paths) {
      const gone = [...path.channels].filter((channel) => masterOf(slotOf(channel)) !== server)
      if (gone.length > 0) {
        path.forget(gone)
        this.#cut.add(path)
        this.#isMisplaced = true
        this.#events.lost(moving())
      }
      if (masters.includes(server)) continue
      path.close()
      this.#cut.delete(path)
      this.#paths.delete(server)
    }
  }

  #remember(topology: Topology): void {
    const former = this.#latest
    this.#latest = topology
    if (
      former === undefined ||
      Array.from({ length: SLOTS }, (_, slot) => slot).every(
        (slot) => former.masterOf(slot) === topology.masterOf(slot)
      )
    )
      return
    this.#former = former
    this.#changedAt = performance.now()
  }

  /** Otherwise a message could overtake an earlier one that the former server passes on. */
  #assertSettled(channel: string): void {
    if (this.#former === undefined) return
    if (performance.now() - this.#changedAt > SETTLING) this.#former = undefined
    else if (this.#former.masterOf(slotOf(channel)) !== this.#latest?.masterOf(slotOf(channel))) throw moving()
  }

  #each(channels: readonly string[], act: (path: Path, part: string[]) => Promise<unknown>): Promise<unknown> {
    const parts = new Map<Path, string[]>()
    for (const channel of channels) {
      const path = this.#pathOf(channel)
      const part = parts.get(path)
      if (part === undefined) parts.set(path, [channel])
      else part.push(channel)
    }
    return Promise.all([...parts].map(([path, part]) => act(path, part)))
  }

  /** @throws FST_BLAZE_WS_BROKER_UNAVAILABLE */
  #pathOf(channel: string): Path {
    const server = this.#map.current?.masterOf(slotOf(channel))
    if (server === undefined) {
      this.#map.doubt()
      throw new errors.BROKER_UNAVAILABLE('no server has the slot of this channel')
    }
    let path = this.#paths.get(server)
    if (path === undefined) this.#paths.set(server, (path = this.#make(server)))
    return path
  }

  #make(server: string): Path {
    const path: Path = new Path({
      // Where it fails, the server may be no master any more, and the path ends.
      openPublisher: (events, failures) => this.#open(server, failures, (at) => this.#library.open(events, true, at)),
      openSubscriber: (events, failures) => this.#open(server, failures, (at) => this.#library.open(events, true, at)),
      events: this.#events,
      moved: () => {
        this.#cut.add(path)
        this.#misplaced()
      },
      canMove: true
    })
    return path
  }

  async #open<T>(server: string, failures: number, open: (server: string) => T): Promise<T> {
    if (failures > 0) await this.#map.refresh()
    return open(server)
  }

  /** A channel for messages to oneself whose slot this server has. */
  #probeOf(server: string): string {
    const topology = this.#map.current as Topology
    for (let i = 0; i < 100_000; i++)
      if (topology.masterOf(slotOf(`${this.#probe}:${i}`)) === server) return `${this.#probe}:${i}`
    throw new errors.BROKER_UNAVAILABLE('a server of the cluster has no slot')
  }
}

async function attempt<T>(act: () => Promise<T>): Promise<T> {
  return act()
}

function moving(): Error {
  return new errors.BROKER_UNAVAILABLE('slots of the cluster are being moved')
}
