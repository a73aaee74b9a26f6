import { isCloseError } from '../../internal/close-codes.ts'
import { errors } from '../../internal/errors.ts'
import type { WebSocketMessage } from '../../internal/message.ts'
import type { ReadQueue, Reader } from './read-queue.ts'
import { rejected } from '../../internal/promises.ts'

type Result = IteratorResult<WebSocketMessage, undefined>

type Resolve = (result: Result) => void
type Reject = (error: Error) => void

let lastResolve: Resolve
let lastReject: Reject

/** The executor of all promises here. It needs no closure for each. */
function keepBoth(resolve: Resolve, reject: Reject): void {
  lastResolve = resolve
  lastReject = reject
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
  #reject: Reject = ignore

  constructor(readQueue: ReadQueue) {
    this.#readQueue = readQueue
  }

  next(): Promise<Result> {
    const value = this.#readQueue.take()
    if (value !== undefined) return Promise.resolve({ value, done: false })
    if (this.#readQueue.hasReader) return rejected(new errors.CONCURRENT_READ())
    const promise = new Promise(keepBoth)
    this.#resolve = lastResolve
    this.#reject = lastReject
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

  end(error: Error): void {
    if (isCloseError(error)) this.#resolve(END)
    else this.#reject(error)
  }
}
