const FAST_ATTEMPTS = 5
const FAST = 1000
const MAX = 15_000

/**
 * How long to wait before the next attempt to connect, in milliseconds. A restart takes a second or two, so the first attempts
 * come quickly; then the delays double. All delays are random, so that the clients do not come back at the same moment.
 */
export function retryDelay(attempt, random = Math.random) {
  if (attempt < FAST_ATTEMPTS) return FAST * random()
  const ceiling = Math.min(MAX, FAST * 2 ** (attempt - FAST_ATTEMPTS + 1))
  return ceiling * (0.5 + random() / 2)
}
