import { randomBytes } from 'node:crypto'
import { ClusterMap } from './cluster-map.ts'
import type { ConnectionOptions } from './connection.ts'
import type { RedisDriver, RedisEvents, RedisLibrary } from './driver.ts'
import { Path } from './path.ts'

/** The channel on which a driver sends messages to itself. */
export function newProbe(prefix: string): string {
  return `${prefix}probe:${randomBytes(8).toString('hex')}`
}

/**
 * Publishes everything over one connection, and subscribes over another. In a cluster these are to two of its servers, which pass
 * on classic channels to each other: over a path that changes with every message, one could overtake another.
 */
export class SingleDriver implements RedisDriver {
  readonly #path: Path
  readonly #map: ClusterMap | undefined
  readonly #probe: string

  constructor(
    library: RedisLibrary,
    { isCluster, isSharded, prefix }: { isCluster: boolean; isSharded: boolean; prefix: string },
    events: RedisEvents
  ) {
    this.#probe = newProbe(prefix)
    this.#map = isCluster
      ? new ClusterMap(
          () => library.discover(),
          () => {},
          (error) => events.lost(error)
        )
      : undefined
    const [openPublisher, openSubscriber] =
      this.#map === undefined ? alike(library, isSharded) : apart(library, this.#map)
    this.#path = new Path({ openPublisher, openSubscriber, events, canMove: library.canMove })
  }

  publish(channel: string, message: Buffer): Promise<unknown> {
    return this.#path.publish(channel, message)
  }

  subscribe(channels: readonly string[]): Promise<unknown> {
    return this.#path.subscribe(channels)
  }

  unsubscribe(channels: readonly string[]): Promise<unknown> {
    return this.#path.unsubscribe(channels)
  }

  check(): Promise<unknown> {
    return this.#path.check(this.#probe)
  }

  close(): void {
    this.#map?.close()
    this.#path.close()
  }
}

type Openers = [publisher: ConnectionOptions['open'], subscriber: ConnectionOptions['open']]

/** Both connections to the only server. */
function alike(library: RedisLibrary, isSharded: boolean): Openers {
  const open: ConnectionOptions['open'] = async (events) => library.open(events, isSharded)
  return [open, open]
}

/** Two servers of a cluster, so that a message to oneself shows that they hear each other. */
function apart(library: RedisLibrary, map: ClusterMap): Openers {
  const start = Math.floor(Math.random() * 1_000)
  const used: (string | undefined)[] = []
  return [0, 1].map((place): ConnectionOptions['open'] => async (events, failures) => {
    const { masters } = await map.refresh()
    const others = masters.filter((server) => masters.length === 1 || server !== used[1 - place])
    // To the same server again, first: what it has taken may still be on its way.
    const last = used[place]
    const server =
      failures <= 1 && last !== undefined && others.includes(last)
        ? last
        : (others[(start + place + failures) % others.length] as string)
    used[place] = server
    return library.open(events, false, server)
  }) as Openers
}
