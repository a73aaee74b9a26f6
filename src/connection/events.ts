import type { IncomingMessage } from 'node:http'
import type { WebSocketConnection } from './connection.ts'
import type { SessionEvents } from './session.ts'

/** Observes the connections of a server. A function that throws would disturb the connection: it must not. */
export interface ConnectionObserver extends SessionEvents {
  /** An upgrade was answered with an HTTP status, and there is no connection. */
  onRefused?: (request: IncomingMessage, status: number) => void
  onOpened?: (ws: WebSocketConnection) => void
  /** The connection is fully closed: `ws.closeInfo` says how. The counts of `ws.session` are final. */
  onClosed?: (ws: WebSocketConnection) => void
}

type AnyFunction = (...args: unknown[]) => void

/**
 * The events of a server's connections, for whatever observes them: logs, metrics, traces. Each event is emitted at one place:
 * `onRefused` in upgrade/dispatcher.ts, `onOpened` in route/route-endpoint.ts, `onMessageIn` and `onMessagesOut` in session.ts,
 * `onSlow` in hub/broadcaster.ts and `onClosed` in shutdown/shutdown.ts. An event without an observer costs one comparison.
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
