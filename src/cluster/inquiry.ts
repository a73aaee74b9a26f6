import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterNode } from './node.ts'
import { chunks, ROOMS } from './presence-messages.ts'

/** How long others have to say who is with them, in milliseconds. */
const TIMEOUT = 1_000

/** Asks all other nodes, or one, who of some rooms is with them: what they have to say comes over the channels of the rooms. */
export async function askAbout(node: ClusterNode, rooms: readonly string[], of?: string): Promise<void> {
  await Promise.all(chunks(rooms, ROOMS).map((some) => node.ask({ type: 'presence', rooms: some }, TIMEOUT, of)))
}

/** Asks about rooms that this node has begun to watch, all of a turn at once. */
export class Inquiry {
  readonly rooms: string[] = []
  /** Settles when they have said it, or had the time for it. */
  readonly answered: Promise<void>
  readonly #node: ClusterNode
  #settle: () => void = () => {}

  constructor(node: ClusterNode) {
    this.#node = node
    this.answered = new Promise((resolve) => {
      this.#settle = resolve
    })
  }

  async ask(): Promise<void> {
    // What they say must not come before it can be heard.
    const ready = Promise.all(this.rooms.map((room) => this.#node.ready(room)))
    await Promise.race([ready, sleep(this.#node.isDegraded ? 0 : TIMEOUT, undefined, { ref: false })])
    await askAbout(this.#node, this.rooms)
    this.#settle()
  }
}

