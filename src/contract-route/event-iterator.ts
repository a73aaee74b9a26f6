import { isCloseError } from '../internal/close-codes.ts'
import type { ClientEvent, EventStream } from './event-stream.ts'

type Result = IteratorResult<ClientEvent, undefined>

/** Iterates over a client's events until the connection ends. To leave the loop early does not affect the connection. */
export class EventIterator implements AsyncIterableIterator<ClientEvent> {
  readonly #events: EventStream

  constructor(events: EventStream) {
    this.#events = events
  }

  /** One promise for each event: `receive` would cost several. */
  next(): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#events.read({
        resolve: (value) => resolve({ value, done: false }),
        reject: (error) => (isCloseError(error) ? resolve({ value: undefined, done: true }) : reject(error))
      })
    })
  }

  return(): Promise<Result> {
    this.#events.release()
    return Promise.resolve({ value: undefined, done: true })
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
