import type { WebSocketConnection } from './connection.ts'
import { isRequestLoggingDisabled } from './request-logging.ts'
import { now } from '../internal/scheduler.ts'

/**
 * The one line that a connection leaves in the log, when it is fully closed: numbers, the path as the route spells it, and the
 * close reason, which pino escapes. No URL, no header, no address: these can hold secrets. Not where requests are not logged.
 */
export function logClose(ws: WebSocketConnection): void {
  try {
    const log = ws.request.log as { isLevelEnabled?: (level: string) => boolean }
    if (log.isLevelEnabled?.('info') !== false && !isRequestLoggingDisabled(ws.request))
      ws.request.log.info(summaryOf(ws), 'websocket closed')
  } catch {
    // A log that cannot be written must not keep the end of a connection from those who wait for it.
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
    messagesOut: session.writer.messages,
    bytesOut: session.writer.bytes,
    dropped: session.dropped
  }
}
