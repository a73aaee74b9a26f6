import { errors } from '../../internal/errors.ts'
import type { WebSocketMessage } from '../../internal/message.ts'
import type { ReadQueue, Reader } from './read-queue.ts'
import { rejected } from '../../internal/promises.ts'

type Result = IteratorResult<WebSocketMessage, undefined>
type Resolve = (result: Result | Promise<never>) => void

let lastResolve: Resolve

/** The executor of all promises here. It needs no closure for each. */
function keepResolve(resolve: Resolve): void {
  lastResolve = resolve
}

const ignore = (): void => {}

const END: Result = { value: undefined, done: true }

/**
 * Iterates over the received messages until the connection ends. To leave the loop early does not affect the connection. The
 * iterator is its own reader, so that a message costs one promise and no closure.
 */
export class MessageIterator implements AsyncIterableIterator<WebSocketMessage>, Reader {
  readonly #readQueue: ReadQueue
  #resolve: Resolve = ignore

  constructor(readQueue: ReadQueue) {
    this.#readQueue = readQueue
  }

  next(): Promise<Result> {
    const value = this.#readQueue.take()
    if (value !== undefined) return Promise.resolve({ value, done: false })
    if (this.#readQueue.hasReader) return rejected(new errors.CONCURRENT_READ())
    const promise = new Promise<Result>(keepResolve)
    this.#resolve = lastResolve
    this.#readQueue.read(this)
    return promise
  }

  return(): Promise<Result> {
    return Promise.resolve(END)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  message(value: WebSocketMessage): void {
    this.#resolve({ value, done: false })
  }

  end(): void {
    this.#resolve(END)
  }

  refuse(error: Error): void {
    this.#resolve(Promise.reject(error))
  }
}
