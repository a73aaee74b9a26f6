import * as timers from 'node:timers'

/*
 * The timers of Node.js as they were at import: the fake timers of a test runner do not stop a test client. They are taken from
 * the module, because Jest can replace the globals before anything is imported.
 */
const { setTimeout: start, clearTimeout: stop } = timers

/** Calls back after this many milliseconds, and returns what cancels it. It keeps the process alive: a test waits for it. */
export function after(time: number, callback: () => void): () => void {
  const timer = start(callback, time)
  return () => stop(timer)
}
