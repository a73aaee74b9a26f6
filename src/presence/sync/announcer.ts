import { setTimeout as sleep } from 'node:timers/promises'
import type { Control } from '../../cluster/host.ts'
import type { ClusterNode } from '../../cluster/node.ts'
import { bucketOf, type Digest, hashOfRoom, sum } from './digest.ts'
import { chunks, ENTRIES, heldIn, roomsIn } from '../messages.ts'
import { HERE, type PresenceRoom } from '../room.ts'

/** How often it is looked whether the engine has taken what is under way, in milliseconds. */
const BREATH = 5
/** After so many bytes the others get a pause of so many milliseconds: engines drop who is slow to read what comes at once. */
const SPELL = 1024 * 1024
const PAUSE = 100

/**
 * Tells the other nodes who of a room is here, one room after the other, and no faster than they can take it. However many ask
 * at the same time, it is said once.
 */
export class Announcer {
  readonly #node: ClusterNode
  readonly #roomOf: (name: string) => PresenceRoom | undefined
  readonly #waiting = new Map<string, (() => void)[]>()
  #isRunning = false
  #bytes = 0

  constructor(node: ClusterNode, roomOf: (name: string) => PresenceRoom | undefined) {
    this.#node = node
    this.#roomOf = roomOf
  }

  /** Resolves when it has been said of these rooms. What is to be said again while it is being said is said from the beginning. */
  async announce(rooms: readonly string[]): Promise<void> {
    const announced = rooms.map((room) => this.#queue(room))
    if (!this.#isRunning) void this.#run()
    await Promise.all(announced)
  }

  /** Answers a node that knows nothing of some rooms, when it has been told: with those that somebody is in. */
  async answer(question: Control, node: string): Promise<unknown[]> {
    const occupied = this.#occupied(roomsIn(question), node)
    await this.announce(occupied)
    return [occupied]
  }

  /**
   * Answers a node that has said which hash it holds of each room: only rooms that differ are announced, and the answer does not
   * wait for that. It has, for each bucket, this node's sum of all rooms and of those in the question.
   */
  compare(question: Control, node: string, { sums }: Digest): unknown[] {
    const listed = new Map<number, number>()
    const different: string[] = []
    for (const [name, held] of heldIn(question)) {
      const hash = this.#roomOf(name)?.roster.hashOf(HERE) ?? 0
      const bucket = bucketOf(hashOfRoom(name))
      listed.set(bucket, sum(listed.get(bucket) ?? 0, hash))
      if (held !== null && held !== hash) different.push(name)
    }
    for (const room of this.#occupied(different, node)) if (!this.#waiting.has(room)) this.#waiting.set(room, [])
    if (this.#waiting.size > 0 && !this.#isRunning) void this.#run()
    return [Array.from(listed, ([bucket, hash]) => [bucket, sums[bucket], hash])]
  }

  /** Those of the rooms that somebody is in here. The node is told at once that nobody is in the others. */
  #occupied(rooms: readonly string[], node: string): string[] {
    const here = new Set(rooms.filter((name) => this.#roomOf(name)?.roster.hasAny(HERE) === true))
    const empty = rooms.filter((name) => !here.has(name))
    if (empty.length > 0) this.#node.tellNode(node, { type: 'nobody', rooms: empty })
    return [...here]
  }

  #queue(room: string): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(room)
      if (waiting === undefined) this.#waiting.set(room, [resolve])
      else waiting.push(resolve)
    })
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    await this.#breathe()
    for (const [room, waiting] of this.#waiting) {
      this.#waiting.delete(room)
      await this.#say(room)
      for (const resolve of waiting) resolve()
    }
    this.#isRunning = false
  }

  async #say(room: string): Promise<void> {
    const parts = chunks(this.#roomOf(room)?.idsHere() ?? [], ENTRIES)
    if (parts.length === 0) parts.push([])
    for (const [i, ids] of parts.entries()) {
      // What is lost now is said when the engine is back.
      if (this.#node.isDegraded) return
      // Not as they were at the beginning: what has changed since then has been said.
      const entries = ids.flatMap((id) => this.#roomOf(room)?.roster.entryOf(HERE, id) ?? [])
      this.#bytes += this.#node.tell(room, {
        type: 'snapshot',
        isFirst: i === 0,
        isLast: i === parts.length - 1,
        entries
      })
      // Behind, not in front: who is listed and what is said first go together, with no change between them.
      await this.#breathe()
    }
  }

  async #breathe(): Promise<void> {
    if (this.#bytes >= SPELL) {
      this.#bytes = 0
      await sleep(PAUSE, undefined, { ref: false })
    }
    while (this.#node.isBusy && !this.#node.isDegraded && !this.#node.isClosed)
      await sleep(BREATH, undefined, { ref: false })
  }
}
