import { entriesOf } from '../internal/validate.ts'
import { invalidOption } from '../internal/errors.ts'

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

const KEYS = ['messages', 'burst', 'bytes', 'onLimit']
const MAX = 2 ** 31 - 1

/** Throws where a value is no rate limit. @throws FST_BLAZE_WS_INVALID_OPTION */
export function checkRateLimit(value: unknown, name: string): void {
  if (value === false) return
  for (const [key, part] of entriesOf(value, name)) {
    if (!KEYS.includes(key)) throw invalidOption(`${name}.${key}`, `is unknown; allowed are ${KEYS.join(', ')}`)
    if (key === 'onLimit') checkOnLimit(part, `${name}.onLimit`)
    else checkNumber(part, `${name}.${key}`, key === 'burst')
  }
  if ((value as RateLimit).messages === undefined)
    throw invalidOption(`${name}.messages`, 'is missing: a number of messages a second')
}

function checkNumber(value: unknown, name: string, isWhole: boolean): void {
  const min = isWhole ? 1 : Number.MIN_VALUE
  if (typeof value === 'number' && value >= min && value <= MAX && (!isWhole || Number.isInteger(value))) return
  throw invalidOption(
    name,
    isWhole ? `must be an integer from 1 to ${MAX}` : `must be a number over 0, up to ${MAX}`,
    value
  )
}

function checkOnLimit(value: unknown, name: string): void {
  if (value !== 'pause' && value !== 'close' && typeof value !== 'function') {
    throw invalidOption(name, "must be 'pause', 'close' or a function (ws) => void", value)
  }
}
