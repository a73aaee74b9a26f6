import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterNode } from '../../cluster/node.ts'
import type { Answers } from '../../cluster/requests.ts'
import { MAX_ROOMS, readRooms } from '../../cluster/wire/protocol.ts'
import { chunks } from '../../internal/chunks.ts'
import { now } from '../../internal/clock.ts'
import type { PresenceRoom } from '../room.ts'

/** How long the other nodes have to say who is in the rooms, in milliseconds. */
const TIMEOUT = 1_000

/** Asks all nodes who is in these rooms. They say so in the channels of the rooms, and then answer in which rooms there is anybody. */
export function requestRooms(node: ClusterNode, rooms: readonly string[]): Promise<Answers[]> {
  return Promise.all(chunks(rooms, MAX_ROOMS).map((part) => node.request({ type: 'presence', rooms: part }, TIMEOUT)))
}

/** Asks about the rooms that this node has begun to watch in one turn. */
export class RoomRequest {
  readonly rooms: string[] = []
  /** Resolves when the other nodes have said who is there, or their time is over. */
  readonly answered: Promise<void>
  readonly #node: ClusterNode
  readonly #roomOf: (name: string) => PresenceRoom | undefined
  #resolve: () => void = () => {}

  constructor(node: ClusterNode, roomOf: (name: string) => PresenceRoom | undefined) {
    this.#node = node
    this.#roomOf = roomOf
    this.answered = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  async send(): Promise<void> {
    // This node must have subscribed to the channels in which the others will speak.
    const timeout = this.#node.isDegraded ? 0 : TIMEOUT
    await Promise.all(this.rooms.map((room) => this.#node.subscribed(room, timeout)))
    const deadline = now() + TIMEOUT
    const late = this.#lateSnapshots(await requestRooms(this.#node, this.rooms))
    if (late.length > 0)
      await Promise.race([Promise.all(late), sleep(Math.max(0, deadline - now()), undefined, { ref: false })])
    this.#resolve()
  }

  /** In a Redis Cluster, an answer can overtake the snapshots that it is about, because they travel in other channels. */
  #lateSnapshots(answers: readonly Answers[]): Promise<void>[] {
    const late: Promise<void>[] = []
    for (const [node, parts] of answers.flatMap((one) => [...one.answers])) {
      for (const name of readRooms(parts[0])) {
        const room = this.#roomOf(name)
        if (room?.hasAllOf(node) === false) late.push(room.allOf(node))
      }
    }
    return late
  }
}
