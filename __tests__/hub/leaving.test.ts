import type { WebSocketConnection } from '../../src/index.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

/** Joins two rooms and ends the connection; returns its rooms as seen in `finally` and in the `unregister` event. */
async function leave(
  how: (ws: WebSocketConnection, client: Awaited<ReturnType<typeof connect>>) => unknown
): Promise<{ inFinally: string[]; inEvent: readonly string[] }> {
  const seen: { inFinally: string[]; inEvent: readonly string[] } = { inFinally: ['never'], inEvent: ['never'] }
  let ws: WebSocketConnection | undefined
  let isOver = false
  const { app, ws: url } = await startServer((server) => {
    server.wsHub.on('unregister', (_ws, rooms) => {
      seen.inEvent = rooms
    })
    server.webSocket('/', async (connection) => {
      ws = connection
      for (const room of ['a', 'b']) server.wsHub.join(connection, room)
      try {
        for await (const message of connection) void message
      } finally {
        seen.inFinally = server.wsHub.rooms(connection)
        isOver = true
      }
    })
  })
  const client = await connect(url('/'))
  await eventually(() => app.wsHub.getClientCount('b') === 1)
  await how(ws!, client)
  await eventually(() => isOver && seen.inEvent[0] !== 'never')
  expect([app.wsHub.getRooms(), app.wsHub.getClientCount()]).toEqual([[], 0])
  return seen
}

const BOTH = ['a', 'b']

test.each<[string, Parameters<typeof leave>[0]]>([
  ['a client that closes', (_ws, client) => client.socket.close()],
  ['a client that is cut off', (_ws, client) => client.socket.terminate()],
  ['a connection that we close', (ws) => ws.close()],
  ['a connection that we drop', (ws) => ws.terminate()]
])('the rooms of %s are still known in the unregister event and in finally', async (_, how) => {
  expect(await leave(how)).toEqual({ inFinally: BOTH, inEvent: BOTH })
})

test('an unregistered connection is in no room', async () => {
  const { app, ws: url } = await startServer((server) => {
    server.webSocket('/', async (ws) => {
      server.wsHub.join(ws, 'a')
      server.wsHub.unregister(ws)
      await ws.writeJSON(server.wsHub.rooms(ws)).catch(() => {})
      expect(server.wsHub.rooms(ws)).toEqual([])
    })
  })
  const gone: (readonly string[])[] = []
  app.wsHub.on('unregister', (_ws, rooms) => void gone.push(rooms))
  await (await connect(url('/'))).close()
  expect(gone).toEqual([['a']])
})
