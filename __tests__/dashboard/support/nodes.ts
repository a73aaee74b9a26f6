import type { FastifyInstance } from 'fastify'
import { memoryBroker, MemoryEngine } from '../../../src/index.ts'
import dashboard, { type DashboardOptions } from '../../../src/dashboard.ts'
import { connect, startServer, type TestClient, type TestServer } from '../../support/server.ts'

/** Adds the routes of these tests: `/rooms/:room` joins a room and echoes, `/plain` is in no hub and echoes. */
export function addRoutes(app: FastifyInstance): void {
  app.webSocket('/rooms/:room', async (ws, request) => {
    app.wsHub.join(ws, (request.params as { room: string }).room)
    for await (const { type, data } of ws) await ws.writeMessage(type, data)
  })
  app.webSocketWithConfig(
    '/plain',
    async (ws) => {
      for await (const { type, data } of ws) await ws.writeMessage(type, data)
    },
    { subprotocols: ['chat'] }
  )
}

interface NodeOptions extends DashboardOptions {
  engine?: MemoryEngine
  prefix?: string
}

/** A server with the dashboard, alone or as a node of a cluster. */
export function startNode({ engine, prefix = '/realtime', ...options }: NodeOptions = {}): Promise<TestServer> {
  return startServer(
    async (app) => {
      addRoutes(app)
      await app.register(dashboard, { prefix, ...options })
    },
    engine === undefined ? {} : { hub: { broker: memoryBroker({ engine }) } }
  )
}

/** Two nodes that know each other. */
export async function startTwoNodes(): Promise<[TestServer, TestServer, MemoryEngine]> {
  const engine = new MemoryEngine()
  const nodes = await Promise.all([startNode({ engine, onRequest: [] }), startNode({ engine, onRequest: [] })])
  return [...nodes, engine]
}

/** Connects a client that has been answered, so that it is in its room. */
export async function join(server: TestServer, path: string, protocols?: string[]): Promise<TestClient> {
  const client = await connect(server.ws(path), protocols)
  client.socket.send('hello')
  await client.next()
  return client
}

export async function get<T>(server: TestServer, path: string): Promise<T> {
  const response = await fetch(server.http(`/realtime/${path}`))
  return (await response.json()) as T
}

/** What a page of this server would send to disconnect a client. */
export function disconnect(server: TestServer, id: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(server.http('/realtime/disconnect'), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ id })
  })
}
