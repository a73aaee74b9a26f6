import type { WebSocketConnection } from '../connection/connection.ts'
import { CloseCode } from '../close.ts'
import { describe, errors } from '../errors.ts'

/** The longest name of a room, in UTF-16 units: names often come from clients. */
export const MAX_ROOM_NAME = 256

const NONE: ReadonlySet<WebSocketConnection> = new Set()

/** Who is told of rooms that come and go, and of members who leave. */
export interface RoomWatcher {
  opened(room: string): void
  emptied(room: string): void
  left(ws: WebSocketConnection, room: string): void
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

  /** The members of several rooms, each once. */
  membersOfAny(rooms: string | readonly string[]): ReadonlySet<WebSocketConnection> {
    if (typeof rooms === 'string') return this.members(rooms)
    if (rooms.length === 1) return this.members(rooms[0] as string)
    const union = new Set<WebSocketConnection>()
    for (const room of rooms) for (const ws of this.members(room)) union.add(ws)
    return union
  }

  of(ws: WebSocketConnection): string[] {
    return [...(this.#roomsOf.get(ws) ?? [])]
  }

  add(ws: WebSocketConnection, room: string): void {
    if (addTo(this.#members, room, ws)) this.watcher?.opened(room)
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
    this.watcher?.left(ws, room)
    if (isEmpty) this.watcher?.emptied(room)
  }
}

/** Throws where a value cannot be the name of a room. The errors' `closeCode` is 1008: such names come from clients. */
export function assertRoom(room: unknown): asserts room is string {
  if (typeof room !== 'string') throw violation(new errors.INVALID_ARGUMENT('room', `must be a string, got ${describe(room)}`))
  if (room.length === 0 || room.length > MAX_ROOM_NAME) {
    throw violation(new errors.OUT_OF_RANGE('room', `a name has 1 to ${MAX_ROOM_NAME} characters, got ${room.length}`))
  }
  // Half a surrogate pair has no bytes of its own: on the way to other nodes, two such rooms would become one.
  if (!room.isWellFormed()) throw violation(new errors.INVALID_ARGUMENT('room', 'a name must be well-formed Unicode'))
}

/** Throws where a value is neither a room nor a list of rooms. */
export function assertRooms(rooms: unknown): asserts rooms is string | string[] {
  if (!Array.isArray(rooms)) return assertRoom(rooms)
  for (const room of rooms as unknown[]) assertRoom(room)
}

function violation(error: Error): Error {
  return Object.assign(error, { closeCode: CloseCode.PolicyViolation })
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
