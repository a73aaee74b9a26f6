import type { ClusterNode } from './node.ts'
import { chunks, ROOMS } from './presence-messages.ts'

/** How long others have to say who is with them, in milliseconds. */
const TIMEOUT = 1_000

/** Asks all other nodes who is in some rooms. What they have to say comes over the channels of the rooms, in front of their answers. */
export async function askAbout(node: ClusterNode, rooms: readonly string[]): Promise<void> {
  await Promise.all(chunks(rooms, ROOMS).map((some) => node.ask({ type: 'presence', rooms: some }, TIMEOUT)))
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
    const timeout = this.#node.isDegraded ? 0 : TIMEOUT
    await Promise.all(this.rooms.map((room) => this.#node.ready(room, timeout)))
    await askAbout(this.#node, this.rooms)
    this.#settle()
  }
}
