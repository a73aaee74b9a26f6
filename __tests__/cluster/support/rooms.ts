import type { FastifyInstance } from 'fastify'
import type { Broker, WebSocketHub } from '../../../src/index.ts'
import { connect, startServer, type TestClient, type TestServer, type TestServerOptions } from '../../support/server.ts'

/** A route whose clients join a room, and get their id once they receive all messages to the room. */
export function rooms(app: FastifyInstance): void {
  app.webSocket('/:room', async (ws) => {
    app.wsHub.join(ws, ws.context().param('room'))
    await app.wsHub.cluster.ready()
    await ws.writeText(ws.id)
    for await (const message of ws) void message
  })
}

export interface RoomServer extends TestServer {
  hub: WebSocketHub
  /** Connects a client to a room; resolves to the client with its id. */
  join(room: string): Promise<TestClient & { id: string }>
}

/** A node with this route. */
export async function startRooms(broker: Broker, hub: TestServerOptions['hub'] = {}): Promise<RoomServer> {
  const server = await startServer(rooms, { hub: { ...hub, broker } })
  const join = async (room: string): Promise<TestClient & { id: string }> => {
    const client = await connect(server.ws(`/${room}`))
    return Object.assign(client, { id: await client.next() })
  }
  return { ...server, hub: server.app.wsHub, join }
}

/** The texts that a client has received, up to and including `last`. */
export async function upTo(client: TestClient, last: string): Promise<string[]> {
  const texts: string[] = []
  while (texts.at(-1) !== last) texts.push(await client.next())
  return texts
}
