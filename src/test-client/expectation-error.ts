import { inspect } from 'node:util'

const MAX_LISTED = 5

/** What a test waits for has not come in time, or cannot come any more. */
export class ExpectationError extends Error {
  override readonly name = 'ExpectationError'
  /** What came instead and was not taken yet. */
  readonly received: readonly unknown[]

  /** @param failure such as `'within 1000 ms'` or `'before the connection was closed with 1000'`. */
  constructor(expected: string, failure: string, received: readonly unknown[]) {
    super(`expected ${expected} ${failure}, but ${listOf(received)}`)
    this.received = received
  }
}

function listOf(received: readonly unknown[]): string {
  if (received.length === 0) return 'nothing came'
  const shown = received
    .slice(0, MAX_LISTED)
    .map((item) => inspect(item, { breakLength: Infinity, maxStringLength: 200 }))
  const more = received.length > MAX_LISTED ? ` and ${received.length - MAX_LISTED} more` : ''
  return `instead came ${shown.join(', ')}${more}`
}
