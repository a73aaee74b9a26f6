// What users of other histories have missed messages by, or got twice.

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineContract } from '../../src/contract.ts'
import type { JoinOptions, Position } from '../../src/index.ts'
import { closeServers, connect, eventually, startServer, type TestClient } from '../support/server.ts'

afterEach(closeServers)

const chat = defineContract({
  name: 'chat',
  fromServer: { said: { type: 'object', properties: { one: { type: 'number' }, text: { type: 'string' } } } }
})

/** A server whose clients join the room with these options. */
async function serve(history: object = {}, join: JoinOptions = {}) {
  const server = await startServer(
    (app) => void app.webSocketWithContract('/chat', chat, async (ws) => app.wsHub.join(ws, 'lobby', join)),
    { hub: { history } }
  )
  // Long, and not to be compressed: a client takes many messages at once if they are short.
  const text = (): string => randomBytes(2_000).toString('base64')
  /** Publishes a message for each number, and gives the position of the first. */
  const say = async (...numbers: number[]): Promise<Position> => {
    const lobby = server.app.wsHub.to('lobby')
    const said = await Promise.all(numbers.map((one) => lobby.publish(chat, 'said', { one, text: text() })))
    return said[0] as Position
  }
  return { ...server, say }
}

type Server = Awaited<ReturnType<typeof serve>>

/** Connects with a position, and resolves when the server has answered the hello. Cuts the connection after so many messages. */
async function open({ ws }: Server, lobby?: Position, cutAfter = Infinity): Promise<TestClient> {
  const client = await connect(ws('/chat'), ['blaze.v1'])
  client.socket.on('message', () => {
    if (client.messages.length >= cutAfter) client.socket.terminate()
  })
  const params = { positions: lobby && { lobby } }
  client.socket.send(JSON.stringify({ jsonrpc: '2.0', id: 'h', method: 'rpc.hello', params }))
  await client.next()
  return client
}

const framesOf = ({ messages }: TestClient): any[] => messages.map(({ data }) => JSON.parse(data) as unknown)
const joinedOf = (client: TestClient): any[] =>
  framesOf(client).flatMap(({ method, params }) => (method === 'rpc.joined' ? [params] : []))
const offsetsOf = (client: TestClient): number[] => framesOf(client).flatMap(({ offset }) => offset ?? [])

async function close({ socket }: TestClient): Promise<void> {
  socket.terminate()
  await eventually(() => socket.readyState === socket.CLOSED)
}

test('a client that comes back again and again, and gets nothing live, gets nothing twice', async () => {
  const server = await serve()
  const { epoch } = await server.say(1, 2, 3)
  const first = await open(server, { epoch, offset: 1 })
  await eventually(() => offsetsOf(first).at(-1) === 3)
  await close(first)
  for (let i = 0; i < 3; i++) {
    const client = await open(server, { epoch, offset: 3 })
    await eventually(() => joinedOf(client).length === 1)
    expect(joinedOf(client)).toEqual([{ room: 'lobby', epoch, offset: 3, recovered: true }])
    await close(client)
  }
  const last = await open(server, { epoch, offset: 3 })
  await server.say(4)
  await eventually(() => offsetsOf(last).length > 0)
  expect(offsetsOf(last)).toEqual([4])
})

test('a client that went before the first message of a room gets it when it comes back', async () => {
  const server = await serve()
  const client = await open(server)
  await eventually(() => joinedOf(client).length === 1)
  const { epoch, offset } = joinedOf(client)[0] as Position
  await close(client)
  await server.say(1, 2)
  const back = await open(server, { epoch, offset })
  await eventually(() => offsetsOf(back).length === 2)
  expect(joinedOf(back)).toEqual([{ room: 'lobby', epoch, offset: 0, recovered: true }])
})

test('a client that wants the last messages does not get them again when it comes back', async () => {
  const server = await serve({}, { last: 3 })
  const { epoch } = await server.say(1, 2, 3, 4, 5)
  const client = await open(server)
  await eventually(() => offsetsOf(client).length === 3)
  await close(client)
  await server.say(6)
  const back = await open(server, { epoch, offset: 5 })
  await eventually(() => offsetsOf(back).includes(6))
  expect(offsetsOf(back)).toEqual([6])
})

test('messages that have become too old are told as missing, and what a client has is not', async () => {
  const server = await serve({ ttl: 50 })
  const { epoch } = await server.say(1, 2, 3)
  await sleep(60)
  const behind = await open(server, { epoch, offset: 1 })
  const upToDate = await open(server, { epoch, offset: 3 })
  for (const client of [behind, upToDate]) await eventually(() => joinedOf(client).length > 0)
  const at = { room: 'lobby', epoch, offset: 3 }
  expect(joinedOf(behind)).toEqual([{ ...at, recovered: false, reason: 'trimmed' }])
  expect(joinedOf(upToDate)).toEqual([{ ...at, recovered: true }])
})

test('a quiet room with a short ttl keeps its position as long as it has a member', async () => {
  const server = await serve({ ttl: 20 })
  const member = await open(server)
  await eventually(() => joinedOf(member).length === 1)
  const { epoch } = await server.say(1)
  await sleep(100)
  expect(await server.app.wsHub.history.position('lobby')).toEqual({ epoch, offset: 1 })
  await sleep(100)
  await server.say(2)
  await eventually(() => offsetsOf(member).length === 2)
  expect(joinedOf(member)).toEqual([{ room: 'lobby', epoch, offset: 0 }])
})

test.each([
  ['of nobody', 'unknown'],
  ['that sorts after all', '~'],
  ['that is empty', '']
])('an epoch %s is told as lost, and does not disturb the others', async (_, epoch) => {
  const server = await serve()
  const member = await open(server)
  await server.say(1)
  const client = await open(server, { epoch, offset: 7 })
  await eventually(() => offsetsOf(client).length === 1)
  const { epoch: real, offset } = await server.app.wsHub.history.position('lobby')
  expect(offset).toBe(1)
  expect(joinedOf(client)).toEqual([{ room: 'lobby', epoch: real, offset: 0, recovered: false, reason: 'epoch' }])
  await server.say(2)
  for (const one of [member, client]) await eventually(() => offsetsOf(one).includes(2))
  expect(joinedOf(member)).toHaveLength(1)
})

test('a client that is cut while it catches up goes on after the last message that it got', async () => {
  const server = await serve()
  const numbers = Array.from({ length: 300 }, (_, i) => i + 1)
  const { epoch } = await server.say(...numbers)
  const got: number[] = []
  let connections = 0
  for (; got.length < 300; connections++) {
    const client = await open(server, { epoch, offset: got.at(-1) ?? 0 }, 20)
    const isDone = (): boolean => client.closed !== undefined || offsetsOf(client).includes(300)
    await eventually(isDone)
    await close(client)
    got.push(...offsetsOf(client))
  }
  expect(got).toEqual(numbers)
  expect(connections).toBeGreaterThan(1)
})

test('live messages neither overtake the past nor get lost between', async () => {
  const server = await serve({}, { last: 1_000 })
  const { epoch } = await server.say(1, 2, 3)
  const clients: TestClient[] = []
  for (let i = 4; i <= 100; i += 2) {
    const said = server.say(i, i + 1)
    const entries = await server.app.wsHub.history.read('lobby')
    clients.push(await open(server), await open(server, { epoch, offset: entries.offset }))
    expect(entries).toMatchObject({ epoch, isComplete: true })
    await said
  }
  await eventually(() => clients.every((client) => offsetsOf(client).at(-1) === 101))
  for (const client of clients) {
    const [first = 0] = offsetsOf(client)
    expect(offsetsOf(client)).toEqual(Array.from({ length: 102 - first }, (_, i) => first + i))
    expect(joinedOf(client)).toHaveLength(1)
  }
})

test('a client that takes nothing holds up neither publishers nor others, and gets everything later', async () => {
  const server = await serve()
  const [slow, fast] = [await open(server), await open(server)]
  await eventually(() => joinedOf(slow).length === 1)
  slow.socket.pause()
  const numbers = Array.from({ length: 1_000 }, (_, i) => i + 1)
  for (let i = 0; i < 1_000; i += 50) await server.say(...numbers.slice(i, i + 50))
  await eventually(() => offsetsOf(fast).length === 1_000)
  expect(offsetsOf(slow).length).toBeLessThan(1_000)
  slow.socket.resume()
  await eventually(() => offsetsOf(slow).length >= 1_000)
  for (const client of [slow, fast]) expect(offsetsOf(client)).toEqual(numbers)
})

test('a publisher that repeats what it does not know to be stored stores it once', async () => {
  const server = await serve()
  const member = await open(server)
  const lobby = server.app.wsHub.to('lobby')
  await Promise.all([1, 2, 3].map(() => lobby.publish(chat, 'said', {}, { id: 'same' })))
  await lobby.publish(chat, 'said', {})
  await eventually(() => offsetsOf(member).includes(2))
  expect(offsetsOf(member)).toEqual([1, 2])
})
