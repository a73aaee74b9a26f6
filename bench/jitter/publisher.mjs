// Publishes numbered messages at a rate, one after the other: the next one not before the last one is known to be published.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

/** How long a node may take to publish, and the pause before the next node is asked, in milliseconds. */
const PATIENCE = 5_000
const PAUSE = 50
const TEXT = 'x'.repeat(64)

export class Publisher {
  #ports
  #port = 0
  /** What the last failed request got. */
  #failure = ''
  #isStopped = false
  published = 0
  /** How many requests failed, after which the message was published again with the same id. */
  repeats = 0

  constructor(ports) {
    this.#ports = ports
  }

  /** Publishes no further message. */
  stop() {
    this.#isStopped = true
  }

  /** Publishes so many messages, until `signal` aborts. A message that waits for its turn has the time at which it was due. */
  async run({ count, rate, start, signal }) {
    for (let number = 0; number < count && !this.#isStopped; number++) {
      const at = Math.round(start + (number * 1000) / rate)
      const wait = at - Date.now()
      if (wait > 0) await sleep(wait)
      await this.#publish({ id: randomUUID(), number, at, text: TEXT }, signal)
      this.published++
    }
  }

  async #publish(message, signal) {
    while (!(await this.#ask(message))) {
      if (signal.aborted) throw new Error(`message ${message.number} could not be published: ${this.#failure}`)
      this.repeats++
      this.#port = (this.#port + 1) % this.#ports.length
      await sleep(PAUSE)
    }
  }

  async #ask(message) {
    try {
      const response = await fetch(`http://127.0.0.1:${this.#ports[this.#port]}/publish`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(message),
        signal: AbortSignal.timeout(PATIENCE)
      })
      const text = await response.text()
      if (!response.ok) this.#failure = text
      return response.ok
    } catch (error) {
      this.#failure = String(error.cause ?? error)
      return false
    }
  }
}
