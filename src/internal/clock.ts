/**
 * The monotonic clock, in whole milliseconds. It never goes back, unlike `Date.now()`. Whole, because V8 stores small integers
 * without a heap object, and every connection keeps several times.
 */
export function now(): number {
  return Math.floor(performance.now())
}
