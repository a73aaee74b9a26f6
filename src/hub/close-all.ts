import { CloseCode } from '../close.ts'
import type { WebSocketConnection } from '../connection/connection.ts'

/** Closes connections with 1001, waits for `timeout` milliseconds at most and drops the rest. */
export async function closeAll(connections: readonly WebSocketConnection[], timeout: number): Promise<void> {
  const timer = setTimeout(() => {
    for (const ws of connections) if (ws.closeInfo === undefined) ws.terminate()
  }, timeout).unref()
  await Promise.all(connections.map((ws) => ws.close(CloseCode.GoingAway)))
  clearTimeout(timer)
}
