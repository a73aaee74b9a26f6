import type { WebSocketConnection } from '../connection/connection.ts'

const NONE: ReadonlySet<WebSocketConnection> = new Set()

/** Who is told of rooms that come and go, and of members who leave. */
export interface RoomWatcher {
  onRoomOpened(room: string): void
  onRoomEmptied(room: string): void
  onMemberLeft(ws: WebSocketConnection, room: string): void
}

/** Who is in which room. A room exists while someone is in it. */
export class Rooms {
  /** Set where someone wants to know. */
  watcher: RoomWatcher | undefined
  readonly #members = new Map<string, Set<WebSocketConnection>>()
  readonly #roomsOf = new Map<WebSocketConnection, Set<string>>()

  get size(): number {
    return this.#members.size
  }

  names(): string[] {
    return [...this.#members.keys()]
  }

  members(room: string): ReadonlySet<WebSocketConnection> {
    return this.#members.get(room) ?? NONE
  }

  of(ws: WebSocketConnection): string[] {
    return [...(this.#roomsOf.get(ws) ?? [])]
  }

  add(ws: WebSocketConnection, room: string): void {
    if (addTo(this.#members, room, ws)) this.watcher?.onRoomOpened(room)
    addTo(this.#roomsOf, ws, room)
  }

  remove(ws: WebSocketConnection, room: string): void {
    this.#removeMember(ws, room)
    removeFrom(this.#roomsOf, ws, room)
  }

  removeAll(ws: WebSocketConnection): void {
    for (const room of this.#roomsOf.get(ws) ?? []) this.#removeMember(ws, room)
    this.#roomsOf.delete(ws)
  }

  #removeMember(ws: WebSocketConnection, room: string): void {
    const isEmpty = removeFrom(this.#members, room, ws)
    this.watcher?.onMemberLeft(ws, room)
    if (isEmpty) this.watcher?.onRoomEmptied(room)
  }
}

/** True where it is the first value of the key. */
function addTo<K, V>(map: Map<K, Set<V>>, key: K, value: V): boolean {
  const set = map.get(key)
  if (set === undefined) map.set(key, new Set([value]))
  else set.add(value)
  return set === undefined
}

/** True where it was the last value of the key. */
function removeFrom<K, V>(map: Map<K, Set<V>>, key: K, value: V): boolean {
  const set = map.get(key)
  return set?.delete(value) === true && set.size === 0 && map.delete(key)
}
