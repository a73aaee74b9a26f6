import { setMaxListeners } from 'node:events'

/** Calls `listener` once the signal is aborted, unless the returned function was called before. */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  // One signal may stop a thousand connections. Node.js 20 would warn of a memory leak from eleven listeners on.
  setMaxListeners(0, signal)
  signal.addEventListener('abort', listener, { once: true })
  return () => signal.removeEventListener('abort', listener)
}
