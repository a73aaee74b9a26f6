import { defineContract } from '../../../src/contract.ts'
import type { HubOptions, JoinOptions, Publisher, WebSocketConfig, WebSocketHub } from '../../../src/index.ts'
import type { AnyConnection } from '../../../src/connection/underlying.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { keyOf, type Model } from './followed-client.ts'

export const chat = defineContract({
  name: 'chat',
  fromServer: { said: { type: 'object', properties: { text: { type: 'string' } } } }
})

/** A WebSocket address of a node, for clients that join with these options, and in this room. */
export const withJoin = (url: string, options: JoinOptions, room = 'lobby'): string =>
  `${url}?room=${room}&options=${encodeURIComponent(JSON.stringify(options))}`

/** A node whose clients join the lobby, or what `withJoin` says: on `/` those of the contract, on `/raw` others. */
export function startNode(hub: HubOptions, webSocket: Partial<WebSocketConfig> = {}): Promise<TestServer> {
  return startServer(
    (app) => {
      const join = (ws: AnyConnection, query: unknown): void => {
        const { room = 'lobby', options = '{}' } = query as { room?: string; options?: string }
        app.wsHub.join(ws, room, JSON.parse(options) as JoinOptions)
      }
      app.webSocketWithContract('/', chat, async (ws) => join(ws, ws.query), { webSocket })
      app.webSocketWithConfig(
        '/raw',
        async (ws) => {
          join(ws, ws.request.query)
          for await (const message of ws) void message
        },
        webSocket
      )
    },
    { hub }
  )
}

/** Publishes a text in the lobby, and again with the same id until it is known to be stored. */
export async function publishUntilStored(
  hub: WebSocketHub | Publisher,
  text: string,
  model: Model,
  onRejected: () => void = () => {}
): Promise<void> {
  for (;;) {
    try {
      model.set(keyOf(await hub.to('lobby').publish(chat, 'said', { text }, { id: text })), text)
      return
    } catch (error) {
      if ((error as { code?: string }).code !== 'FST_BLAZE_WS_HISTORY_UNAVAILABLE') throw error
      onRejected()
    }
  }
}
