import { CloseCode } from '../internal/close-codes.ts'
import { now } from '../internal/clock.ts'
import type { Scheduled, Scheduler } from '../internal/scheduler.ts'
import type { WebSocketConnection } from '../connection/connection.ts'
import type { ConnectionEvents } from '../connection/events.ts'
import type { ShutdownState } from '../connection/context.ts'
import type { ResolvedShutdownOptions } from './options.ts'
import { TurnSignals } from './turn-signals.ts'
import { Turns } from './turns.ts'

/** Clients that are closed one after the other come back that way, too: they need no more than these milliseconds. */
const WITHIN_OF_SPREAD = 500
/**
 * Clients that are closed together need 1 ms each: that is a thousand handshakes a second for the other nodes. Up to 500 clients do
 * that by themselves, because the first delay of their backoff is up to 500 ms.
 */
const FEW = 500
const MAX_WITHIN = 60_000

/** The open connections of a server. Closes them when the server closes. */
export class Shutdown implements ShutdownState, Scheduled {
  readonly #options: ResolvedShutdownOptions
  readonly #events: ConnectionEvents
  readonly #scheduler: Scheduler
  readonly #open = new Set<WebSocketConnection>()
  readonly #signals: TurnSignals<WebSocketConnection>
  /** The connections that wait for their turn; undefined before the shutdown, and if all get it at once. */
  #turns: Turns<WebSocketConnection> | undefined
  /** When each connection had its turn, in that order, by `now()`. Their handlers still run. */
  readonly #ending = new Map<WebSocketConnection, number>()
  #hasBegun = false
  #dropAt = Infinity
  #reconnectWithin = 0
  #onEmpty: () => void = () => {}

  /** @param scheduler sets the pace: it should be fine, and may stop while nothing is scheduled. */
  constructor(options: ResolvedShutdownOptions, events: ConnectionEvents, scheduler: Scheduler) {
    this.#options = options
    this.#events = events
    this.#scheduler = scheduler
    this.#signals = new TurnSignals(options.spread === 0)
  }

  /** When connections that are still open are dropped, in milliseconds from the start of the shutdown. */
  get timeout(): number {
    return this.#options.timeout
  }

  /** True from the start of the shutdown. */
  get hasBegun(): boolean {
    return this.#hasBegun
  }

  /** How many connections are open. */
  get size(): number {
    return this.#open.size
  }

  isShuttingDown(ws: WebSocketConnection): boolean {
    return this.#hasBegun && this.#turns?.has(ws) !== true
  }

  signalOf(ws: WebSocketConnection): AbortSignal {
    return this.#signals.signalOf(ws, this.isShuttingDown(ws), ws.session.isSettled)
  }

  /** The connections that are open, the oldest first. */
  get open(): ReadonlySet<WebSocketConnection> {
    return this.#open
  }

  /** Counts a connection among the open ones until it is fully closed. */
  add(ws: WebSocketConnection): void {
    this.#open.add(ws)
    ws.session.closeState.addListener(this.#onClosed, ws)
  }

  readonly #onClosed = (ws: WebSocketConnection): void => {
    this.#open.delete(ws)
    this.#ending.delete(ws)
    if (this.#turns?.has(ws) === true) {
      this.#turns.delete(ws)
      this.#signals.abort(ws)
    }
    if (this.#open.size === 0) this.#onAllClosed()
    this.#events.onClosed?.(ws)
  }

  #onAllClosed(): void {
    this.#scheduler.delete(this)
    this.#onEmpty()
  }

  /** The handler of a connection has returned, or has thrown an error. */
  onSettled(ws: WebSocketConnection): void {
    ws.session.isSettled = true
    this.#signals.forget(ws)
  }

  /** Closes a connection whose handler has settled without an error. */
  closeSettled(ws: WebSocketConnection): void {
    if (this.isShuttingDown(ws)) this.#closeWithMessage(ws)
    else void ws.close(CloseCode.NormalClosure, 'handler returned')
  }

  /** Begins the shutdown. From its turn on, a handler gets only the messages that have already arrived. */
  begin(): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    const { spread, timeout } = this.#options
    const time = now()
    this.#dropAt = time + timeout
    this.#reconnectWithin = this.#options.reconnectWithin ?? this.#defaultWithin()
    if (this.#open.size > 0) this.#scheduler.add(this)
    if (spread > 0)
      this.#turns = new Turns(longestIdleFirst(this.#open, time), time, time + spread, {
        isReady: ({ session }) => !session.isBusy(),
        onTurn: (ws) => this.#onTurn(ws)
      })
    this.#signals.abortOthers((ws) => this.#turns?.has(ws) === true)
    if (this.#turns === undefined) for (const ws of this.#open) this.#onTurn(ws)
    else this.#turns.check(time)
  }

  #defaultWithin(): number {
    if (this.#options.spread > 0) return WITHIN_OF_SPREAD
    return this.#open.size > FEW ? Math.min(this.#open.size, MAX_WITHIN) : 0
  }

  /** Resolves once the last connection is fully closed. */
  async drain(): Promise<void> {
    if (this.#open.size === 0) return
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve
    })
  }

  check(time: number): void {
    this.#turns?.check(time)
    const settledBy = time - this.#options.grace
    for (const [ws, turnAt] of this.#ending) {
      if (turnAt > settledBy) break
      this.#ending.delete(ws)
      this.#closeWithMessage(ws)
    }
    if (time >= this.#dropAt) for (const { session } of this.#open) session.terminate('shutdown timeout')
  }

  /** The turns make up for a little of it, and whatever ends the process does not wait longer. */
  onLag(): void {}

  /** The handler has its grace period from now on. */
  #onTurn(ws: WebSocketConnection): void {
    const { code, reason } = this.#options
    if (this.#reconnectWithin > 0) ws.session.comeback = { after: 0, within: this.#reconnectWithin }
    this.#ending.set(ws, now())
    this.#signals.abort(ws)
    ws.session.stopReading(code, reason)
  }

  #closeWithMessage(ws: WebSocketConnection): void {
    if (ws.isClosed()) return
    const { message, code, reason } = this.#options
    if (message !== undefined) void ws.writeText(message)
    void ws.close(code, reason)
  }
}

function longestIdleFirst(connections: Iterable<WebSocketConnection>, time: number): WebSocketConnection[] {
  return Array.from(connections, (ws) => ({ ws, activeAt: ws.session.activeAt(time) }))
    .toSorted((a, b) => a.activeAt - b.activeAt)
    .map(({ ws }) => ws)
}
