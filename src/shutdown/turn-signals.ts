import { setMaxListeners } from 'node:events'

/** The signals that tell handlers of the turn of their connection in the shutdown. */
export class TurnSignals<Connection extends object> {
  /** The signal of all connections, if they have their turn at the same time. */
  readonly #shared: AbortController | undefined
  /** The signals of connections whose handlers still run. They may run longer than their connections are open. */
  readonly #own = new Map<Connection, AbortController>()

  constructor(isShared: boolean) {
    if (isShared) this.#shared = newController()
  }

  /** @param isSettled the handler has settled: nobody needs the signal any more, and it is not kept. */
  signalOf(ws: Connection, isAborted: boolean, isSettled: boolean): AbortSignal {
    if (this.#shared !== undefined) return this.#shared.signal
    const own = this.#own.get(ws) ?? newController()
    if (isAborted) own.abort()
    else if (!isSettled) this.#own.set(ws, own)
    return own.signal
  }

  abort(ws: Connection): void {
    this.#own.get(ws)?.abort()
  }

  /** The shutdown begins: aborts the signals of all that do not wait for a turn. */
  abortOthers(waits: (ws: Connection) => boolean): void {
    this.#shared?.abort()
    for (const [ws, controller] of this.#own) if (!waits(ws)) controller.abort()
  }

  /** The handler of a connection has settled. */
  forget(ws: Connection): void {
    this.#own.delete(ws)
  }
}

function newController(): AbortController {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  return controller
}
