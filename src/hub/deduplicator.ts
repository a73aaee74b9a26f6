import type { WebSocketConnection } from '../connection/connection.ts'

/** The recipients of so many messages are remembered, and no more recipients than this in all. */
const MAX_MESSAGES = 1_024
const MAX_RECIPIENTS = 65_536
/** Of so many older messages only the ids are remembered. */
const MAX_OVER = 16_384

/**
 * Who has already got a message to several rooms. It comes from another node in copies, one for each room that has members
 * here, and whoever is in several of these rooms gets it once.
 */
export class Deduplicator {
  readonly #byMessage = new Map<string, Set<WebSocketConnection>>()
  readonly #over = new Set<string>()
  #count = 0

  /** Those of a room's members who have not got the message yet; from now on they have. */
  add(message: string, members: Iterable<WebSocketConnection>): WebSocketConnection[] {
    // A copy that comes this late reaches nobody: at most once is what is promised.
    if (this.#over.has(message)) return []
    let recipients = this.#byMessage.get(message)
    if (recipients === undefined) this.#byMessage.set(message, (recipients = new Set()))
    const fresh: WebSocketConnection[] = []
    for (const ws of members) if (!recipients.has(ws)) fresh.push(ws)
    for (const ws of fresh) recipients.add(ws)
    this.#count += fresh.length
    this.#makePlace()
    return fresh
  }

  #makePlace(): void {
    for (const [message, recipients] of this.#byMessage) {
      const isFull = this.#count > MAX_RECIPIENTS && this.#byMessage.size > 1
      if (!isFull && this.#byMessage.size <= MAX_MESSAGES) return
      this.#byMessage.delete(message)
      this.#count -= recipients.size
      this.#over.add(message)
      const [oldest] = this.#over
      if (this.#over.size > MAX_OVER && oldest !== undefined) this.#over.delete(oldest)
    }
  }
}
