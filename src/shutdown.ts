import { setMaxListeners } from 'node:events'
import { CloseCode, fitReason, isSendableCloseCode } from './internal/close-codes.ts'
import type { WebSocketConnection } from './connection/connection.ts'
import type { ConnectionEvents } from './connection/events.ts'
import type { ShutdownState } from './connection/context.ts'
import { check, type Checks, delay, string, validateOptions } from './internal/validate.ts'

/** How `app.close()` closes the connections. */
export interface ShutdownOptions {
  /** How long handlers may still run before their connections are closed, in milliseconds. @default 2000 */
  grace?: number
  /** When connections that are still open are dropped, in milliseconds from the start of `app.close()`. @default 10000 */
  timeout?: number
  /** The close code. @default 1001 */
  code?: number
  /** The close reason, at most 123 bytes. @default 'server shutting down' */
  reason?: string
  /** A text message to every client before the close frame. @default none */
  message?: string
}

const DEFAULTS = {
  grace: 2_000,
  timeout: 10_000,
  code: CloseCode.GoingAway as number,
  reason: 'server shutting down'
}

type ResolvedShutdownOptions = ShutdownOptions & typeof DEFAULTS

const CHECKS: Checks<ShutdownOptions> = {
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
  return validateOptions(options, 'shutdown', CHECKS, DEFAULTS)
}

/** The open connections of a server. Closes them when the server closes. */
export class Shutdown implements ShutdownState {
  readonly #options: ResolvedShutdownOptions
  readonly #events: ConnectionEvents
  readonly #open = new Set<WebSocketConnection>()
  readonly #controller = new AbortController()
  #onEmpty: () => void = () => {}

  constructor(options: ResolvedShutdownOptions, events: ConnectionEvents) {
    this.#options = options
    this.#events = events
    setMaxListeners(0, this.#controller.signal)
  }

  /** When connections that are still open are dropped, in milliseconds from the start of the shutdown. */
  get timeout(): number {
    return this.#options.timeout
  }

  get isShuttingDown(): boolean {
    return this.#controller.signal.aborted
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Counts a connection among the open ones until it is fully closed. */
  add(ws: WebSocketConnection): void {
    this.#open.add(ws)
    ws.session.closeState.addListener(this.#onClosed, ws)
  }

  readonly #onClosed = (ws: WebSocketConnection): void => {
    this.#open.delete(ws)
    if (this.#open.size === 0) this.#onEmpty()
    this.#events.onClosed?.(ws)
  }

  /** Closes a connection whose handler has settled without an error. */
  settled(ws: WebSocketConnection): void {
    if (this.isShuttingDown) this.#closeWithMessage(ws)
    else void ws.close(CloseCode.NormalClosure, 'handler returned')
  }

  /** Begins the shutdown. Handlers get only the messages that have already arrived. */
  begin(): void {
    this.#controller.abort()
    for (const { session } of this.#open) session.stopReading(this.#options.code, this.#options.reason)
  }

  /** Gives the handlers their grace period, then closes the connections. Resolves once the last one is fully closed. */
  async drain(): Promise<void> {
    if (this.#open.size === 0) return
    const { grace, timeout } = this.#options
    const closing = setTimeout(
      () => {
        for (const ws of this.#open) this.#closeWithMessage(ws)
      },
      Math.min(grace, timeout)
    ).unref()
    const dropping = setTimeout(() => {
      for (const { session } of this.#open) session.terminate('shutdown timeout')
    }, timeout).unref()
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve
    })
    clearTimeout(closing)
    clearTimeout(dropping)
  }

  #closeWithMessage(ws: WebSocketConnection): void {
    if (ws.isClosed()) return
    const { message, code, reason } = this.#options
    if (message !== undefined) void ws.writeText(message)
    void ws.close(code, reason)
  }
}
