import type { IncomingMessage } from 'node:http'
import type { WebSocketConnection } from './connection.ts'
import type { Session, SessionEvents } from './session.ts'

/** Observes the connections of a server. A function that throws would disturb the connection: it must not. */
export interface ConnectionObserver extends SessionEvents {
  /** An upgrade was answered with an HTTP status, and there is no connection. `route` is `''` if no WebSocket route was found. */
  onRefused?: (request: IncomingMessage, status: number, route: string) => void
  onOpened?: (ws: WebSocketConnection) => void
  /** The connection is fully closed: `ws.closeInfo` says how. The counts of `ws.session` are final. */
  onClosed?: (ws: WebSocketConnection) => void
}

type AnyFunction = (...args: unknown[]) => void

/**
 * The events of a server's connections, for whatever observes them: logs, numbers, channels. Each event is emitted at one place:
 * `onRefused` in upgrade/dispatcher.ts, `onOpened` in route/route-endpoint.ts, `onMessageIn` and `onMessagesOut` in session.ts,
 * `onSlow` in hub/broadcaster.ts, and `onClosed` in shutdown/shutdown.ts; only `onFailed` is emitted where an error is logged, in
 * route/handler-error.ts and contract-route/. An event without an observer costs one comparison.
 */
export class ConnectionEvents implements ConnectionObserver {
  onRefused?: ConnectionObserver['onRefused'] & {}
  onOpened?: ConnectionObserver['onOpened'] & {}
  onMessageIn?: ConnectionObserver['onMessageIn'] & {}
  onMessagesOut?: ConnectionObserver['onMessagesOut'] & {}
  onSlow?: ConnectionObserver['onSlow'] & {}
  onFailed?: ConnectionObserver['onFailed'] & {}
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

/** The connection of a session. */
export function connectionOf(session: Session): WebSocketConnection {
  return session.connection as WebSocketConnection
}

function callBoth(first: AnyFunction, second: AnyFunction): AnyFunction {
  return (...args) => {
    first(...args)
    second(...args)
  }
}
