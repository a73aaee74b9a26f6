import { invalidOption } from '../internal/errors.ts'
import { check, type Checks, integer, MAX_INTEGER, validateOptions } from '../internal/validate.ts'

/** The part of a `WebSocketConnection` that `onLimit` may use. It is the same object that the handler gets. */
export interface LimitedConnection {
  readonly id: string
  writeText(text: string): Promise<void>
  writeJSON(value: unknown): Promise<void>
  writeAsync(data: string): boolean
  close(code?: number, reason?: string): Promise<void>
  getLocal<T = unknown>(key: string): T | undefined
}

/** How many messages a client may send. Numbers go up to 2147483647. */
export interface RateLimit {
  /** Messages per second on average, over 0. */
  messages: number
  /** How many messages may come at once, an integer from 1. @default `messages`, and at least 1 */
  burst?: number
  /** Bytes per second on average, over 0. As many bytes may come at once, and a longer message waits. @default no limit */
  bytes?: number
  /**
   * What happens to a message over the limit. `'pause'`: no further message is read until this one is within the limit, and none
   * is lost. `'close'`: the connection is closed with 1008. A function: it is called, and the message is dropped. @default 'pause'
   */
  onLimit?: 'pause' | 'close' | ((ws: LimitedConnection) => void)
}

const positive = check<number>(
  (value) => typeof value === 'number' && value > 0 && value <= MAX_INTEGER,
  `must be a number over 0, up to ${MAX_INTEGER}`
)

const CHECKS: Checks<RateLimit> = {
  messages: positive,
  burst: integer(1),
  bytes: positive,
  onLimit: check(
    (value) => value === 'pause' || value === 'close' || typeof value === 'function',
    "must be 'pause', 'close' or a function (ws) => void"
  )
}

/** Checks and copies a rate limit. @throws FST_BLAZE_WS_INVALID_OPTION */
export function checkRateLimit(value: unknown, name: string): RateLimit | false {
  if (value === false) return false
  const { messages, ...rest } = validateOptions(value, name, CHECKS, {})
  if (messages === undefined) throw invalidOption(`${name}.messages`, 'is missing: a number of messages a second')
  return { messages, ...rest }
}
