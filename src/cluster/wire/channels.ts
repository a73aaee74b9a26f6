import { isConnectionId, processOf } from '../../internal/connection-id.ts'

const ROOM = 'room:'

/**
 * The channels of a cluster: one that everybody gets, one where nodes speak to each other, an inbox for each node, one for
 * the connections of each process, and one for each room. Those of a named hub begin with its name, so that hubs over one engine do not hear each other.
 */
export class Channels {
  readonly all: string
  readonly nodes: string
  readonly #scope: string

  /** @param hub the name of the hub; undefined for that of the server. */
  constructor(hub?: string) {
    this.#scope = hub === undefined ? '' : `hub:${hub}:`
    this.all = `${this.#scope}all`
    this.nodes = `${this.#scope}nodes`
  }

  inboxOf(node: string): string {
    return `${this.#scope}node:${node}`
  }

  /** Where the nodes of a process hear what is for connections that are named by their ids. */
  ofProcess(process: string): string {
    return `${this.#scope}process:${process}`
  }

  /** Where those are reached who are meant by a name: the members of a room, or the connection with this id. */
  of(name: string): string {
    return isConnectionId(name) ? this.ofProcess(processOf(name)) : this.ofRoom(name)
  }

  ofRoom(room: string): string {
    return this.#scope + ROOM + room
  }

  /** The room whose channel this is; undefined if it is another channel. */
  roomOf(channel: string): string | undefined {
    const start = this.#scope + ROOM
    return channel.startsWith(start) ? channel.slice(start.length) : undefined
  }
}
