import type { IncomingMessage } from 'node:http'
import type { WebSocketMessage } from '../internal/message.ts'
import type { WebSocketConnection } from './connection.ts'
import type { Session } from './session.ts'

/** Observes the connections of a server. A function that throws would disturb the connection: it must not. */
export interface ConnectionObserver {
  /** An upgrade was answered with an HTTP status, and there is no connection. */
  onRefused?: (request: IncomingMessage, status: number) => void
  onOpened?: (ws: WebSocketConnection) => void
  onMessageIn?: (session: Session, message: WebSocketMessage) => void
  /** The writer has accepted messages and control frames for the client. `bytes` is the size of their frames. */
  onMessagesOut?: (session: Session, messages: number, bytes: number) => void
  /** The send queue of a client was full. Not called again before the client has caught up. */
  onSlow?: (ws: WebSocketConnection) => void
  /** The connection is fully closed: `ws.closeInfo` says how. The counts of `ws.session` are final. */
  onClosed?: (ws: WebSocketConnection) => void
}

type AnyFunction = (...args: unknown[]) => void

/**
 * The events of a server's connections, for whatever observes them: logs, metrics, traces. Each event is emitted at one place:
 * `onRefused` in upgrade/dispatcher.ts, `onOpened` in route/endpoint.ts, `onMessageIn` and `onMessagesOut` in session.ts,
 * `onSlow` in hub/broadcaster.ts and `onClosed` in shutdown.ts. An event without an observer costs one comparison.
 */
export class ConnectionEvents implements ConnectionObserver {
  onRefused?: ConnectionObserver['onRefused'] & {}
  onOpened?: ConnectionObserver['onOpened'] & {}
  onMessageIn?: ConnectionObserver['onMessageIn'] & {}
  onMessagesOut?: ConnectionObserver['onMessagesOut'] & {}
  onSlow?: ConnectionObserver['onSlow'] & {}
  onClosed?: ConnectionObserver['onClosed'] & {}

  add(observer: ConnectionObserver): this {
    const functions = this as unknown as Record<string, AnyFunction | undefined>
    for (const [name, next] of Object.entries(observer) as [string, AnyFunction][]) {
      const earlier = functions[name]
      functions[name] = earlier === undefined ? next : callBoth(earlier, next)
    }
    return this
  }
}

function callBoth(first: AnyFunction, second: AnyFunction): AnyFunction {
  return (...args) => {
    first(...args)
    second(...args)
  }
}
