import { setMaxListeners } from 'node:events'
import { CloseCode, CloseError, type CloseInfo } from '../internal/close-codes.ts'

/** Called with a connection that is fully closed. */
type CloseListener = (connection: object) => void

const NO_LISTENERS: readonly CloseListener[] = []

/**
 * How a connection ends. Readers, writers, iterators and signals all learn it from here, so they all report the same.
 *
 * The end may be deferred: the cause is known, but our close frame waits for the handler to answer earlier messages. `begin`
 * ends that wait, and `finish` follows once the socket is closed.
 */
export class CloseState {
  /** How the connection ended; undefined until it is fully closed. */
  info: CloseInfo | undefined
  /** True if the client has ended the connection: it has sent the first close frame, or is gone. */
  isByClient = false
  #cause: CloseInfo | undefined
  /** Set while the end is deferred. 'client done': the client has sent its close frame, and nothing more can come from it. */
  #deferral: 'client open' | 'client done' | undefined
  // Created when first needed: most connections never need them.
  #abort: AbortController | undefined
  #promise: Promise<void> | undefined
  #resolve: (() => void) | undefined
  #listeners: readonly CloseListener[] = NO_LISTENERS
  #connection: object | undefined

  /** True once the connection is closing or closed. False while the end is deferred: the handler can still write. */
  get hasBegun(): boolean {
    return this.#cause !== undefined && this.#deferral === undefined
  }

  /** True while our close frame waits for the handler to answer earlier messages. */
  get isDeferred(): boolean {
    return this.#deferral !== undefined
  }

  /** True while the end is deferred because of the client's close frame, or of a frame that broke the protocol. */
  get isClientDone(): boolean {
    return this.#deferral === 'client done'
  }

  /** Why the connection ends. Known before `hasBegun` if the end is deferred. */
  get cause(): CloseInfo | undefined {
    return this.#cause
  }

  /** The client has sent a close frame, or is gone. An earlier cause stands. */
  noteClientEnd(): void {
    if (this.#cause === undefined) this.isByClient = true
  }

  /**
   * Remembers why the connection will end, and lets the handler answer earlier messages before it does. The first cause stands.
   */
  defer(code: number, reason: string, isClientDone: boolean): void {
    this.#cause ??= { code, reason, wasClean: true }
    this.#deferral = isClientDone ? 'client done' : 'client open'
  }

  /** The connection is closing from now on. The first cause stands. */
  begin(code: number, reason: string, wasClean = false): void {
    this.#cause ??= { code, reason, wasClean }
    this.#deferral = undefined
  }

  /** The connection is fully closed. `isComplete`: both sides have sent a close frame. */
  finish(isComplete: boolean): void {
    this.begin(CloseCode.AbnormalClosure, '')
    const { code, reason } = this.#cause as CloseInfo
    this.info = { code, reason, wasClean: isComplete && code !== CloseCode.AbnormalClosure }
    const listeners = this.#listeners
    this.#listeners = NO_LISTENERS
    for (const listener of listeners) listener(this.#connection as object)
    this.#resolve?.()
    this.#abort?.abort(this.error())
  }

  /** The error for reads and writes on a connection that is closing or closed. */
  error(): CloseError {
    return new CloseError(this.info ?? this.#cause ?? { code: CloseCode.AbnormalClosure, reason: '', wasClean: false })
  }

  /** Aborted once the connection is fully closed. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      setMaxListeners(0, this.#abort.signal)
      if (this.info !== undefined) this.#abort.abort(this.error())
    }
    return this.#abort.signal
  }

  /** Resolves once the connection is fully closed. */
  whenClosed(): Promise<void> {
    if (this.info !== undefined) return Promise.resolve()
    this.#promise ??= new Promise((resolve) => {
      this.#resolve = resolve
    })
    return this.#promise
  }

  /**
   * Calls `listener(connection)` once the connection is fully closed. Does nothing if it already is. The connection is the
   * same in every call; with it as an argument, one listener serves all connections.
   */
  addListener<Connection extends object>(listener: (connection: Connection) => void, connection: Connection): void {
    if (this.info !== undefined) return
    this.#connection = connection
    // Not `push`, which would allocate room for sixteen more.
    this.#listeners = [...this.#listeners, listener as CloseListener]
  }

  removeListener(listener: unknown): void {
    this.#listeners = this.#listeners.filter((other) => other !== listener)
  }
}
