import type { WebSocketConnection } from '../connection/connection.ts'
import { type CallMessage, channels } from '../observe/channels.ts'
import type { Call } from './entries.ts'

/** A call that the subscribers of its channel follow. */
export class ObservedCall {
  readonly #message: CallMessage
  #resolve: (answer: { code: number | undefined }) => void = () => {}

  constructor(ws: WebSocketConnection, { method, id, traceparent }: Call) {
    const done = new Promise<{ code: number | undefined }>((resolve) => {
      this.#resolve = resolve
    })
    this.#message = { ws, route: ws.session.route, method, id, traceparent, run: (handler) => handler(), done }
    channels.call.publish(this.#message)
  }

  /** Runs the function of the application as a subscriber wants it. */
  run<Result>(handler: () => Result): Result {
    return this.#message.run(handler)
  }

  /** @param code the JSON-RPC error code of the answer; undefined for a result. */
  end(code: number | undefined): void {
    this.#resolve({ code })
  }
}
