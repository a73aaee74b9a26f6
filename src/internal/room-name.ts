import { violation } from './close-codes.ts'
import { isConnectionId } from './connection-id.ts'
import { describe, errors } from './errors.ts'

/** The longest name of a room, in UTF-16 code units. */
export const MAX_ROOM_NAME = 256

const REASON = 'invalid room name'

/** Throws if a value cannot be the name of a room. The error's `closeCode` is 1008, because names often come from clients. */
export function assertRoomName(room: unknown): asserts room is string {
  assertTarget(room)
  // A member of such a room would get the messages for that connection.
  if (isConnectionId(room))
    throw violation(new errors.INVALID_ARGUMENT('room', 'a name cannot be the id of a connection'), REASON)
}

/** Throws if a value cannot be a target: neither the name of a room nor the id of a connection. The `closeCode` is 1008. */
export function assertTarget(target: unknown): asserts target is string {
  if (typeof target !== 'string')
    throw violation(new errors.INVALID_ARGUMENT('room', `must be a string, got ${describe(target)}`), REASON)
  if (target.length === 0 || target.length > MAX_ROOM_NAME) {
    throw violation(
      new errors.OUT_OF_RANGE('room', `a name has 1 to ${MAX_ROOM_NAME} characters, got ${target.length}`),
      REASON
    )
  }
  // UTF-8 cannot encode a lone surrogate: on other nodes, two such names would become the same.
  if (!target.isWellFormed())
    throw violation(new errors.INVALID_ARGUMENT('room', 'a name must be well-formed Unicode'), REASON)
}

/** True if this can be the name of a room. */
export function isRoomName(room: string): boolean {
  return room.length > 0 && room.length <= MAX_ROOM_NAME && room.isWellFormed() && !isConnectionId(room)
}
