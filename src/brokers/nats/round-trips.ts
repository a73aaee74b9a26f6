// NATS confirms nothing. If it refuses a message or a subscription, the client reports an error later, without saying which call it was
// about. But the server works in order: once it has answered a PING (`flush`), it has taken or refused everything before it.

import { setImmediate as turn } from 'node:timers/promises'

/** All that is sent in one turn, with a PING after it. */
export interface RoundTrip {
  /** Resolves when the server has answered, and rejects if the connection is lost. */
  answered: Promise<void>
  /** The subjects that the server refused to publish on. */
  readonly refused: Map<string, Error>
  /** How many subscriptions were asked for. */
  subscribing: number
  /** The server refused some of the subscriptions, because there are too many. It does not say which. */
  tooMany: Error | undefined
}

/** The round trips that the server has not answered yet. */
export class RoundTrips {
  readonly #flush: () => Promise<void>
  readonly #pending = new Set<RoundTrip>()
  #current: RoundTrip | undefined

  constructor(flush: () => Promise<void>) {
    this.#flush = flush
  }

  /** The round trip of this turn. */
  join(): RoundTrip {
    if (this.#current !== undefined) return this.#current
    const trip: RoundTrip = { answered: Promise.resolve(), refused: new Map(), subscribing: 0, tooMany: undefined }
    this.#pending.add(trip)
    this.#current = trip
    trip.answered = this.#finish(trip)
    return trip
  }

  /** The server refused a message on this subject. */
  refuseSubject(subject: string, error: Error): void {
    for (const { refused } of this.#pending) refused.set(subject, error)
  }

  /** The server refused subscriptions. False if no round trip has asked for any. */
  refuseSubscriptions(error: Error): boolean {
    const subscribing = [...this.#pending].filter((trip) => trip.subscribing > 0)
    for (const trip of subscribing) trip.tooMany = error
    return subscribing.length > 0
  }

  async #finish(trip: RoundTrip): Promise<void> {
    try {
      await Promise.resolve()
      this.#current = undefined
      await this.#flush()
      // The client reports errors that came before the answer as statuses, which takes until the next turn.
      await turn()
    } finally {
      this.#pending.delete(trip)
    }
  }
}
