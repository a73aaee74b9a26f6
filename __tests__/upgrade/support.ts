import type { WebSocketConnection } from '../../src/index.ts'
import { connect } from '../support/server.ts'

/** A handler that echoes every message. */
export const echo = async (ws: WebSocketConnection): Promise<void> => {
  for await (const { type, data } of ws) await ws.writeMessage(type, data)
}

/** Connects, sends a text, and returns the first message received. */
export async function answersTo(url: string, text: string, headers: Record<string, string> = {}): Promise<string> {
  const client = await connect(url, [], { headers })
  client.socket.send(text)
  return client.next()
}
