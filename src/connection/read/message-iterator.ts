import { isCloseError } from '../../internal/close.ts'
import { errors } from '../../internal/errors.ts'
import type { WebSocketMessage } from '../../internal/message.ts'
import type { ReadQueue, Reader } from './read-queue.ts'
import { rejected } from '../silenced.ts'

type Result = IteratorResult<WebSocketMessage, undefined>

type Resolve = (result: Result) => void
type Reject = (error: Error) => void

let lastResolve: Resolve
let lastReject: Reject

/** An executor for all promises, instead of a closure for each. */
function keepBoth(resolve: Resolve, reject: Reject): void {
  lastResolve = resolve
  lastReject = reject
}

const nothing = (): void => {}

const END: Result = { value: undefined, done: true }

/**
 * The received messages until the connection ends. Leaving the loop early takes nothing from the connection. It is its own
 * reader, so that a message costs one promise and no closure.
 */
export class MessageIterator implements AsyncIterableIterator<WebSocketMessage>, Reader {
  readonly #inbound: ReadQueue
  #resolve: Resolve = nothing
  #reject: Reject = nothing

  constructor(inbound: ReadQueue) {
    this.#inbound = inbound
  }

  next(): Promise<Result> {
    const value = this.#inbound.take()
    if (value !== undefined) return Promise.resolve({ value, done: false })
    if (this.#inbound.isAwaited) return rejected(new errors.CONCURRENT_READ())
    const promise = new Promise(keepBoth)
    this.#resolve = lastResolve
    this.#reject = lastReject
    this.#inbound.read(this)
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
