import type { FastifyInstance } from 'fastify'
import { defineContract } from '../../../src/contract.ts'
import type { JoinOptions } from '../../../src/index.ts'
import { connect, startServer, type TestClient, type TestServer } from '../../support/server.ts'

export const chat = defineContract({
  name: 'chat',
  fromServer: { said: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] } }
})
export const other = defineContract({ name: 'other', fromServer: { moved: null } })

/** A server whose clients join the room that their query names, with options from it. */
export function serve(options: object = {}): Promise<TestServer> {
  return startServer((app: FastifyInstance) => {
    const join = (ws: Parameters<typeof app.wsHub.join>[0], query: unknown): void => {
      const { room = 'lobby', join: given = '{}' } = query as { room?: string; join?: string }
      app.wsHub.join(ws, room, JSON.parse(given) as JoinOptions)
    }
    app.webSocketWithContract('/chat', chat, async (ws) => join(ws, ws.query))
    app.webSocketWithContract('/other', other, async (ws) => join(ws, ws.query))
    app.webSocket('/raw', async (ws) => {
      join(ws, ws.request.query)
      for await (const _message of ws);
    })
  }, options)
}

export const withJoin = (url: string, options: object): string =>
  `${url}?join=${encodeURIComponent(JSON.stringify(options))}`

/** A client after its hello. */
export async function openBlaze(url: string, positions?: object): Promise<TestClient> {
  const client = await connect(url, ['blaze.v1'])
  client.socket.send(JSON.stringify({ jsonrpc: '2.0', id: 'h', method: 'rpc.hello', params: { positions } }))
  await client.next()
  return client
}

export const framesOf = ({ messages }: TestClient): any[] => messages.map(({ data }) => JSON.parse(data) as unknown)
export const next = async (client: TestClient): Promise<any> => JSON.parse(await client.next())
