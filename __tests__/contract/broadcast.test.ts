import { WebSocket } from 'ws'
import { defineContract } from '../../src/contract.ts'
import { createPublisher, memoryBroker, MemoryEngine, type WebSocketHub } from '../../src/index.ts'
import { closeServers, connect, eventually, startServer, type TestClient } from '../support/server.ts'

afterEach(closeServers)

const Text = {
  type: 'object',
  properties: { text: { type: 'string' } },
  required: ['text'],
  additionalProperties: false
} as const
const chat = defineContract({ name: 'chat', fromServer: { said: Text, left: null } })
/** Of the same name, as an older client of a rolling release may have it. */
const olderChat = defineContract({ name: 'chat', fromServer: { said: Text } })
const game = defineContract({ name: 'game', fromServer: { said: Text } })

const SAID = '{"jsonrpc":"2.0","method":"said","params":{"text":"hello"}}'
const LEFT = '{"jsonrpc":"2.0","method":"left"}'

interface Clients {
  hub: WebSocketHub
  logs: { msg?: string; level: number }[]
  chat: TestClient
  older: TestClient
  game: TestClient
  raw: TestClient
  app: Awaited<ReturnType<typeof startServer>>['app']
}

/** A server with a client of each kind in the room `lobby`. */
async function serverWithClients(engine?: MemoryEngine): Promise<Clients> {
  const { app, ws, logs } = await startServer(
    (app) => {
      for (const [path, contract] of Object.entries({ '/chat': chat, '/older': olderChat, '/game': game }))
        app.webSocketWithContract(path, contract, async (ws) => {
          app.wsHub.join(ws, 'lobby')
        })
      app.webSocket('/raw', async (ws) => {
        app.wsHub.join(ws, 'lobby')
        for await (const _message of ws);
      })
    },
    engine === undefined ? {} : { hub: { broker: memoryBroker({ engine }) } }
  )
  const [chatClient, older, gameClient, raw] = await Promise.all(
    ['/chat', '/older', '/game', '/raw'].map((path) => connect(ws(path)))
  )
  await eventually(() => app.wsHub.getClientCount('lobby') === 4)
  return { hub: app.wsHub, app, logs, chat: chatClient!, older: older!, game: gameClient!, raw: raw! }
}

const texts = ({ messages }: TestClient): string[] => messages.map(({ data }) => data)

test('an event reaches the clients whose contract has it, and clients without a contract', async () => {
  const { hub, ...clients } = await serverWithClients()
  expect(hub.broadcast(chat, 'said', { text: 'hello' })).toBe(3)
  expect(hub.to('lobby').broadcast(chat, 'left')).toBe(2)
  expect(hub.to('lobby').broadcast(chat, 'left', undefined, { except: [...hub.getClients()] })).toBe(0)
  hub.broadcast('raw')
  await eventually(() => clients.raw.messages.length === 3)
  expect(texts(clients.raw)).toEqual([SAID, LEFT, 'raw'])
  expect(texts(clients.chat)).toEqual([SAID, LEFT])
  expect(texts(clients.older)).toEqual([SAID])
  expect(texts(clients.game)).toEqual([])
})

test('a raw broadcast that passes over connections with a contract is logged once', async () => {
  const { hub, logs, raw } = await serverWithClients()
  hub.broadcast('one')
  hub.to('lobby').broadcast('two')
  await eventually(() => raw.messages.length === 2)
  expect(logs.filter(({ msg }) => msg?.startsWith('a raw broadcast does not reach'))).toMatchObject([{ level: 40 }])
})

test('data that does not fit throws a TypeError, and nothing is sent', async () => {
  const { hub, raw } = await serverWithClients()
  expect(() => hub.broadcast(chat, 'said', {} as never)).toThrow(TypeError)
  expect(() => hub.broadcast(chat, 'said', {} as never)).toThrow(/said.*text/)
  expect(() => hub.broadcast(chat, 'nothing' as 'left')).toThrow('The contract "chat" has no event "nothing"')
  expect(() => hub.broadcast(chat, 'left', { text: 'x' } as never)).toThrow(/left.*takes no data/)
  hub.broadcast('end')
  expect(await raw.next()).toBe('end')
})

test('what the schema does not list is not sent, and the data stays as it is', async () => {
  const { hub, raw } = await serverWithClients()
  const data = { text: 'hello', secret: 1 }
  hub.broadcast(chat, 'said', data)
  expect(await raw.next()).toBe(SAID)
  expect(data).toEqual({ text: 'hello', secret: 1 })
})

test('events reach the right clients of other nodes, also from a publisher', async () => {
  const engine = new MemoryEngine()
  const [here, there] = [await serverWithClients(engine), await serverWithClients(engine)]
  here.hub.broadcast(chat, 'said', { text: 'hello' })
  here.hub.to('lobby').broadcast(chat, 'left')
  const publisher = createPublisher(memoryBroker({ engine }), { app: here.app })
  await publisher.broadcast(chat, 'left')
  await publisher.to('lobby').broadcast(game, 'said', { text: 'hello' })
  await expect(publisher.broadcast(chat, 'said', {} as never)).rejects.toThrow(TypeError)
  await publisher.close()
  await eventually(() => there.raw.messages.length === 4 && there.game.messages.length === 1)
  expect(texts(there.raw)).toEqual([SAID, LEFT, LEFT, SAID])
  expect(texts(there.chat)).toEqual([SAID, LEFT, LEFT])
  expect(texts(there.older)).toEqual([SAID])
  expect(texts(there.game)).toEqual([SAID])
})

test('a client of a contract that is broken or foreign does not disturb the others', async () => {
  const { hub, chat: client } = await serverWithClients()
  client.socket.close()
  await client.close()
  expect(client.socket.readyState).toBe(WebSocket.CLOSED)
  await eventually(() => hub.getClientCount() === 3)
  expect(hub.broadcast(chat, 'said', { text: 'hello' })).toBe(2)
})
