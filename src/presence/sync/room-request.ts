import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../../internal/scheduler.ts'
import type { ClusterNode } from '../../cluster/node.ts'
import { chunks, ROOMS, roomsIn } from '../messages.ts'
import type { PresenceRoom } from '../room.ts'
import type { Answers } from '../../cluster/requests.ts'

/** How long others have to say who is with them, in milliseconds. */
const TIMEOUT = 1_000

/** Asks all other nodes who is in some rooms. They say it over the channels of the rooms, and then answer in which ones somebody is. */
export function requestRooms(node: ClusterNode, rooms: readonly string[]): Promise<Answers[]> {
  return Promise.all(chunks(rooms, ROOMS).map((some) => node.ask({ type: 'presence', rooms: some }, TIMEOUT)))
}

/** Asks about rooms that this node has begun to watch, all of a turn at once. */
export class RoomRequest {
  readonly rooms: string[] = []
  /** Settles when they have said it, or had the time for it. */
  readonly answered: Promise<void>
  readonly #node: ClusterNode
  readonly #roomOf: (name: string) => PresenceRoom | undefined
  #settle: () => void = () => {}

  constructor(node: ClusterNode, roomOf: (name: string) => PresenceRoom | undefined) {
    this.#node = node
    this.#roomOf = roomOf
    this.answered = new Promise((resolve) => {
      this.#settle = resolve
    })
  }

  async ask(): Promise<void> {
    // What they say must not come before it can be heard.
    const timeout = this.#node.isDegraded ? 0 : TIMEOUT
    await Promise.all(this.rooms.map((room) => this.#node.ready(room, timeout)))
    const deadline = now() + TIMEOUT
    const told = this.#told(await requestRooms(this.#node, this.rooms))
    if (told.length > 0)
      await Promise.race([Promise.all(told), sleep(Math.max(0, deadline - now()), undefined, { ref: false })])
    this.#settle()
  }

  /** In a Redis Cluster, an answer may overtake what it is about, which comes on another channel. */
  #told(all: readonly Answers[]): Promise<void>[] {
    const told: Promise<void>[] = []
    for (const [node, parts] of all.flatMap(({ answers }) => [...answers])) {
      for (const name of roomsIn({ type: 'answer', rooms: parts[0] })) {
        const room = this.#roomOf(name)
        if (room?.hasTold(node) === false) told.push(room.told(node))
      }
    }
    return told
  }
}
