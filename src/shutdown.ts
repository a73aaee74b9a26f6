import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { CloseCode, fitReason, isSendableCloseCode } from './internal/close.ts'
import type { WebSocketConnection } from './connection/connection.ts'
import { logClose } from './connection/close-log.ts'
import type { ShutdownState } from './connection/context.ts'
import type { Keeper } from './connection/close-state.ts'
import { check, type Checks, delay, string, validateOptions } from './internal/validate.ts'

/** What `app.close()` does to the connections. */
export interface ShutdownOptions {
  /** How long handlers may go on, in milliseconds, before their connections are closed. @default 2000 */
  grace?: number
  /** When what is still open is dropped, in milliseconds from the start. @default 10000 */
  timeout?: number
  /** The close code. @default 1001 */
  code?: number
  /** The reason in the close frame, 123 bytes at most. @default 'server shutting down' */
  reason?: string
  /** A text message that every client gets before the close frame. @default none */
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

/** Checks a shutdown configuration and fills in what it leaves out. @throws FST_BLAZE_WS_INVALID_OPTION */
export function resolveShutdownOptions(options: unknown): ResolvedShutdownOptions {
  return validateOptions(options, 'shutdown', CHECKS, DEFAULTS)
}

/** The open connections of a server, and how they end when it closes. */
export class Shutdown implements ShutdownState, Keeper {
  readonly #options: ResolvedShutdownOptions
  readonly #open = new Set<WebSocketConnection>()
  readonly #controller = new AbortController()
  #onEmpty: () => void = () => {}

  constructor(options: ResolvedShutdownOptions) {
    this.#options = options
    setMaxListeners(0, this.#controller.signal)
  }

  /** When what is still open is dropped, in milliseconds from the start of the shutdown. */
  get timeout(): number {
    return this.#options.timeout
  }

  get isShuttingDown(): boolean {
    return this.#controller.signal.aborted
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Counts a connection among the open ones until it is closed. */
  add(ws: WebSocketConnection): void {
    this.#open.add(ws)
    ws.session.closeState.keptBy(this, ws)
  }

  forget(ws: WebSocketConnection): void {
    this.#open.delete(ws)
    if (this.#open.size === 0) this.#onEmpty()
    logClose(ws)
  }

  /** Closes a connection whose handler has settled without an error. */
  settled(ws: WebSocketConnection): void {
    if (this.isShuttingDown) this.#sayGoodbye(ws)
    else void ws.close(CloseCode.NormalClosure, 'handler returned')
  }

  /** From here on `isShuttingDown` is true and no handler gets a message that has not arrived yet. */
  begin(): void {
    this.#controller.abort()
    for (const { session } of this.#open) session.stopReading(this.#options.code, this.#options.reason)
  }

  /** Lets the handlers finish, says good-bye, and resolves when the last connection is gone. */
  async drain(): Promise<void> {
    if (this.#open.size === 0) return
    const { grace, timeout } = this.#options
    const timers = new AbortController()
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve
    })
    const after = (time: number, act: (ws: WebSocketConnection) => void): void => {
      sleep(time, undefined, { ref: false, signal: timers.signal }).then(
        () => this.#open.forEach(act),
        () => {}
      )
    }
    after(Math.min(grace, timeout), (ws) => this.#sayGoodbye(ws))
    after(timeout, (ws) => ws.session.terminate('shutdown timeout'))
    await empty
    timers.abort()
  }

  #sayGoodbye(ws: WebSocketConnection): void {
    if (ws.isClosed()) return
    const { message, code, reason } = this.#options
    if (message !== undefined) void ws.writeText(message)
    void ws.close(code, reason)
  }
}
