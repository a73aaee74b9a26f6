import type { WebSocketConnection } from '../../src/index.ts'
import { connect } from '../support/server.ts'

/** A handler that sends back what it gets. */
export const echo = async (ws: WebSocketConnection): Promise<void> => {
  for await (const { type, data } of ws) await ws.writeMessage(type, data)
}

/** Connects, sends a text, and gives the first message that comes. */
export async function answersTo(url: string, text: string, headers: Record<string, string> = {}): Promise<string> {
  const client = await connect(url, [], { headers })
  client.socket.send(text)
  return client.next()
}
