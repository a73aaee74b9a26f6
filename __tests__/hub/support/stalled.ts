import type { WebSocketConfig, WebSocketConnection, WebSocketHub } from '../../../src/index.ts'
import { RawClient } from '../../support/raw-client.ts'
import { connect, eventually, startServer, type TestClient, type TestServer } from '../../support/server.ts'

/** The next turn of the event loop: meanwhile every socket had its chance. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export interface StalledServer extends TestServer {
  hub: WebSocketHub
  /** Connects a client that reads. */
  fast(): Promise<TestClient>
  /** Connects a client that has stopped reading and has a full socket. */
  stalled(): Promise<Stalled>
}

export interface Stalled {
  ws: WebSocketConnection
  client: RawClient
}

/** A server whose clients join the room `room`. */
export async function startStalled(config: Partial<WebSocketConfig>, hub = {}): Promise<StalledServer> {
  const joined: WebSocketConnection[] = []
  const server = await startServer(
    (app) => {
      app.webSocketWithConfig(
        '/',
        async (ws) => {
          app.wsHub.join(ws, 'room')
          joined.push(ws)
          for await (const message of ws) void message
        },
        { writeTimeout: 0, ...config }
      )
    },
    { hub }
  )
  const next = async <Client>(connecting: Promise<Client>): Promise<[Client, WebSocketConnection]> => {
    const count = joined.length
    const client = await connecting
    await eventually(() => joined.length > count)
    return [client, joined.at(-1) as WebSocketConnection]
  }
  return {
    ...server,
    hub: server.app.wsHub,
    fast: async () => (await next(connect(server.ws('/'))))[0],
    stalled: async () => {
      const [client, ws] = await next(new RawClient(server.port).open('/'))
      await stall(client, ws)
      return { client, ws }
    }
  }
}

/** Has a client stop reading, and fills its socket. */
export async function stall(client: RawClient, ws: WebSocketConnection): Promise<void> {
  client.socket.pause()
  while (ws.bufferedAmount < 1024 * 1024) {
    void ws.writeBinary(Buffer.alloc(1024 * 1024))
    await turn()
  }
  // Later messages meet a socket that has had time to take some data.
  await turn()
}

/** The texts that a client gets when it reads again, up to the last one or the close code. */
export async function textsUpTo(client: RawClient, last: string): Promise<string[]> {
  client.socket.resume()
  const texts: string[] = []
  while (texts.at(-1) !== last) {
    const { opcode, payload } = await client.frame()
    if (opcode === 1) texts.push(payload.toString())
    if (opcode === 8) return [...texts, `closed ${payload.readUInt16BE(0)}`]
  }
  return texts
}
