import { invalidOption } from '../internal/errors.ts'
import { check, type Checks, integer, MAX_INTEGER, validateOptions } from '../internal/validate.ts'

/** What of a connection a limit may use: answer, look at it, close it. It is the connection that the handler has. */
export interface LimitedConnection {
  readonly id: string
  writeText(text: string): Promise<void>
  writeJSON(value: unknown): Promise<void>
  writeAsync(data: string): boolean
  close(code?: number, reason?: string): Promise<void>
  getLocal<T = unknown>(key: string): T | undefined
}

/** How many messages a client may send. */
export interface RateLimit {
  /** Messages a second, on average. */
  messages: number
  /** How many may come at once. @default what comes in a second, and at least 1 */
  burst?: number
  /** Bytes of messages a second, on average; as many may come at once, and a longer message is waited for. @default no limit */
  bytes?: number
  /**
   * What happens to a message over the limit. `'pause'`: it waits, and the client with it, until it fits; nothing is lost.
   * `'close'`: the connection is closed with 1008. A function is called, and the message is dropped. @default 'pause'
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
