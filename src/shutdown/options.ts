import { CloseCode, fitReason, isSendableCloseCode } from '../internal/close-codes.ts'
import { invalidOption } from '../internal/errors.ts'
import { check, type Checks, delay, MAX_INTEGER, string, validateOptions } from '../internal/validate.ts'

/** How `app.close()` closes the connections. */
export interface ShutdownOptions {
  /**
   * Over how many milliseconds the connections get their turn, one after the other, those without messages for the longest time
   * first. Until its turn a connection works as before. @default 0: all at once
   */
  spread?: number
  /** How long handlers may still run after their turn before their connections are closed, in milliseconds. @default 2000 */
  grace?: number
  /**
   * When connections that are still open are dropped, in milliseconds from the start of `app.close()`. At least `spread`.
   * @default 10000 more than `spread`
   */
  timeout?: number
  /**
   * Clients of contract routes come back at a random time within this many milliseconds. 0 leaves it to them.
   * @default 500 with a `spread`; without one, 1 for each open connection, at most 60000, and 0 for up to 500 connections
   */
  reconnectWithin?: number
  /** The close code. @default 1001 */
  code?: number
  /** The close reason, at most 123 bytes. @default 'server shutting down' */
  reason?: string
  /** A text message to every client before the close frame. @default none */
  message?: string
}

const DEFAULTS = {
  spread: 0,
  grace: 2_000,
  code: CloseCode.GoingAway as number,
  reason: 'server shutting down'
}
/** How much longer than the spread the shutdown may take, if nothing else is said. */
const DEFAULT_RESERVE = 10_000

/** The options with all defaults filled in, except for `reconnectWithin`, which depends on the connections. */
export type ResolvedShutdownOptions = ShutdownOptions & typeof DEFAULTS & { timeout: number }

const CHECKS: Checks<ShutdownOptions> = {
  spread: delay,
  reconnectWithin: delay,
  grace: delay,
  timeout: delay,
  code: check(isSendableCloseCode, 'must be 1000 to 1003, 1007 to 1014 or 3000 to 4999'),
  reason: check(
    (value) => typeof value === 'string' && fitReason(value) === value,
    'must be a string of at most 123 bytes'
  ),
  message: string
}

/** Checks the `shutdown` option and fills in the defaults. @throws FST_BLAZE_WS_INVALID_OPTION */
export function resolveShutdownOptions(options: unknown): ResolvedShutdownOptions {
  const resolved = validateOptions(options, 'shutdown', CHECKS, DEFAULTS)
  const { spread, timeout = Math.min(spread + DEFAULT_RESERVE, MAX_INTEGER) } = resolved
  if (timeout < spread)
    throw invalidOption('shutdown.timeout', `must be at least shutdown.spread, which is ${spread}`, timeout)
  return { ...resolved, timeout }
}
