import { ContractError } from '../contract/contract-error.ts'
import { assertTimeout } from '../internal/close-codes.ts'
import { errors } from '../internal/errors.ts'
import { onAbort } from '../internal/on-abort.ts'
import { markHandled } from '../internal/promises.ts'
import { RpcErrorCode } from '../rpc/json-rpc.ts'
import { AskError } from './ask-error.ts'
import type { Entry } from './entries.ts'
import type { CallCheck } from '../schemas/compiled-contract.ts'
import { paramsText } from '../schemas/event-text.ts'

/** How many asks may wait on one connection. */
const MAX_ASKS = 64
/** How many bytes of other messages may be unread while an ask waits. */
export const MAX_READ_AHEAD = 1024 * 1024
const DEFAULT_TIMEOUT = 30_000

export interface AskOptions {
  /** How long to wait for the answer, in milliseconds, 0 to 2147483647. @default 30000 */
  timeout?: number
  /** Stops waiting when it is aborted. */
  signal?: AbortSignal
}

interface PendingAsk {
  readonly check: CallCheck
  settle(): void
  resolve(value: unknown): void
  reject(error: Error): void
}

type Response = Extract<Entry, { kind: 'response' }>

/** What the asks of a connection need of it. */
export interface AskingConnection {
  /** Sends a request. Rejects if the connection is closed. */
  request(id: string, method: string, params: string | undefined): Promise<void>
  /** True once no answer can come any more. */
  readonly isEnding: boolean
  /** The first ask waits, or the last one no longer does. */
  onWaiting(isWaiting: boolean): void
  /** True while so much is unread that nothing more is read. */
  isFull(): boolean
}

/** The asks of one connection that wait for their answers. */
export class Asks {
  readonly #connection: AskingConnection
  readonly #pending = new Map<string, PendingAsk>()
  #lastId = 0

  constructor(connection: AskingConnection) {
    this.#connection = connection
  }

  get isWaiting(): boolean {
    return this.#pending.size > 0
  }

  ask(
    name: string,
    check: CallCheck,
    data: unknown,
    { timeout = DEFAULT_TIMEOUT, signal }: AskOptions
  ): Promise<unknown> {
    return markHandled(
      new Promise((resolve, reject) => {
        assertTimeout(timeout)
        const params = paramsText(check.input, data, `asks.${name}.input`)
        if (signal?.aborted === true) return reject(signal.reason as Error)
        if (this.#connection.isEnding) return reject(closed())
        if (this.#pending.size >= MAX_ASKS)
          return reject(new errors.OUT_OF_RANGE('ask', `at most ${MAX_ASKS} asks may wait on one connection`))
        const id = `s${++this.#lastId}`
        const timer = setTimeout(
          () => this.#fail(id, new AskError('TIMEOUT', `no answer within ${timeout} ms`)),
          timeout
        )
        timer.unref()
        const ignoreAbort = signal && onAbort(signal, () => this.#fail(id, signal.reason as Error))
        const settle = (): void => {
          clearTimeout(timer)
          ignoreAbort?.()
        }
        this.#add(id, { check, settle, resolve, reject })
        this.#connection.request(id, name, params).catch(() => this.#fail(id, closed()))
        if (this.#connection.isFull()) this.giveUp()
      })
    )
  }

  /** Settles the ask that a response is for. Other responses are ignored. */
  async onResponse({ id, result, error }: Response): Promise<void> {
    const ask = typeof id === 'string' ? this.#take(id) : undefined
    if (ask === undefined) return
    if (error !== undefined) return ask.reject(errorOf(error, ask.check))
    try {
      const checked = await ask.check.output.incoming(result ?? undefined)
      if ('value' in checked) return ask.resolve(checked.value)
      const [issue] = checked.issues
      ask.reject(
        new AskError('UNANSWERED', `the answer does not fit its schema: ${issue?.path ?? ''} ${issue?.message ?? ''}`)
      )
    } catch (reason) {
      // The schema itself has thrown.
      ask.reject(reason as Error)
    }
  }

  /** Too many other messages have come before the answers. */
  giveUp(): void {
    this.#failAll(() => new AskError('UNANSWERED', 'more than 1 MiB of other messages came before the answer'))
  }

  /** The connection is closing: no answer can come. */
  close(): void {
    this.#failAll(closed)
  }

  #add(id: string, ask: PendingAsk): void {
    this.#pending.set(id, ask)
    if (this.#pending.size === 1) this.#connection.onWaiting(true)
  }

  #take(id: string): PendingAsk | undefined {
    const ask = this.#pending.get(id)
    if (ask === undefined) return undefined
    this.#pending.delete(id)
    ask.settle()
    if (this.#pending.size === 0) this.#connection.onWaiting(false)
    return ask
  }

  #fail(id: string, error: Error): void {
    this.#take(id)?.reject(error)
  }

  #failAll(error: () => Error): void {
    for (const id of this.#pending.keys()) this.#fail(id, error())
  }
}

function closed(): AskError {
  return new AskError('CLOSED', 'the connection is closing or closed')
}

function errorOf(error: unknown, { errors: codes }: CallCheck): Error {
  const given = (error ?? {}) as { code?: unknown; message?: unknown; data?: unknown }
  const { code, data } = given
  // A client can send anything, even objects that have no string form.
  const message = typeof given.message === 'string' ? given.message : ''
  const own = (data as { code?: unknown } | null | undefined)?.code
  if (code === RpcErrorCode.Contract && typeof own === 'string' && codes.includes(own))
    return new ContractError(own, message, data as object)
  return new AskError('UNANSWERED', `the client answered with the error ${JSON.stringify(code)}: ${message}`)
}
