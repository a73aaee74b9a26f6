import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterNode } from './node.ts'
import { chunks, ENTRIES } from './presence-messages.ts'
import type { PresenceRoom } from './presence-room.ts'

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
      const entries = ids.flatMap((id) => this.#roomOf(room)?.roster.entryOf(id) ?? [])
      this.#bytes += this.#node.tell(room, { type: 'snapshot', isFirst: i === 0, isLast: i === parts.length - 1, entries })
      // Behind, not in front: who is listed and what is said first go together, with no change between them.
      await this.#breathe()
    }
  }

  async #breathe(): Promise<void> {
    if (this.#bytes >= SPELL) {
      this.#bytes = 0
      await sleep(PAUSE, undefined, { ref: false })
    }
    while (this.#node.isBusy && !this.#node.isDegraded && !this.#node.isClosed) await sleep(BREATH, undefined, { ref: false })
  }
}
