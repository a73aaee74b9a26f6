import type { WebSocketConnection } from './connection.ts'
import { isRequestLoggingDisabled } from './request-logging.ts'
import { now } from '../internal/clock.ts'

/**
 * Logs one line for a connection that is fully closed, unless request logging is disabled: the route's path, how the connection
 * ended, and counts. It contains no URL, header or address, because they can hold secrets. pino escapes the close reason.
 */
export function logClose(ws: WebSocketConnection): void {
  try {
    const log = ws.request.log as { isLevelEnabled?: (level: string) => boolean }
    if (log.isLevelEnabled?.('info') !== false && !isRequestLoggingDisabled(ws.request))
      ws.request.log.info(summaryOf(ws), 'websocket closed')
  } catch {
    // A logger that throws must not keep other listeners from learning that the connection is closed.
  }
}

function summaryOf({ id, request, closeInfo, session }: WebSocketConnection): Record<string, unknown> {
  return {
    id,
    route: request.routeOptions.url,
    ...closeInfo,
    duration: now() - session.openedAt,
    messagesIn: session.messagesIn,
    bytesIn: session.bytesIn,
    messagesOut: session.messagesOut,
    bytesOut: session.bytesOut,
    dropped: session.dropped
  }
}
