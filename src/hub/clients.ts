import type { WebSocketConnection } from '../connection/connection.ts'
import { isConnectionId } from '../internal/connection-id.ts'
import { Rooms } from './rooms.ts'

const NOBODY: ReadonlySet<WebSocketConnection> = new Set()

/** The connections that are registered with a hub, and the rooms they are in. */
export class Clients {
  readonly all = new Set<WebSocketConnection>()
  readonly rooms = new Rooms()
  /** Filled when an id is first asked for: many applications never do. */
  #byId: Map<string, WebSocketConnection> | undefined

  has(ws: WebSocketConnection): boolean {
    return this.all.has(ws)
  }

  add(ws: WebSocketConnection): void {
    this.all.add(ws)
    this.#byId?.set(ws.id, ws)
  }

  delete(ws: WebSocketConnection): boolean {
    this.#byId?.delete(ws.id)
    return this.all.delete(ws)
  }

  withId(id: string): WebSocketConnection | undefined {
    this.#byId ??= new Map([...this.all].map((ws) => [ws.id, ws]))
    return this.#byId.get(id)
  }

  /** The members of a room, or the connection with this id. */
  named(name: string): ReadonlySet<WebSocketConnection> {
    if (!isConnectionId(name)) return this.rooms.members(name)
    const ws = this.withId(name)
    return ws === undefined ? NOBODY : new Set([ws])
  }

  /** Those that any of these names means, each once. */
  namedByAny(names: readonly string[]): ReadonlySet<WebSocketConnection> {
    if (names.length === 1) return this.named(names[0] as string)
    const union = new Set<WebSocketConnection>()
    for (const name of names) for (const ws of this.named(name)) union.add(ws)
    return union
  }

  /** Without the ids of connections that are registered here: what other nodes may have. */
  elsewhere(names: readonly string[]): readonly string[] {
    return names.filter((name) => !isConnectionId(name) || this.withId(name) === undefined)
  }
}
