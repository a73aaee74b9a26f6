import { onAbort } from '../../internal/on-abort.ts'
import type { ReadQueue, Reader } from './read-queue.ts'

/** A reader that stops waiting once `signal` is aborted. The message that it would have got stays for the next reader. */
export function abortable(reader: Reader, signal: AbortSignal, readQueue: ReadQueue): Reader {
  const wrapped: Reader = {
    message(message) {
      ignoreAbort()
      reader.message(message)
    },
    end(error) {
      ignoreAbort()
      reader.end(error)
    },
    refuse(error) {
      ignoreAbort()
      reader.refuse(error)
    }
  }
  const ignoreAbort = onAbort(signal, () => {
    readQueue.cancel(wrapped)
    reader.refuse(signal.reason as Error)
  })
  return wrapped
}
