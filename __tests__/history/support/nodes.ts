import { defineContract } from '../../../src/contract.ts'
import type { HubOptions, Publisher, WebSocketHub } from '../../../src/index.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { keyOf, type Model } from './followed-client.ts'

export const chat = defineContract({
  name: 'chat',
  fromServer: { said: { type: 'object', properties: { text: { type: 'string' } } } }
})

/** A node whose clients join the lobby: on `/` those of the contract, on `/raw` others. */
export function startNode(hub: HubOptions): Promise<TestServer> {
  return startServer(
    (app) => {
      app.webSocketWithContract('/', chat, async (ws) => void app.wsHub.join(ws, 'lobby'))
      app.webSocket('/raw', async (ws) => {
        app.wsHub.join(ws, 'lobby')
        for await (const message of ws) void message
      })
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
