import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterNode } from '../../cluster/node.ts'
import type { CompareQuestion, PresenceQuestion } from '../../cluster/wire/protocol.ts'
import { chunks } from '../../internal/chunks.ts'
import { ENTRIES_IN_NOTICE, HERE, type PresenceRoom } from '../room.ts'
import { bucketOf, type Digest, hashOfRoom, sum } from './digest.ts'

/** How often a busy engine is looked at again, in milliseconds. */
const BUSY_INTERVAL = 5
/** After so many bytes, the announcer pauses for so many milliseconds: an engine drops a subscriber that reads too slowly. */
const BYTES_BEFORE_PAUSE = 1024 * 1024
const PAUSE = 100

/**
 * Announces to the other nodes who is in the rooms of this node. It takes one room after the other, and goes no faster than the
 * engine. However many nodes ask for a room at the same time, it is announced once.
 */
export class Announcer {
  readonly #node: ClusterNode
  readonly #roomOf: (name: string) => PresenceRoom | undefined
  /** The rooms to announce, with what to call after it. */
  readonly #queue = new Map<string, (() => void)[]>()
  #isRunning = false
  #bytes = 0

  constructor(node: ClusterNode, roomOf: (name: string) => PresenceRoom | undefined) {
    this.#node = node
    this.#roomOf = roomOf
  }

  /** Resolves when these rooms have been announced. A room that is being announced at this moment is announced again. */
  async announce(rooms: readonly string[]): Promise<void> {
    const announced = rooms.map((room) => this.#enqueue(room))
    this.#start()
    await Promise.all(announced)
  }

  /** Answers a node that knows nothing of some rooms, after they were announced: with the rooms in which there is anybody. */
  async answer({ rooms }: PresenceQuestion, node: string): Promise<unknown[]> {
    const occupied = this.#occupied(rooms, node)
    await this.announce(occupied)
    return [occupied]
  }

  /**
   * Answers a node that has sent its hash of each room. The rooms whose hash differs are announced, but the answer does not wait
   * for that. It has, for each bucket, this node's sum of all rooms and of those in the question.
   */
  compare({ rooms, hashes }: CompareQuestion, node: string, { sums }: Digest): unknown[] {
    const sumsOfListed = new Map<number, number>()
    const different: string[] = []
    for (const [i, name] of rooms.entries()) {
      const hash = this.#roomOf(name)?.roster.hashOf(HERE) ?? 0
      const bucket = bucketOf(hashOfRoom(name))
      sumsOfListed.set(bucket, sum(sumsOfListed.get(bucket) ?? 0, hash))
      if (hashes[i] !== null && hashes[i] !== hash) different.push(name)
    }
    for (const room of this.#occupied(different, node)) if (!this.#queue.has(room)) this.#queue.set(room, [])
    this.#start()
    return [Array.from(sumsOfListed, ([bucket, hash]) => [bucket, sums[bucket], hash])]
  }

  /** The rooms in which there is anybody. The other node is told at once that the others are empty. */
  #occupied(rooms: readonly string[], node: string): string[] {
    const occupied = new Set(rooms.filter((name) => this.#roomOf(name)?.roster.hasAny(HERE) === true))
    const empty = rooms.filter((name) => !occupied.has(name))
    if (empty.length > 0) this.#node.notifyNode(node, { type: 'nobody', rooms: empty })
    return [...occupied]
  }

  #enqueue(room: string): Promise<void> {
    return new Promise((resolve) => {
      const callbacks = this.#queue.get(room)
      if (callbacks === undefined) this.#queue.set(room, [resolve])
      else callbacks.push(resolve)
    })
  }

  #start(): void {
    if (this.#queue.size > 0 && !this.#isRunning) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    await this.#pace()
    for (const [room, callbacks] of this.#queue) {
      this.#queue.delete(room)
      await this.#announceRoom(room)
      for (const callback of callbacks) callback()
    }
    this.#isRunning = false
  }

  async #announceRoom(room: string): Promise<void> {
    const parts = chunks(this.#roomOf(room)?.idsHere() ?? [], ENTRIES_IN_NOTICE)
    if (parts.length === 0) parts.push([])
    for (const [i, ids] of parts.entries()) {
      // What cannot be sent now is announced again when the engine is back.
      if (this.#node.isDegraded) return
      // The entries as they are now: what has changed since the beginning has been sent already.
      const entries = ids.flatMap((id) => this.#roomOf(room)?.roster.entryOf(HERE, id) ?? [])
      const isLast = i === parts.length - 1
      this.#bytes += this.#node.notifyRoom(room, { type: 'snapshot', isFirst: i === 0, isLast, entries })
      // After the part and not before it: no change may come between listing the ids and sending the first part.
      await this.#pace()
    }
  }

  async #pace(): Promise<void> {
    if (this.#bytes >= BYTES_BEFORE_PAUSE) {
      this.#bytes = 0
      await sleep(PAUSE, undefined, { ref: false })
    }
    while (this.#node.isBusy && !this.#node.isDegraded && !this.#node.isClosed)
      await sleep(BUSY_INTERVAL, undefined, { ref: false })
  }
}
