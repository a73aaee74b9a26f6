import type { ReachQuestion } from './wire/protocol.ts'

/** How many counts are kept for questions that have not come. */
const MAX_COUNTS = 1_024

interface Count {
  connections: number
  /** The channels on which the message has come. */
  readonly arrived: Set<string>
  /** Called once all copies are there; undefined until the other node has asked. */
  onCopy: (() => void) | undefined
}

/**
 * Counts for other nodes how many connections have taken their messages. A message and the question about it come on different
 * channels, in any order. So the answer waits for the copies of the message that this node gets: one on each channel that it subscribes to.
 */
export class ReachCounts {
  readonly #counts = new Map<string, Count>()
  readonly #isSubscribed: (channel: string) => boolean

  constructor(isSubscribed: (channel: string) => boolean) {
    this.#isSubscribed = isSubscribed
  }

  /** A copy of a message was delivered to this many connections. */
  onDelivered(channel: string, node: string, id: number, connections: number): void {
    const count = this.#countOf(`${node}:${id}`)
    count.connections += connections
    count.arrived.add(channel)
    count.onCopy?.()
  }

  /** Resolves once all copies are there. If one was lost it never does: nobody knows whether it would still have come. */
  answer(node: string, { id, channels }: ReachQuestion & { id: number }): Promise<unknown[]> {
    const awaited = channels.filter((channel) => this.#isSubscribed(channel))
    if (awaited.length === 0) return Promise.resolve([0])
    const key = `${node}:${id}`
    const count = this.#countOf(key)
    return new Promise((resolve) => {
      count.onCopy = () => {
        if (!awaited.every((channel) => count.arrived.has(channel))) return
        this.#counts.delete(key)
        resolve([count.connections])
      }
      count.onCopy()
    })
  }

  #countOf(key: string): Count {
    let count = this.#counts.get(key)
    if (count !== undefined) return count
    count = { connections: 0, arrived: new Set(), onCopy: undefined }
    this.#counts.set(key, count)
    const [oldest] = this.#counts.keys()
    if (this.#counts.size > MAX_COUNTS && oldest !== undefined) this.#counts.delete(oldest)
    return count
  }
}
