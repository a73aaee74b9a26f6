import type { WebSocketConnection } from '../connection/connection.ts'

/** The newest messages are remembered whatever their number of recipients: their copies may still arrive between others. */
const MIN_MESSAGES = 16
/** The most messages whose recipients are remembered. */
const MAX_MESSAGES = 1_024
/** The most recipients that are remembered, for all messages together, if there are more than MIN_MESSAGES. */
const MAX_RECIPIENTS = 65_536
/** The most older messages of which only the ids are remembered. */
const MAX_OLD_MESSAGES = 16_384

interface Recipients {
  /** Weak: until the message is forgotten, clients may have closed long ago. */
  readonly clients: WeakSet<WebSocketConnection>
  count: number
}

/**
 * Remembers which clients have received a message to several rooms. Another node sends a copy of it for each of these rooms that
 * has members here. A client that is in several of the rooms must get the message once.
 */
export class Deduplicator {
  readonly #recipientsByMessage = new Map<string, Recipients>()
  readonly #oldMessages = new Set<string>()
  #recipientCount = 0

  /** Adds recipients to a message. Returns those that it did not have before. */
  addRecipients(messageId: string, members: Iterable<WebSocketConnection>): WebSocketConnection[] {
    // The recipients of an old message are forgotten. Messages are delivered at most once, so its late copy reaches no client.
    if (this.#oldMessages.has(messageId)) return []
    let recipients = this.#recipientsByMessage.get(messageId)
    if (recipients === undefined)
      this.#recipientsByMessage.set(messageId, (recipients = { clients: new WeakSet(), count: 0 }))
    const added: WebSocketConnection[] = []
    for (const ws of members) if (!recipients.clients.has(ws)) added.push(ws)
    for (const ws of added) recipients.clients.add(ws)
    recipients.count += added.length
    this.#recipientCount += added.length
    this.#forgetOldest()
    return added
  }

  /** Forgets the recipients of the oldest messages until the limits are met. */
  #forgetOldest(): void {
    for (const [messageId, recipients] of this.#recipientsByMessage) {
      const hasTooManyRecipients =
        this.#recipientCount > MAX_RECIPIENTS && this.#recipientsByMessage.size > MIN_MESSAGES
      if (!hasTooManyRecipients && this.#recipientsByMessage.size <= MAX_MESSAGES) return
      this.#recipientsByMessage.delete(messageId)
      this.#recipientCount -= recipients.count
      this.#oldMessages.add(messageId)
      const [oldest] = this.#oldMessages
      if (this.#oldMessages.size > MAX_OLD_MESSAGES && oldest !== undefined) this.#oldMessages.delete(oldest)
    }
  }
}
