import { setMaxListeners } from 'node:events'
import { CloseCode, CloseError, type CloseInfo } from '../internal/close.ts'

/** Who keeps a connection in a list, and takes it out once it is fully closed. */
export interface Keeper {
  forget(connection: object): void
}

const NOBODY: readonly Keeper[] = []

/** How a connection ends: every reader, writer, iterator and signal learns it from here, and so the same. */
export class CloseState {
  /** How it ended; undefined until it is fully closed. */
  info: CloseInfo | undefined
  #cause: CloseInfo | undefined
  /** While the handler may still answer what came before the cause: whether more can come of the peer, which is dropped then. */
  #held: 'peer open' | 'peer done' | undefined
  // Made when first used: most connections never need them.
  #abort: AbortController | undefined
  #promise: Promise<void> | undefined
  #resolve: (() => void) | undefined
  #keepers: readonly Keeper[] = NOBODY
  #connection: object | undefined

  /** True once the connection is closing or closed. */
  get hasBegun(): boolean {
    return this.#cause !== undefined && this.#held === undefined
  }

  /** True while the end waits for the handler. */
  get isHeld(): boolean {
    return this.#held !== undefined
  }

  /** True while the end waits for the handler and nothing more can come from the peer. */
  get isHeldForPeer(): boolean {
    return this.#held === 'peer done'
  }

  /** Why the connection ends, from when that is known: before the end begins, while it is held. */
  get cause(): CloseInfo | undefined {
    return this.#cause
  }

  /** The peer has closed or broken a rule, and the end waits for the handler: `begin` ends the wait. The first cause stands. */
  hold(code: number, reason: string, isPeerDone: boolean): void {
    this.#cause ??= { code, reason, wasClean: true }
    this.#held = isPeerDone ? 'peer done' : 'peer open'
  }

  /** The end begins. The first cause stands, whatever comes after it. */
  begin(code: number, reason: string, wasClean = false): void {
    this.#cause ??= { code, reason, wasClean }
    this.#held = undefined
  }

  /** The connection is fully closed. `isComplete`: both sides have sent a close frame. */
  finish(isComplete: boolean): void {
    this.begin(CloseCode.AbnormalClosure, '')
    const { code, reason } = this.#cause as CloseInfo
    this.info = { code, reason, wasClean: isComplete && code !== CloseCode.AbnormalClosure }
    const keepers = this.#keepers
    this.#keepers = NOBODY
    for (const keeper of keepers) keeper.forget(this.#connection as object)
    this.#resolve?.()
    this.#abort?.abort(this.error())
  }

  /** What reads and writes reject with, from the beginning of the end. */
  error(): CloseError {
    return new CloseError(this.info ?? this.#cause ?? { code: CloseCode.AbnormalClosure, reason: '', wasClean: false })
  }

  /** Aborted when the connection is fully closed. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      setMaxListeners(0, this.#abort.signal)
      if (this.info !== undefined) this.#abort.abort(this.error())
    }
    return this.#abort.signal
  }

  /** Resolves when the connection is fully closed. */
  finished(): Promise<void> {
    if (this.info !== undefined) return Promise.resolve()
    this.#promise ??= new Promise((resolve) => {
      this.#resolve = resolve
    })
    return this.#promise
  }

  /** Tells a keeper to forget `connection` when it is fully closed; not where it already is. */
  keptBy(keeper: Keeper, connection: object): void {
    if (this.info !== undefined) return
    this.#connection = connection
    // Not `push`, which makes place for sixteen more.
    this.#keepers = [...this.#keepers, keeper]
  }

  /** Takes `keptBy` back. */
  leftBy(keeper: Keeper): void {
    this.#keepers = this.#keepers.filter((other) => other !== keeper)
  }
}
