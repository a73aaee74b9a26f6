import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'
import type { WebSocketConnection } from '../connection/connection.ts'
import type { BlazeWsChannels } from '../observe/channels.ts'

/** Functions for the messages of channels. They must not throw: Node.js would end the process. */
export type Listeners = { readonly [Name in keyof BlazeWsChannels]?: (message: BlazeWsChannels[Name]) => void }

/** Calls functions with the messages of channels until the server is closed. Channels have the messages of all servers of the process. */
export function listen(app: FastifyInstance, listeners: Listeners): void {
  const subscribed = Object.entries(listeners) as [string, (message: unknown) => void][]
  for (const [name, listener] of subscribed) subscribe(name, listener)
  app.addHook('onClose', async () => {
    for (const [name, listener] of subscribed) unsubscribe(name, listener)
  })
}

/** Whether a connection belongs to this server. */
export function isConnectionOf(app: FastifyInstance, ws: WebSocketConnection): boolean {
  return ws.request.server.server === app.server
}
