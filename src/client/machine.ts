import { isFinalCode, UNAUTHORIZED } from '../rpc/final-codes.ts'
import type { Position } from '../rpc/position.ts'
import { ClientError } from './client-error.ts'
import type { Message } from './frames.ts'
import { type End, Link } from './link.ts'
import type { Settings } from './options.ts'
import { isOnline, watchPage } from './page.ts'
import { delayOf, type Timer } from './timers.ts'
import type { ClientState, CloseInfo } from './types.ts'

/** A connection that was open for this long has worked: backoff and refusals begin anew. */
const SETTLED_AFTER = 10_000
/** How many times in a row a client comes back after 4401. */
const MAX_REFUSALS = 3

export interface MachineHandlers {
  positions(): Record<string, Position>
  onState(state: ClientState, close?: CloseInfo): void
  onMessage(message: Message, link: Link): void
  onError(error: Error): void
  /** The connection broke, or an attempt failed. It comes before the state. */
  onLost(): void
}

/**
 * When to connect, and when to give up. There is one link in `connecting` and `open`, and none in `waiting` and `closed`; a new
 * client is `connecting` and gets its link in a later task.
 *
 *     connecting ── hello answered ──▶ open
 *         │ ▲                           │
 *         │ └── time, page, network ──┐ │
 *         └──────── ended ─────▶ waiting ◀── ended
 *
 *     any ── close(), or a final end ──▶ closed
 */
export class Machine {
  readonly #settings: Settings
  readonly #handlers: MachineHandlers
  readonly #unwatch: () => void
  #state: ClientState = 'connecting'
  #link: Link | undefined
  /** For the next attempt. */
  #timer: Timer | undefined
  #settledTimer: Timer | undefined
  #attempts = 0
  #refusals = 0
  /** True if the server has said when to come back. */
  #isTold = false
  #closeInfo: CloseInfo | undefined
  /** The error of a client that is closed. */
  #closed = new ClientError('CLOSED', 'the client was closed')

  constructor(settings: Settings, handlers: MachineHandlers) {
    this.#settings = settings
    this.#handlers = handlers
    this.#timer = setTimeout(() => this.#connect())
    this.#unwatch = watchPage({
      onBack: () => this.#onBack(),
      onDoubt: () => this.#link?.probe(),
      onHide: () => this.#onHide()
    })
  }

  get state(): ClientState {
    return this.#state
  }

  /** How the server has closed the connection for good. */
  get closeInfo(): CloseInfo | undefined {
    return this.#closeInfo
  }

  /** The link, if it can send. */
  get writable(): Link | undefined {
    return this.#state === 'open' && this.#link?.isWritable === true ? this.#link : undefined
  }

  /** The error for what needs a connection; there is none now. */
  get offline(): ClientError {
    return this.#state === 'closed'
      ? this.#closed
      : new ClientError('OFFLINE', 'there is no open connection; await ready() first')
  }

  close(): void {
    if (this.#state !== 'closed') this.#finish()
  }

  #finish(close?: CloseInfo): void {
    this.#release()
    this.#unwatch()
    this.#enter('closed', close)
  }

  #connect(): void {
    const handlers = this.#handlers
    const link = new Link(this.#settings, handlers.positions(), {
      onOpen: () => this.#onOpen(),
      onMessage: (message) => handlers.onMessage(message, link),
      onError: (error) => handlers.onError(error),
      onEnd: (end) => this.#onEnd(end)
    })
    this.#link = link
    if (this.#state !== 'connecting') this.#enter('connecting')
    void link.start()
  }

  #onOpen(): void {
    this.#settledTimer = setTimeout(() => {
      this.#attempts = 0
      this.#refusals = 0
    }, SETTLED_AFTER)
    this.#enter('open')
  }

  #onEnd(end: End): void {
    // The page may have closed the client when it heard of an error.
    if (this.#state === 'closed') return
    this.#link = undefined
    this.#release()
    this.#handlers.onLost()
    const { code, reason, goodbye } = end
    if (code === UNAUTHORIZED) this.#refusals++
    if (!(goodbye?.reconnect ?? !isFinalCode(code)) || this.#refusals > MAX_REFUSALS) {
      this.#closeInfo = { code, reason }
      this.#closed = new ClientError('CLOSED', `the server has closed the connection for good: ${code} ${reason}`)
      return this.#finish({ code, reason })
    }
    this.#wait(end)
  }

  #wait({ code, reason, goodbye, isProbed }: End): void {
    const { after = 0, within = 0 } = goodbye ?? {}
    this.#isTold = after + within > 0
    const isBack = isProbed && isOnline()
    const delay = this.#isTold ? after + Math.random() * within : isBack ? 0 : this.#backoff()
    this.#timer = setTimeout(() => this.#connect(), delayOf(delay))
    this.#enter('waiting', { code, reason })
  }

  /** Full jitter: clients that were lost together do not come back together. */
  #backoff(): number {
    const { min, max } = this.#settings
    return Math.random() * Math.min(max, min * 2 ** this.#attempts++)
  }

  #onBack(): void {
    if (this.#state !== 'waiting') return this.#link?.probe()
    if (this.#isTold) return
    clearTimeout(this.#timer)
    this.#connect()
  }

  /** A page that waits already needs nothing. Another one goes on when it comes back. */
  #onHide(): void {
    if (this.#state === 'waiting') return
    this.#release()
    this.#handlers.onLost()
    this.#isTold = false
    this.#enter('waiting')
  }

  /** Lets go of the link and of all timers. */
  #release(): void {
    clearTimeout(this.#timer)
    clearTimeout(this.#settledTimer)
    this.#link?.close()
    this.#link = undefined
  }

  #enter(state: ClientState, close?: CloseInfo): void {
    this.#state = state
    this.#handlers.onState(state, close)
  }
}
