import { CloseCode } from '../internal/close.ts'
import type { WebSocketConnection } from '../connection/connection.ts'

/** Closes connections with 1001 and a reason, waits for `timeout` milliseconds at most and drops the rest. */
export async function closeAll(
  connections: readonly WebSocketConnection[],
  timeout: number,
  reason: string
): Promise<void> {
  const timer = setTimeout(() => {
    for (const ws of connections) if (ws.closeInfo === undefined) ws.session.terminate('shutdown timeout')
  }, timeout).unref()
  await Promise.all(connections.map((ws) => ws.close(CloseCode.GoingAway, reason)))
  clearTimeout(timer)
}
