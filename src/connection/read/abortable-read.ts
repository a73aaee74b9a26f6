import { setMaxListeners } from 'node:events'
import type { ReadQueue, Reader } from './read-queue.ts'

/** A reader that stops waiting when `signal` is aborted; the message that it would have got stays for the next one. */
export function abortable(reader: Reader, signal: AbortSignal, inbound: ReadQueue): Reader {
  const stop = (): void => {
    inbound.cancel(wrapped)
    reader.end(signal.reason as Error)
  }
  const wrapped: Reader = {
    message(message) {
      signal.removeEventListener('abort', stop)
      reader.message(message)
    },
    end(error) {
      signal.removeEventListener('abort', stop)
      reader.end(error)
    }
  }
  // One signal may stop the reads of a thousand connections: Node's warning at eleven would be a false alarm.
  setMaxListeners(0, signal)
  signal.addEventListener('abort', stop, { once: true })
  return wrapped
}
