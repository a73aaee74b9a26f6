import { setMaxListeners } from 'node:events'
import type { ReadQueue, Reader } from './read-queue.ts'

/** A reader that stops waiting once `signal` is aborted. The message that it would have got stays for the next reader. */
export function abortable(reader: Reader, signal: AbortSignal, readQueue: ReadQueue): Reader {
  const stop = (): void => {
    readQueue.cancel(wrapped)
    reader.refuse(signal.reason as Error)
  }
  const wrapped: Reader = {
    message(message) {
      signal.removeEventListener('abort', stop)
      reader.message(message)
    },
    end(error) {
      signal.removeEventListener('abort', stop)
      reader.end(error)
    },
    refuse(error) {
      signal.removeEventListener('abort', stop)
      reader.refuse(error)
    }
  }
  // One signal may stop the reads of a thousand connections. Node.js would warn of a memory leak from eleven listeners on.
  setMaxListeners(0, signal)
  signal.addEventListener('abort', stop, { once: true })
  return wrapped
}
