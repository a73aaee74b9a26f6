import type { WebSocketConnection } from '../connection/connection.ts'

const NO_MEMBERS: ReadonlySet<WebSocketConnection> = new Set()

/** Observes the rooms of a hub: its cluster subscribes to rooms that have members, and presence ends with membership. */
export interface RoomObserver {
  /** A room has its first member. */
  onRoomOpened(room: string): void
  /** A room has lost its last member. */
  onRoomEmptied(room: string): void
  /** A member has left a room. */
  onMemberLeft(ws: WebSocketConnection, room: string): void
}

/** Which client is in which room. A room exists while it has members. */
export class Rooms {
  /** They are told in this order. */
  readonly observers: RoomObserver[] = []
  readonly #membersOf = new Map<string, Set<WebSocketConnection>>()
  readonly #roomsOf = new Map<WebSocketConnection, Set<string>>()
  readonly #roomsOfClosed = new WeakMap<WebSocketConnection, string[]>()

  get size(): number {
    return this.#membersOf.size
  }

  names(): string[] {
    return [...this.#membersOf.keys()]
  }

  /** Each room with the number of its members. */
  *sizes(): Generator<[room: string, members: number]> {
    for (const [room, { size }] of this.#membersOf) yield [room, size]
  }

  members(room: string): ReadonlySet<WebSocketConnection> {
    return this.#membersOf.get(room) ?? NO_MEMBERS
  }

  /** The rooms that a connection is in. */
  of(ws: WebSocketConnection): string[] {
    return [...(this.#roomsOf.get(ws) ?? [])]
  }

  /** The rooms that a connection was in when it closed. Its handler may still want to say goodbye there. */
  ofClosed(ws: WebSocketConnection): string[] | undefined {
    return this.#roomsOfClosed.get(ws)
  }

  /** Keeps the rooms that a closed connection is in, for `ofClosed`. Call it before `removeFromAll`. */
  rememberClosed(ws: WebSocketConnection): void {
    const rooms = this.of(ws)
    if (rooms.length > 0) this.#roomsOfClosed.set(ws, rooms)
  }

  add(ws: WebSocketConnection, room: string): void {
    if (addTo(this.#membersOf, room, ws)) for (const observer of this.observers) observer.onRoomOpened(room)
    addTo(this.#roomsOf, ws, room)
  }

  // The observers are told last: a listener of presence may let the connection join a room again.
  remove(ws: WebSocketConnection, room: string): void {
    removeFrom(this.#roomsOf, ws, room)
    this.#removeMember(ws, room)
  }

  removeFromAll(ws: WebSocketConnection): void {
    const rooms = this.of(ws)
    this.#roomsOf.delete(ws)
    for (const room of rooms) this.#removeMember(ws, room)
  }

  #removeMember(ws: WebSocketConnection, room: string): void {
    const isEmpty = removeFrom(this.#membersOf, room, ws)
    for (const observer of this.observers) observer.onMemberLeft(ws, room)
    if (isEmpty) for (const observer of this.observers) observer.onRoomEmptied(room)
  }
}

/** True if this is the first value of the key. */
function addTo<K, V>(map: Map<K, Set<V>>, key: K, value: V): boolean {
  const set = map.get(key)
  if (set === undefined) map.set(key, new Set([value]))
  else set.add(value)
  return set === undefined
}

/** True if this was the last value of the key. */
function removeFrom<K, V>(map: Map<K, Set<V>>, key: K, value: V): boolean {
  const set = map.get(key)
  return set?.delete(value) === true && set.size === 0 && map.delete(key)
}
