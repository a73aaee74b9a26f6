// The channels of a cluster: what everybody gets, what nodes say to each other, an inbox for each node, and one for each room.
export const ALL = 'all'
export const NODES = 'nodes'
const ROOM = 'room:'

export function inboxOf(node: string): string {
  return `node:${node}`
}

export function channelOf(room: string): string {
  return ROOM + room
}

/** The room whose channel this is; undefined where it is another. */
export function roomOf(channel: string): string | undefined {
  return channel.startsWith(ROOM) ? channel.slice(ROOM.length) : undefined
}
