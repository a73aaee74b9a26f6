export type Timer = ReturnType<typeof setTimeout>

/** The longest delay of a timer. With a longer one it would fire at once. */
const MAX_DELAY = 2 ** 31 - 1

/** A delay that a timer can have. */
export function delayOf(milliseconds: number): number {
  return Math.min(milliseconds, MAX_DELAY)
}
