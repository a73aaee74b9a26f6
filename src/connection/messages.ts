import { isCloseError } from '../close.ts'
import type { WebSocketMessage } from '../message.ts'
import type { Inbound } from './inbound.ts'

type Result = IteratorResult<WebSocketMessage, undefined>

const ignore = (): void => {}

const END: Result = { value: undefined, done: true }

/** Iterates over received messages until the connection ends. Leaving the loop early takes nothing from the connection. */
export function messagesOf(inbound: Inbound): AsyncIterableIterator<WebSocketMessage> {
  return {
    next() {
      const promise = new Promise<Result>((resolve, reject) => {
        inbound.read({
          message: (value) => resolve({ value, done: false }),
          end: (error) => (isCloseError(error) ? resolve(END) : reject(error))
        })
      })
      promise.catch(ignore)
      return promise
    },
    return: () => Promise.resolve(END),
    [Symbol.asyncIterator]() {
      return this
    }
  }
}
