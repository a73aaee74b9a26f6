import { AsyncResource } from 'node:async_hooks'
import { now } from '../internal/clock.ts'

interface Paced {
  readonly key: string
  /** The shortest time between two values, in milliseconds. */
  every: number
  /** Sends the newest value; undefined if it was sent. */
  send: (() => void) | undefined
}

/**
 * Sends the first value of a key at once, and of those that follow the newest, once in a time. One timer serves all keys. It does not
 * keep the process alive, and stops while there are none: a key that had no new value for its time is forgotten.
 */
export class Pacer {
  readonly #byKey = new Map<string, Paced>()
  /** The keys by the time when they are due, by `now()`: as many entries as there are different milliseconds. */
  readonly #due = new Map<number, Paced[]>()
  #timer: NodeJS.Timeout | undefined
  #wakesAt = Infinity
  #isClosed = false

  /** How many keys are kept. */
  get size(): number {
    return this.#byKey.size
  }

  /** @param every applies from the next value on. */
  send(key: string, every: number, send: () => void): void {
    if (this.#isClosed) return
    const known = this.#byKey.get(key)
    if (known !== undefined) return void Object.assign(known, { every, send: inThisContext(send) })
    const paced: Paced = { key, every, send: undefined }
    this.#byKey.set(key, paced)
    this.#schedule(paced, now())
    send()
  }

  /** Forgets what was not sent. Nothing is sent any more. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#byKey.clear()
    this.#due.clear()
  }

  #schedule(paced: Paced, time: number): void {
    const dueAt = time + paced.every
    const others = this.#due.get(dueAt)
    if (others === undefined) this.#due.set(dueAt, [paced])
    else others.push(paced)
    if (dueAt < this.#wakesAt) this.#sleepUntil(dueAt)
  }

  #sleepUntil(time: number): void {
    this.#wakesAt = time
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#wake(), Math.max(1, time - now())).unref()
  }

  #wake(): void {
    const time = now()
    let next = Infinity
    // What is scheduled meanwhile must not start another timer; the loop comes to it.
    this.#wakesAt = -Infinity
    for (const [dueAt, all] of this.#due) {
      if (dueAt > time) next = Math.min(next, dueAt)
      else if (this.#due.delete(dueAt)) for (const paced of all) this.#onDue(paced, time)
    }
    this.#wakesAt = Infinity
    if (next !== Infinity && !this.#isClosed) this.#sleepUntil(next)
  }

  #onDue(paced: Paced, time: number): void {
    const { key, send } = paced
    if (send === undefined) return void this.#byKey.delete(key)
    paced.send = undefined
    this.#schedule(paced, time)
    send()
  }
}

/** The timer has the context of whoever started it, and a trace must name who gave the value. `AsyncResource.bind` is much slower. */
function inThisContext(send: () => void): () => void {
  const context = new AsyncResource('fastify-blaze-ws:latest', { requireManualDestroy: true })
  return () => context.runInAsyncScope(send)
}
