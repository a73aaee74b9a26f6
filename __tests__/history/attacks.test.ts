import { defineContract } from '../../src/contract.ts'
import { type HistoryStore, type JoinOptions, memoryBroker, MemoryEngine, memoryHistory } from '../../src/index.ts'
import { Kind, encode, newOrigin } from '../../src/cluster/wire/envelope.ts'
import { storedPayload, type StoredNotice } from '../../src/cluster/wire/stored-payload.ts'
import { closeServers, connect, eventually, startServer, type TestClient } from '../support/server.ts'

afterEach(closeServers)

const chat = defineContract({
  name: 'chat',
  fromServer: { said: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] } }
})
const CHANNEL = 'room:lobby'
const KEPT = { size: 1_000, ttl: 60_000 }

/** A server whose clients join the room that their query names, with options from it. */
function serve(options: object = {}) {
  return startServer((app) => {
    const join = (ws: Parameters<typeof app.wsHub.join>[0], query: unknown): void => {
      const { room = 'lobby', join: given = '{}' } = query as { room?: string; join?: string }
      app.wsHub.join(ws, room, JSON.parse(given) as JoinOptions)
    }
    app.webSocketWithContract('/chat', chat, async (ws) => join(ws, ws.query))
    app.webSocket('/raw', async (ws) => {
      join(ws, ws.request.query)
      for await (const _message of ws);
    })
  }, options)
}

const withJoin = (url: string, options: object): string => `${url}?join=${encodeURIComponent(JSON.stringify(options))}`

async function openBlaze(url: string, positions?: object): Promise<TestClient> {
  const client = await connect(url, ['blaze.v1'])
  client.socket.send(JSON.stringify({ jsonrpc: '2.0', id: 'h', method: 'rpc.hello', params: { positions } }))
  await client.next()
  return client
}

const framesOf = ({ messages }: TestClient): any[] => messages.map(({ data }) => JSON.parse(data) as unknown)
const next = async (client: TestClient): Promise<any> => JSON.parse(await client.next())
const textsOf = (client: TestClient): unknown[] => framesOf(client).map(({ params }) => params?.text)

/** A store that does some things in its own way. */
const storeWith = (changes: (store: HistoryStore) => Partial<HistoryStore>, store = memoryHistory()): HistoryStore => ({
  append: (...call) => store.append(...call),
  read: (...call) => store.read(...call),
  positions: (...call) => store.positions(...call),
  clear: (...call) => store.clear(...call),
  ...changes(store)
})

/** Has another program store something in the lobby. */
const storeForeign = (store: HistoryStore, channel: string, body: Uint8Array, id = `foreign${Math.random()}`) =>
  store.append(channel, [{ id, body }], { ...KEPT, known: undefined })

/** The name under which a server keeps the lobby. */
function watchedStore(): { store: HistoryStore; channel: () => string; calls: { reads: number } } {
  let name = CHANNEL
  const calls = { reads: 0 }
  const store = storeWith((inner) => ({
    positions: (rooms) => {
      name = rooms[0]?.room ?? name
      return inner.positions(rooms)
    },
    read: (...call) => {
      calls.reads++
      return inner.read(...call)
    }
  }))
  return { store, channel: () => name, calls }
}

/** A node whose engine anybody can publish to. */
async function serveNode(history: object = {}) {
  const engine = new MemoryEngine()
  const { store, channel, calls } = watchedStore()
  const server = await serve({ hub: { broker: memoryBroker({ engine }), history: { store, ...history } } })
  const outsider = memoryBroker({ engine })
  const forge = (notice: StoredNotice) =>
    outsider.publish(
      channel(),
      encode({
        kind: Kind.Stored,
        origin: newOrigin(),
        generation: 0,
        sequence: 0,
        copyId: 0,
        ids: [],
        payload: storedPayload(notice)
      })
    )
  return { ...server, store, channel, calls, forge }
}

describe('messages of other programs', () => {
  test('a message that nobody understands is passed over, and read once', async () => {
    const { store, channel, calls } = watchedStore()
    const { app, ws } = await serve({ hub: { history: { store } } })
    const client = await openBlaze(ws('/chat'))
    const raw = await connect(ws('/raw'))
    const { params: joined } = await next(client)
    await storeForeign(store, channel(), Buffer.of(9, 1, 2))
    const { reads } = calls
    await app.wsHub.to('lobby').publish(chat, 'said', { text: 'after' })
    await eventually(() => framesOf(client).length === 2 && raw.messages.length === 1)
    expect(calls.reads - reads).toBe(1)
    expect(framesOf(client)[0].params).toEqual({ ...joined, offset: 1 })
    expect(framesOf(client)[1]).toMatchObject({ method: 'said', offset: 2 })
  })

  test('clients that catch up get what comes after many messages that nobody understands', async () => {
    const { store, channel } = watchedStore()
    const { app, ws } = await serve({ hub: { history: { store } } })
    const lobby = app.wsHub.to('lobby')
    await app.wsHub.history.position('lobby')
    const [first] = await storeForeign(store, channel(), Buffer.of(9))
    for (let i = 2; i <= 64; i++) await storeForeign(store, channel(), Buffer.of())
    for (let i = 65; i <= 200; i++) await lobby.publish(chat, 'said', { text: `${i}` })
    const { epoch } = first!
    const [back, newcomer] = [
      await openBlaze(ws('/chat'), { lobby: { epoch, offset: 10 } }),
      await openBlaze(withJoin(ws('/chat'), { last: 150 }))
    ]
    for (const client of [back, newcomer]) {
      await eventually(() => textsOf(client).at(-1) === '200')
      expect(framesOf(client).map(({ params }) => params.recovered)).not.toContain(false)
      expect(textsOf(client).filter(Boolean)).toEqual(Array.from({ length: 136 }, (_, i) => `${65 + i}`))
    }
  })
})

describe('forged notices', () => {
  test('a later epoch that the store does not know changes nothing', async () => {
    const { app, ws, forge } = await serveNode()
    const client = await openBlaze(ws('/chat'))
    const { params: joined } = await next(client)
    await forge({ epoch: 'zzzz', offset: 1, id: 'bogus', body: Buffer.from('\u0001x') })
    await forge({ epoch: 'zzzz', offset: 2 ** 53 - 1, id: 'bogus', body: Buffer.of() })
    const published = await app.wsHub.to('lobby').publish(chat, 'said', { text: 'a' })
    expect(published).toMatchObject({ epoch: joined.epoch, offset: 1, receivers: 1 })
    await app.wsHub.to('lobby').publish(chat, 'said', { text: 'b' })
    await eventually(() => textsOf(client).at(-1) === 'b')
    expect(textsOf(client)).toEqual(['a', 'b'])
  })

  test('a number that the store does not have costs an epoch, and nothing more', async () => {
    const { app, ws, forge } = await serveNode()
    const client = await openBlaze(ws('/chat'))
    const { params: joined } = await next(client)
    await forge({ epoch: joined.epoch, offset: 2 ** 53 - 1, id: 'bogus', body: Buffer.from('\u0001x') })
    await eventually(() => framesOf(client).length === 1)
    expect(framesOf(client)[0].params).toMatchObject({ offset: 0, recovered: false, reason: 'epoch' })
    for (const text of ['a', 'b']) await app.wsHub.to('lobby').publish(chat, 'said', { text })
    await eventually(() => textsOf(client).at(-1) === 'b')
    expect(textsOf(client).slice(1)).toEqual(['a', 'b'])
  })
})
