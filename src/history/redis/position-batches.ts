// Divides rooms among calls that ask for their positions.

import type { KnownRoom } from '../store.ts'
import type { RoomKeys } from './keys.ts'

/** A room of a list. */
export interface ListedRoom {
  readonly room: KnownRoom
  readonly keys: RoomKeys
  /** Its place in the list. */
  readonly index: number
}

/** The most rooms in one call, because a server does nothing else meanwhile. */
const MAX_ROOMS = 500

/** Rooms for one call each: in a cluster, their keys must have the same slot. */
export function batchesOf(rooms: readonly ListedRoom[], isCluster: boolean): [ListedRoom, ...ListedRoom[]][] {
  const batches: [ListedRoom, ...ListedRoom[]][] = []
  const open = new Map<number, ListedRoom[]>()
  for (const room of rooms) {
    const slot = isCluster ? room.keys.slot : 0
    const batch = open.get(slot)
    if (batch !== undefined && batch.length < MAX_ROOMS) {
      batch.push(room)
      continue
    }
    const begun: [ListedRoom] = [room]
    open.set(slot, begun)
    batches.push(begun)
  }
  return batches
}
