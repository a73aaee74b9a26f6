import type { ClusterStats, Present } from '../../../../src/index.ts'
import type { WalkClient } from './client.ts'

/** The view of a node on its cluster. */
export interface View {
  stats: ClusterStats
  missing: string[]
  nodes: number
  rooms: string[]
  clients: number
  counts: Record<string, number>
  /** For the rooms in which the node has clients. */
  presence: Record<string, Present[]>
  faults: string[]
}

/** Presence set within so many milliseconds counts as simultaneous: the clocks of nodes may differ by that much. */
const SIMULTANEOUS = 50

/** The errors in a node's view. */
export function wrongIn(
  view: View,
  node: string,
  nodes: number,
  clients: readonly WalkClient[],
  rooms: readonly string[]
): string[] {
  const wrong: string[] = []
  const compare = (what: string, seen: unknown, real: unknown): void => {
    if (JSON.stringify(seen) !== JSON.stringify(real))
      wrong.push(`${what}: ${JSON.stringify(seen)}, not ${JSON.stringify(real)}`)
  }
  const inRoom = (room: string): WalkClient[] => clients.filter((client) => client.rooms.has(room))
  compare('missing', view.missing, [])
  compare('nodes', view.nodes, nodes)
  compare('clients', view.clients, clients.length)
  compare('rooms', view.rooms, rooms.filter((room) => inRoom(room).length > 0).toSorted())
  for (const room of rooms) compare(`count of ${room}`, view.counts[room], inRoom(room).length)
  const own = rooms.filter((room) => inRoom(room).some((client) => client.node === node))
  compare('own rooms', Object.keys(view.presence).toSorted(), own.toSorted())
  return [...wrong, ...own.flatMap((room) => wrongPresence(view.presence[room] ?? [], room, clients))]
}

/** The errors in the known presence of a room. */
export function wrongPresence(known: readonly Present[], room: string, clients: readonly WalkClient[]): string[] {
  const real = new Map<string, WalkClient[]>()
  for (const client of clients) {
    const key = client.presence.get(room)?.key
    if (key !== undefined) real.set(key, [...(real.get(key) ?? []), client])
  }
  const ghosts = known.filter(({ key }) => !real.has(key)).map(({ key }) => `${key} is thought to be in ${room}`)
  return [
    ...ghosts,
    ...[...real].flatMap(([key, members]) =>
      wrongEntry(
        known.find((one) => one.key === key),
        key,
        room,
        members
      )
    )
  ]
}

function wrongEntry(known: Present | undefined, key: string, room: string, members: readonly WalkClient[]): string[] {
  if (known === undefined) return [`${key} is not known to be in ${room}`]
  const wrong: string[] = []
  const [seen, real] = [known.connections, members.map(({ id }) => id)].map((ids) => ids.toSorted().join())
  if (seen !== real) wrong.push(`${key} in ${room} has the connections ${seen}, not ${real}`)
  const sets = members.map((client) => client.presence.get(room)).filter((set) => set !== undefined)
  const newest = Math.max(...sets.map(({ at }) => at))
  const infos = sets.filter(({ at }) => at >= newest - SIMULTANEOUS).map(({ info }) => JSON.stringify(info))
  if (!infos.includes(JSON.stringify(known.info)))
    wrong.push(`${key} in ${room} has the info ${JSON.stringify(known.info)}, not ${infos.join(' or ')}`)
  return wrong
}
