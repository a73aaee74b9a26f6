import type { CloseError } from '../internal/close-codes.ts'
import { errors } from '../internal/errors.ts'
import { onAbort } from '../internal/on-abort.ts'
import { markHandled } from '../internal/promises.ts'

/** An event of a client, checked. */
export interface ClientEvent {
  readonly type: string
  readonly data: unknown
}

/** Waits for the next event. Exactly one of the methods is called. */
export interface Receiver {
  resolve(event: ClientEvent): void
  reject(error: Error): void
}

/**
 * Gives the events of a connection to its handler, one at a time. An event counts as handled once the handler asks for the next
 * one, so that events and calls do not overlap.
 */
export class EventStream {
  /** The event that the handler has not asked for yet. */
  #next: ClientEvent | undefined
  #receiver: Receiver | undefined
  /** Resolves the `deliver` of the event that the handler works on. */
  #onHandled: (() => void) | undefined
  #end: (() => CloseError) | undefined

  /** Resolves once the handler has handled the event. */
  deliver(event: ClientEvent): Promise<void> {
    const handled = new Promise<void>((resolve) => {
      this.#onHandled = resolve
    })
    const receiver = this.#receiver
    this.#receiver = undefined
    if (receiver === undefined) this.#next = event
    else receiver.resolve(event)
    return handled
  }

  /** The next event. Rejects once the connection has ended and all events were received. */
  receive(signal?: AbortSignal): Promise<ClientEvent> {
    return markHandled(new Promise((resolve, reject) => this.read({ resolve, reject }, signal)))
  }

  /** Gives the next event to `receiver`, now or when it comes. */
  read(receiver: Receiver, signal?: AbortSignal): void {
    if (signal?.aborted === true) return receiver.reject(signal.reason as Error)
    if (this.#receiver !== undefined) return receiver.reject(new errors.CONCURRENT_READ())
    this.release()
    const next = this.#next
    this.#next = undefined
    if (next !== undefined) return receiver.resolve(next)
    if (this.#end !== undefined) return receiver.reject(this.#end())
    this.#receiver = signal === undefined ? receiver : this.#abortable(receiver, signal)
  }

  /** The handler works on no event any more. */
  release(): void {
    if (this.#next !== undefined) return
    const onHandled = this.#onHandled
    this.#onHandled = undefined
    onHandled?.()
  }

  /** No more events come. */
  end(error: () => CloseError): void {
    this.#end = error
    this.#receiver?.reject(error())
    this.#receiver = undefined
  }

  /** The handler has settled: events that it has not received are dropped. */
  drop(): void {
    this.#next = undefined
    this.release()
  }

  /** A receiver that stops waiting once `signal` is aborted. No event is lost. */
  #abortable(receiver: Receiver, signal: AbortSignal): Receiver {
    const ignoreAbort = onAbort(signal, () => {
      this.#receiver = undefined
      receiver.reject(signal.reason as Error)
    })
    return {
      resolve(event) {
        ignoreAbort()
        receiver.resolve(event)
      },
      reject(error) {
        ignoreAbort()
        receiver.reject(error)
      }
    }
  }
}
