import type { WebSocketConnection } from './connection.ts'
import { now } from './watchdog.ts'

/**
 * The one line that a connection leaves in the log, when it is fully closed: numbers, the path as the route spells it, and the
 * close reason, which pino escapes. No URL, no header, no address: these can hold secrets.
 */
export function logSummary(ws: WebSocketConnection): void {
  const { channel, request, closeInfo } = ws
  const log = request.log as { isLevelEnabled?: (level: string) => boolean }
  if (log.isLevelEnabled?.('info') === false) return
  request.log.info(
    {
      id: ws.id,
      route: request.routeOptions.url,
      ...closeInfo,
      duration: now() - channel.openedAt,
      messagesIn: channel.messagesIn,
      bytesIn: channel.bytesIn,
      messagesOut: channel.outbound.messages,
      bytesOut: channel.outbound.bytes,
      dropped: channel.dropped
    },
    'websocket closed'
  )
}
