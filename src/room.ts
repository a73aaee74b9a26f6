import { violation } from './close.ts'
import { describe, errors } from './errors.ts'

/** The longest name of a room, in UTF-16 units: names often come from clients. */
const MAX_ROOM_NAME = 256

const REASON = 'invalid room name'

/** Throws where a value cannot be the name of a room. The errors' `closeCode` is 1008: such names come from clients. */
export function assertRoom(room: unknown): asserts room is string {
  if (typeof room !== 'string') throw violation(new errors.INVALID_ARGUMENT('room', `must be a string, got ${describe(room)}`), REASON)
  if (room.length === 0 || room.length > MAX_ROOM_NAME) {
    throw violation(new errors.OUT_OF_RANGE('room', `a name has 1 to ${MAX_ROOM_NAME} characters, got ${room.length}`), REASON)
  }
  // Half a surrogate pair has no bytes of its own: on the way to other nodes, two such rooms would become one.
  if (!room.isWellFormed()) throw violation(new errors.INVALID_ARGUMENT('room', 'a name must be well-formed Unicode'), REASON)
}

/** True for what can be the name of a room. */
export function isRoom(room: string): boolean {
  return room.length > 0 && room.length <= MAX_ROOM_NAME && room.isWellFormed()
}

/** Throws where a value is neither a room nor a list of rooms. */
export function assertRooms(rooms: unknown): asserts rooms is string | string[] {
  if (!Array.isArray(rooms)) return assertRoom(rooms)
  for (const room of rooms as unknown[]) assertRoom(room)
}
