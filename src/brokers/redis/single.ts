// The driver for one server, for sentinels, and for a cluster with classic channels: all channels take one path.

import { ClusterMap } from './cluster-map.ts'
import type { RedisDriver, RedisEvents, RedisLibrary } from './driver.ts'
import { newProbeChannel, Path, type PathOptions } from './path.ts'
import type { PersistentConnectionOptions } from './persistent-connection.ts'

/**
 * Makes a driver with one connection to publish and one to subscribe. In a cluster, whose servers pass on to each other what is
 * published on classic channels, these go to two different servers. They stay the same while they work, because a message over
 * another server could overtake an earlier one.
 */
export function singleDriver(
  library: RedisLibrary,
  { isCluster, isSharded, prefix }: { isCluster: boolean; isSharded: boolean; prefix: string },
  events: RedisEvents
): RedisDriver {
  const probeChannel = newProbeChannel(prefix)
  const map = isCluster
    ? new ClusterMap({ discover: () => library.discover(), onFailure: (error) => events.onLost(error) })
    : undefined
  return new Path({
    ...(map === undefined ? connectToServer(library, isSharded) : connectToCluster(library, map)),
    probeChannel: () => probeChannel,
    events,
    hasFailover: library.hasFailover,
    onClose: () => map?.close()
  })
}

type Create = PersistentConnectionOptions['create']
type Creators = Pick<PathOptions, 'createPublisher' | 'createSubscriber'>

/** Both connections go to the only server. */
function connectToServer(library: RedisLibrary, isSharded: boolean): Creators {
  const create: Create = async (events) => library.createConnection(events, isSharded)
  return { createPublisher: create, createSubscriber: create }
}

/** The connections go to different servers of a cluster, so that the probe of the path shows whether these reach each other. */
function connectToCluster(library: RedisLibrary, map: ClusterMap): Creators {
  const start = Math.floor(Math.random() * 1_000)
  const used: [publisher: string | undefined, subscriber: string | undefined] = [undefined, undefined]
  const creatorFor =
    (place: 0 | 1): Create =>
    async (events, failures) => {
      const { masters } = await map.refresh()
      const candidates = masters.filter((server) => masters.length === 1 || server !== used[1 - place])
      // The first new attempt goes to the same server, which may still be passing on earlier messages.
      const last = used[place]
      const server =
        failures <= 1 && last !== undefined && candidates.includes(last)
          ? last
          : (candidates[(start + place + failures) % candidates.length] as string)
      used[place] = server
      return library.createConnection(events, false, server)
    }
  return { createPublisher: creatorFor(0), createSubscriber: creatorFor(1) }
}
