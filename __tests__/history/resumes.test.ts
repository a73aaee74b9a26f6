import {
  type HistoryStore,
  memoryBroker,
  MemoryEngine,
  memoryHistory,
  type Position,
  type WebSocketConnection
} from '../../src/index.ts'
import { closeServers, connect, eventually, type TestClient, type TestServer } from '../support/server.ts'
import { chat, startNode, withJoin } from './support/nodes.ts'

jest.setTimeout(30_000)
afterEach(closeServers)

interface Frame {
  method?: string
  params?: Position & { room: string; recovered?: boolean; reason?: string; text?: string }
  room?: string
  offset?: number
}

const framesOf = ({ messages }: TestClient): Frame[] => messages.map(({ data }) => JSON.parse(data) as Frame)
const textsOf = (client: TestClient, room = 'lobby'): (string | undefined)[] =>
  framesOf(client).flatMap((frame) => (frame.method === 'said' && frame.room === room ? [frame.params?.text] : []))
const joinedOf = (client: TestClient): Frame['params'][] =>
  framesOf(client).flatMap(({ method, params }) => (method === 'rpc.joined' ? [params] : []))

/** A client that says where it is in the streams. */
async function open(url: string, positions: Record<string, Position> = {}): Promise<TestClient> {
  const client = await connect(url, ['blaze.v1'])
  client.socket.send(JSON.stringify({ jsonrpc: '2.0', id: 'h', method: 'rpc.hello', params: { positions } }))
  await client.next()
  return client
}

/** Publishes the numbers from `first` to `last`, and gives the position of the last one. */
async function publish({ app }: TestServer, first: number, last: number, room = 'lobby'): Promise<Position> {
  const all = Array.from({ length: last - first + 1 }, (_, i) =>
    app.wsHub.to(room).publish(chat, 'said', { text: `${first + i}` })
  )
  const { epoch, offset } = (await Promise.all(all)).at(-1) as Position
  return { epoch, offset }
}

const texts = (first: number, last: number): string[] =>
  Array.from({ length: last - first + 1 }, (_, i) => `${first + i}`)

const members = ({ app }: TestServer): WebSocketConnection[] => app.wsHub.getClients('lobby')

test('500 clients that come back together cause a handful of reads, and get everything once', async () => {
  const store = memoryHistory()
  let reads = 0
  const counting: HistoryStore = {
    append: (...args) => store.append(...args),
    read: (...args) => (reads++, store.read(...args)),
    positions: (...args) => store.positions(...args),
    clear: (...args) => store.clear(...args)
  }
  const node = await startNode({ history: { store: counting } })
  const { epoch } = await publish(node, 1, 900)
  // Nobody was there: the node has kept nothing.
  const clients = await Promise.all(
    Array.from({ length: 500 }, (_, i) => open(node.ws('/'), { lobby: { epoch, offset: 300 + (i % 50) } }))
  )
  await publish(node, 901, 910)
  for (const [i, client] of clients.entries()) {
    await client.until(() => framesOf(client).at(-1)?.offset === 910)
    expect(textsOf(client)).toEqual(texts(301 + (i % 50), 910))
  }
  expect(reads).toBeLessThan(40)
})

test('a client that another node adds to a room gets the last messages', async () => {
  const engine = new MemoryEngine()
  const store = memoryHistory()
  const [a, b] = (await Promise.all(
    [1, 2].map(() => startNode({ broker: memoryBroker({ engine }), history: { store } }))
  )) as [TestServer, TestServer]
  const client = await open(b.ws('/'))
  const [member] = members(b)
  await publish(a, 1, 10, 'other')
  await a.app.wsHub.cluster.ready()
  a.app.wsHub.join(member!.id, 'other', { last: 3 })
  await eventually(() => textsOf(client, 'other').length === 3)
  await publish(a, 11, 12, 'other')
  await eventually(() => textsOf(client, 'other').length === 5)
  expect(textsOf(client, 'other')).toEqual(texts(8, 12))
})

test('a client resumes several rooms, each under its label, and each position counts once', async () => {
  const node = await startNode({ history: { label: (room) => room.replace('internal:', '') } })
  const rooms = ['a', 'b', 'c']
  const positions: Record<string, Position> = {}
  for (const room of rooms) {
    positions[room] = await publish(node, 1, 5, `internal:${room}`)
    await publish(node, 6, 10, `internal:${room}`)
  }
  const client = await open(node.ws('/'), positions)
  const { wsHub: hub } = node.app
  const [ws] = members(node)
  for (const room of rooms) hub.join(ws!, `internal:${room}`)
  await eventually(() => rooms.every((room) => textsOf(client, room).length === 5))
  for (const room of rooms) expect(textsOf(client, room)).toEqual(texts(6, 10))
  expect(
    joinedOf(client)
      .filter((one) => one?.recovered)
      .map((one) => one?.room)
  ).toEqual(rooms)
  expect(client.messages.some(({ data }) => data.includes('internal:'))).toBe(false)

  // It has used this position: it is not sent again what it has.
  hub.leave(ws!, 'internal:a')
  hub.join(ws!, 'internal:a')
  await publish(node, 11, 11, 'internal:a')
  await eventually(() => textsOf(client, 'a').length === 6)
  expect(textsOf(client, 'a')).toEqual(texts(6, 11))
  const about = framesOf(client).filter(({ params }) => params?.room === 'a')
  expect(about.map(({ method, params }) => [method, params?.offset, params?.recovered])).toEqual([
    ['rpc.joined', 5, true],
    ['rpc.left', undefined, undefined],
    ['rpc.joined', 10, undefined]
  ])
})

test('to join again changes nothing, also in the middle of a catch-up', async () => {
  const node = await startNode({})
  const { epoch } = await publish(node, 1, 1_000)
  const client = await open(node.ws('/'), { lobby: { epoch, offset: 0 } })
  const [ws] = members(node)
  node.app.wsHub.join(ws!, 'lobby', { last: 500 })
  node.app.wsHub.join(ws!, 'lobby', { since: { epoch, offset: 10 } })
  await publish(node, 1_001, 1_001)
  await client.until(() => framesOf(client).at(-1)?.offset === 1_001)
  // One message was dropped.
  expect(joinedOf(client).length).toBeLessThanOrEqual(2)
  const got = textsOf(client)
  expect(got).toEqual(texts(1_001 - got.length + 1, 1_001))
  expect(got.length).toBeGreaterThanOrEqual(1_000)
})

test.each<[string, object, (at: Position) => Position | undefined, string[], object]>([
  ['resume: false passes over the position', { resume: false }, (at) => at, [], {}],
  ['resume: false with last', { resume: false, last: 2 }, (at) => at, texts(9, 10), {}],
  ['the position counts before last', { last: 2 }, (at) => at, texts(6, 10), { recovered: true }],
  ['last, without a position', { last: 2 }, () => undefined, texts(9, 10), {}],
  ['a lost position, and last', { last: 2 }, (at) => ({ ...at, offset: 99 }), texts(9, 10), { reason: 'epoch' }],
  ['a lost position alone', {}, (at) => ({ ...at, epoch: 'a' }), texts(1, 10), { reason: 'epoch' }]
])('%s', async (_, options, positionOf, expected, told) => {
  const node = await startNode({})
  const at = await publish(node, 1, 5)
  await publish(node, 6, 10)
  const position = positionOf(at)
  const client = await open(withJoin(node.ws('/'), options), position && { lobby: position })
  await eventually(() => joinedOf(client).length === 1)
  await publish(node, 11, 11)
  await eventually(() => textsOf(client).at(-1) === '11')
  expect(textsOf(client)).toEqual([...expected, '11'])
  const recovered = 'reason' in told ? { recovered: false } : {}
  const { epoch } = at
  expect(joinedOf(client)).toEqual([{ room: 'lobby', epoch, offset: 10 - expected.length, ...recovered, ...told }])
})

test('since counts before the position of the client', async () => {
  const node = await startNode({})
  const at = await publish(node, 1, 5)
  await publish(node, 6, 10)
  const client = await open(withJoin(node.ws('/'), { since: { ...at, offset: 8 } }), { lobby: at })
  await eventually(() => textsOf(client).length === 2)
  expect(textsOf(client)).toEqual(texts(9, 10))
  expect(joinedOf(client)).toEqual([{ room: 'lobby', epoch: at.epoch, offset: 8, recovered: true }])
})
