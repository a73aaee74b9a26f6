import { isConnectionId, processOf } from '../../internal/connection-id.ts'

const ROOM = 'room:'

/**
 * The names of a cluster's channels: one for all nodes' clients, one for the nodes themselves, an inbox for each node, one for
 * the connections of each process, and one for each room. Those of a named hub begin with its name, so that hubs that share an
 * engine do not hear each other.
 */
export class Channels {
  /** Broadcasts to all clients. */
  readonly all: string
  /** What nodes say to all other nodes. */
  readonly nodes: string
  readonly #scope: string

  /** @param hub the name of the hub; undefined for `app.wsHub`. */
  constructor(hub?: string) {
    this.#scope = hub === undefined ? '' : `hub:${hub}:`
    this.all = `${this.#scope}all`
    this.nodes = `${this.#scope}nodes`
  }

  inboxOf(node: string): string {
    return `${this.#scope}node:${node}`
  }

  /** Messages for connections that are named by their ids. */
  ofProcess(process: string): string {
    return `${this.#scope}process:${process}`
  }

  ofRoom(room: string): string {
    return this.#scope + ROOM + room
  }

  /** The channel that reaches a target: the members of a room, or a connection named by its id. */
  ofTarget(target: string): string {
    return isConnectionId(target) ? this.ofProcess(processOf(target)) : this.ofRoom(target)
  }

  /** The room that a channel belongs to; undefined for other channels. */
  roomOf(channel: string): string | undefined {
    const start = this.#scope + ROOM
    return channel.startsWith(start) ? channel.slice(start.length) : undefined
  }
}
