import { type HistoryStore, memoryBroker, MemoryEngine, memoryHistory } from '../../src/index.ts'
import { Kind, encode, newOrigin } from '../../src/cluster/wire/envelope.ts'
import { storedNoticeOf, storedPayload, type StoredNotice } from '../../src/cluster/wire/stored-payload.ts'
import { bodyOf } from '../../src/history/content.ts'
import { PartCache } from '../../src/history/part-cache.ts'
import { PublishedMessage } from '../../src/history/published-message.ts'
import { Tail } from '../../src/history/tail.ts'
import { Stream } from '../../src/history/stream.ts'
import { TextMessage } from '../../src/internal/message.ts'
import { SendProgress } from '../../src/connection/write/backpressure.ts'
import { closeServers, connect, eventually, type TestClient } from '../support/server.ts'
import { chat, framesOf, next, openBlaze, serve, withJoin } from './support/lobby.ts'

afterEach(closeServers)

const CHANNEL = 'room:lobby'
const KEPT = { size: 1_000, ttl: 60_000 }

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

describe('closing', () => {
  test('two calls of shutdown at the same time both end, and the store is closed once', async () => {
    let closed = 0
    let answer = (): void => {}
    const store = storeWith((inner) => ({
      append: async (...call) => {
        await new Promise<void>((resolve) => (answer = resolve))
        return inner.append(...call)
      },
      close: async () => void closed++
    }))
    const { app } = await serve({ hub: { history: { store } } })
    const published = app.wsHub.to('lobby').publish('x')
    const shutdowns = [app.wsHub.shutdown(0), app.wsHub.shutdown(0)]
    await new Promise(setImmediate)
    answer()
    await Promise.all([published, ...shutdowns])
    await app.close()
    expect(closed).toBe(1)
  })

  test('a hub that first publishes after it was closed does not open its store', async () => {
    let opened = 0
    const store = storeWith(() => ({ open: () => void opened++ }))
    const { app } = await serve({ hub: { history: { store } } })
    await app.close()
    const code = 'FST_BLAZE_WS_HISTORY_UNAVAILABLE'
    await expect(app.wsHub.to('lobby').publish('x')).rejects.toMatchObject({ code })
    await expect(app.wsHub.history.read('lobby')).rejects.toMatchObject({ code })
    expect(opened).toBe(0)
  })
})

describe('stores that break their contract', () => {
  const wrong: [what: string, changes: (inner: HistoryStore) => Partial<HistoryStore>][] = [
    ['returns fewer positions', () => ({ positions: async () => [] })],
    ['returns undefined', () => ({ positions: async () => undefined as never })],
    [
      'throws',
      () => ({
        positions: () => {
          throw new Error('no')
        }
      })
    ],
    ['returns fewer results', () => ({ append: async () => [] })]
  ]
  test.each(wrong)('a store that %s at first costs only time', async (_what, changes) => {
    let isWrong = true
    const store = storeWith((inner) => {
      const fault = changes(inner)
      const pick = <Name extends 'append' | 'positions'>(name: Name): HistoryStore[Name] =>
        ((...call: never[]) =>
          ((isWrong && fault[name]) || (inner[name] as any)).apply(inner, call)) as HistoryStore[Name]
      return { append: pick('append'), positions: pick('positions') }
    })
    const { app, ws } = await serve({ hub: { history: { store } } })
    const client = await openBlaze(ws('/chat'))
    const published = app.wsHub.to('lobby').publish(chat, 'said', { text: 'a' })
    await new Promise(setImmediate)
    isWrong = false
    await published
    await eventually(() => textsOf(client).at(-1) === 'a')
  })

  test('a store that returns the same messages for ever does not fill the memory', async () => {
    const store = storeWith((inner) => ({ read: (room, range) => inner.read(room, { ...range, after: 0, limit: 1 }) }))
    const { app } = await serve({ hub: { history: { store } } })
    for (const text of ['a', 'b']) await app.wsHub.to('lobby').publish(text)
    await expect(app.wsHub.history.read('lobby')).rejects.toThrow('wrong answer')
  })
})

test('a client that falls behind in very many rooms does not overflow the stack', () => {
  const progress = new SendProgress()
  let called = 0
  for (let i = 0; i < 50_000; i++) progress.onCaughtUp(() => void called++)
  progress.reportEmpty()
  expect(called).toBe(50_000)
})

test('an id may have any characters that it is allowed to have', () => {
  const notice = { epoch: 'e', offset: 1, id: 'a\u2028b\u2029 c', body: Buffer.from('x\ny') }
  expect(storedNoticeOf(storedPayload(notice))).toEqual(notice)
})

test('a member that a listener of presence lets join again gets what is published', async () => {
  const { app, ws, store, channel, forge } = await serveNode()
  const client = await openBlaze(ws('/chat'))
  await next(client)
  const [member] = app.wsHub.getClients('lobby')
  app.wsHub.presence.set(member!, 'lobby')
  app.wsHub.presence.once('leave', () => void app.wsHub.join(member!, 'lobby'))
  app.wsHub.leave(member!, 'lobby')
  expect(await next(client)).toMatchObject({ method: 'rpc.left' })
  expect(await next(client)).toMatchObject({ method: 'rpc.joined' })
  expect(app.wsHub.getClientCount('lobby')).toBe(1)
  const content = {
    type: TextMessage,
    payload: Buffer.from('{"method":"said"}'),
    audience: { contract: 'chat', event: 'said' }
  }
  const body = bodyOf(content)
  const [at] = await storeForeign(store, channel(), body, 'a')
  await forge({ ...at!, id: 'a', body })
  expect(await next(client)).toMatchObject({ method: 'said', offset: 1 })
})

test('what is no valid text ends no connection, and the history can be read', async () => {
  const { store, channel } = watchedStore()
  const { app, ws } = await serve({ hub: { history: { store } } })
  const client = await connect(ws('/raw'))
  const lobby = app.wsHub.to('lobby')
  await lobby.publish('first')
  const head = Buffer.concat([Buffer.of(3, 0, 15), Buffer.from('["chat","said"]')])
  for (const body of [
    Buffer.of(1, 0xff),
    head,
    Buffer.concat([head, Buffer.of(0x7b, 0xff, 0x7d)]),
    Buffer.concat([head, Buffer.from('{]}')])
  ])
    await storeForeign(store, channel(), body)
  await lobby.publish('last')
  await eventually(() => client.messages.at(-1)?.data === 'last')
  const { entries } = await app.wsHub.history.read('lobby')
  expect(entries.map(({ data }) => data)).toEqual(['first', undefined, 'last'])
})

test('what a node has read of a room is forgotten with its last member', async () => {
  const store = memoryHistory()
  const { app, ws } = await serve({ hub: { history: { store, ttl: 300 } } })
  const { epoch } = await app.wsHub.to('lobby').publish(chat, 'said', { text: 'old' })
  const positions = { lobby: { epoch, offset: 0 } }
  const first = await openBlaze(ws('/chat'), positions)
  await eventually(() => textsOf(first).at(-1) === 'old')
  first.socket.terminate()
  await eventually(() => app.wsHub.getClientCount('lobby') === 0)
  await new Promise((resolve) => setTimeout(resolve, 320))
  const second = await openBlaze(ws('/chat'), positions)
  expect(await next(second)).toMatchObject({ params: { offset: 1, recovered: false, reason: 'trimmed' } })
})

test('what is cleared while it is read is not passed on to those who come later', async () => {
  let go: (() => void) | undefined
  let isSlow = false
  const store = storeWith((inner) => ({
    read: async (...call) => {
      const part = await inner.read(...call)
      if (isSlow) await new Promise<void>((resolve) => (go = resolve))
      return part
    }
  }))
  const { app, ws } = await serve({ hub: { history: { store } } })
  const stay = await connect(ws('/raw'))
  await eventually(() => app.wsHub.getClientCount('lobby') === 1)
  await app.wsHub.to('lobby').publish('live')
  await app.wsHub.history.clear('lobby')
  const { epoch } = await app.wsHub.to('lobby').publish(chat, 'said', { text: 'secret' })
  const positions = { lobby: { epoch, offset: 0 } }
  isSlow = true
  const first = await openBlaze(ws('/chat'), positions)
  await eventually(() => go !== undefined)
  await app.wsHub.history.clear('lobby')
  isSlow = false
  go?.()
  await eventually(() => first.messages.length > 0)
  const second = await openBlaze(ws('/chat'), positions)
  expect(await next(second)).toMatchObject({ params: { offset: 2, recovered: false, reason: 'trimmed' } })
  expect(stay.closed).toBeUndefined()
})

test('a position that the application changes after the call is the one of the call', async () => {
  const { app, ws } = await serve()
  const lobby = app.wsHub.to('lobby')
  const { epoch } = await lobby.publish('1')
  await lobby.publish('2')
  const client = await connect(ws('/raw?room=other'))
  await eventually(() => app.wsHub.getClientCount('other') === 1)
  const [member] = app.wsHub.getClients('other')
  const since = { epoch, offset: 0 }
  app.wsHub.join(member!, 'lobby', { since })
  since.offset = 2
  await eventually(() => client.messages.length === 2)
  expect(client.messages.map(({ data }) => data)).toEqual(['1', '2'])
})

test('a room that empties while messages are passed on gets no more of them', async () => {
  const store = memoryHistory()
  const body = bodyOf({ type: TextMessage, payload: Buffer.from('x'), audience: undefined })
  for (let i = 0; i < 5; i++) await storeForeign(store, 'r', body)
  const position = (await store.positions([{ room: 'r', known: undefined, ttl: 1 }]))[0]!
  let sent = 0
  const stream = new Stream('r', 'r', {
    clients: {
      members: () => new Set(),
      allAccept: () => true,
      send: () => {
        sent++
        stream.close()
        return 0
      }
    },
    parts: new PartCache(),
    tails: { bytes: 0 },
    read: (room, after, limit) => store.read(room, { after, limit, maxBytes: 1e6, ttl: 60_000 }),
    compareSoon() {},
    renew() {},
    retryLater() {}
  })
  stream.onPosition({ ...position, offset: 0 })
  stream.onPosition(position)
  await new Promise(setImmediate)
  expect(sent).toBe(1)
})

describe('labels that are wrong', () => {
  test.each([
    [
      'throws',
      () => {
        throw new Error('no label')
      }
    ],
    ['returns no text', () => undefined]
  ])('a label that %s refuses the join, and leaves nothing behind', async (_what, label) => {
    let isWrong = true
    const { app, ws } = await serveNode({ label: (room: string) => (isWrong && room === 'lobby' ? label() : room) })
    const client = await connect(ws('/raw?room=other'))
    await eventually(() => app.wsHub.getClientCount('other') === 1)
    const [member] = app.wsHub.getClients('other')
    expect(() => app.wsHub.join(member!, 'lobby')).toThrow('label')
    expect(app.wsHub.getClientCount('lobby')).toBe(0)
    isWrong = false
    app.wsHub.join(member!, 'lobby')
    await app.wsHub.to('lobby').publish('x')
    await eventually(() => client.messages.at(-1)?.data === 'x')
  })
})

test('a room with very large messages keeps none of them in the memory of a node', () => {
  const budget = { bytes: 0 }
  const tail = new Tail(budget)
  const content = (size: number) => ({ type: TextMessage, payload: Buffer.alloc(size), audience: undefined })
  const message = (offset: number, size: number) => new PublishedMessage(content(size), { id: 'x', offset, label: 'r' })
  tail.push(message(1, 10))
  tail.push(message(2, 16 * 1024 * 1024))
  expect(budget.bytes).toBe(0)
  expect(tail.after(1)).toBeUndefined()
  tail.push(message(3, 10))
  expect(tail.after(2)).toHaveLength(1)
  expect(tail.after(1)).toBeUndefined()
})

test('a position that is wrong is the matter of its room', async () => {
  const store = storeWith((inner) => ({
    positions: async (rooms) =>
      (await inner.positions(rooms)).map((at, i) =>
        rooms[i]?.room.includes('bad') ? { epoch: at.epoch, offset: NaN } : at
      )
  }))
  const { app, ws } = await serve({ hub: { history: { store } } })
  const client = await connect(ws('/raw?room=other'))
  await eventually(() => app.wsHub.getClientCount('other') === 1)
  const [member] = app.wsHub.getClients('other')
  await app.wsHub.to('good').publish('past')
  for (const room of ['bad', 'good']) app.wsHub.join(member!, room, { last: 1 })
  await eventually(() => client.messages.at(-1)?.data === 'past')
})

test('messages that come before the position of a new epoch is known are not missed', async () => {
  const store = memoryHistory()
  const body = bodyOf({ type: TextMessage, payload: Buffer.from('x'), audience: undefined })
  for (let i = 0; i < 2; i++) await storeForeign(store, 'r', body)
  const [position] = await store.positions([{ room: 'r', known: undefined, ttl: 1 }])
  const sent: number[] = []
  const stream = new Stream('r', 'r', {
    clients: {
      members: () => new Set(),
      allAccept: () => true,
      send: (message) => sent.push((message as PublishedMessage).offset)
    },
    parts: new PartCache(),
    tails: { bytes: 0 },
    read: (room, after, limit) => store.read(room, { after, limit, maxBytes: 1e6, ttl: 60_000 }),
    compareSoon() {},
    renew() {},
    retryLater() {}
  })
  stream.receive({ epoch: '0', offset: 5 }, 'lost', undefined)
  stream.receive({ ...position!, offset: 1 }, 'a', undefined)
  stream.onPosition(position!)
  await new Promise(setImmediate)
  expect(sent).toEqual([1, 2])
})
