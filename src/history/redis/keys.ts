// The keys of a room. In a Redis Cluster they have one slot, and it is that of the room's channel, so that a script can publish there.

import { SLOTS, slotOf } from '../../brokers/redis/slot.ts'

/** The keys of a room. */
export interface RoomKeys {
  readonly slot: number
  /** The messages. Then the position. Then the ids of the messages, with their offsets. */
  readonly names: readonly [stream: string, position: string, ids: string]
}

const VALID_TAG = /^[^{]*\{[^}]+\}/s
const BRACE = /[{}]/

/**
 * The keys of the room with this channel. Rooms have different keys: the keys of a channel without braces begin with a brace, those of a
 * channel with a hash tag begin as the channel does, and those of any other channel end differently.
 */
export function keysOf(channel: string): RoomKeys {
  const slot = slotOf(channel)
  if (!BRACE.test(channel)) return { slot, names: named(`{${channel}}:h`) }
  if (VALID_TAG.test(channel)) return { slot, names: named(`${channel}:h`) }
  return { slot, names: named(`{${tagOf(slot)}}${channel}:h:t`) }
}

function named(beginning: string): RoomKeys['names'] {
  return [`${beginning}:s`, `${beginning}:p`, `${beginning}:i`]
}

/** Hash tags by their slots, as far as they were needed. */
const tags = new Map<number, string>()
let nextTag = 0

/** A hash tag that has this slot. */
function tagOf(slot: number): string {
  for (; !tags.has(slot) && tags.size < SLOTS; nextTag++) {
    const tag = nextTag.toString(36)
    const found = slotOf(tag)
    if (!tags.has(found)) tags.set(found, tag)
  }
  return tags.get(slot) as string
}
