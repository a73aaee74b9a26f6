import { isDeepStrictEqual } from 'node:util'
import type { FastifyInstance } from 'fastify'
import {
  memoryBroker,
  MemoryEngine,
  type Present,
  type WebSocketConnection,
  type WebSocketHub
} from '../../src/index.ts'
import { encode, Kind } from '../../src/cluster/wire/envelope.ts'
import { dropRawClients, RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer, type TestClient } from '../support/server.ts'

afterEach(closeServers)

/** A client of `/:room?name=Ann` is present as Ann; a text message changes its mood. */
function presence(app: FastifyInstance): void {
  app.webSocket('/:room', async (ws) => {
    const room = ws.context().param('room')
    const name = ws.context().query('name')
    app.wsHub.presence.set(ws, room, { name }, { key: name })
    await app.wsHub.cluster.ready()
    await ws.writeText('in')
    for await (const { data } of ws) app.wsHub.presence.set(ws, room, { name, mood: data.toString() }, { key: name })
  })
}

interface Node {
  hub: WebSocketHub
  /** The `join`, `leave` and `update` events so far. */
  events: string[]
  enter(room: string, name: string): Promise<TestClient>
  list(room: string): Promise<string[]>
  close(): Promise<void>
}

async function startNode(engine?: MemoryEngine, lease = 5_000): Promise<Node> {
  const { app, ws } = await startServer(
    presence,
    engine === undefined ? {} : { hub: { broker: memoryBroker({ engine }), lease } }
  )
  const events: string[] = []
  for (const event of ['join', 'leave', 'update'] as const) {
    app.wsHub.presence.on(event, (room, { key, info }) =>
      events.push(`${event} ${room} ${key}${(info as { mood?: string }).mood ?? ''}`)
    )
  }
  return {
    hub: app.wsHub,
    events,
    async enter(room, name) {
      const client = await connect(ws(`/${room}?name=${name}`))
      await client.next()
      return client
    },
    list: async (room) =>
      (await app.wsHub.presence.list(room)).map(({ key, connections }) => `${key} ${connections.length}`).toSorted(),
    close: () => app.close()
  }
}

describe.each([
  ['without a broker', async () => Array<Node>(2).fill(await startNode())],
  [
    'on two nodes',
    async () => {
      const engine = new MemoryEngine()
      return [await startNode(engine), await startNode(engine)]
    }
  ]
])('%s', (_, start) => {
  test('list gives each key in a room once, with its info and connections', async () => {
    const [a, b] = (await start()) as [Node, Node]
    await Promise.all([a.enter('tea', 'Ann'), b.enter('tea', 'Bob'), b.enter('tea', 'Ann'), a.enter('coffee', 'Eve')])
    for (const { list } of [a, b]) {
      await eventually(async () => (await list('tea')).join() === 'Ann 2,Bob 1')
      expect(await list('coffee')).toEqual(['Eve 1'])
      expect(await list('water')).toEqual([])
    }
    const [bob] = (await a.hub.presence.list<{ name: string }>('tea')).filter(({ key }) => key === 'Bob') as [
      Present<{ name: string }>
    ]
    expect(bob).toEqual({ key: 'Bob', info: { name: 'Bob' }, connections: [expect.any(String)] })
  })

  test('join, update and leave events come once for each key', async () => {
    const [a, b] = (await start()) as [Node, Node]
    const eve = await a.enter('tea', 'Eve')
    // After the first list, events report changes.
    expect([await a.list('tea'), await b.list('tea')]).toEqual([['Eve 1'], ['Eve 1']])
    const [ann, again] = [await b.enter('tea', 'Ann'), await b.enter('tea', 'Ann')]
    await eventually(() => a.events.includes('join tea Ann'))
    ann.socket.send(' is glad')
    await eventually(() => a.events.includes('update tea Ann is glad'))
    ann.socket.close()
    // Her other connection has not set this mood.
    await eventually(() => a.events.at(-1) === 'update tea Ann')
    again.socket.close()
    await eventually(() => a.events.includes('leave tea Ann'))
    expect(a.events).toEqual([
      'join tea Eve',
      'join tea Ann',
      'update tea Ann is glad',
      'update tea Ann',
      'leave tea Ann'
    ])
    eve.socket.close()
    await eventually(() => a.events.includes('leave tea Eve'))
    await eventually(async () => (await b.list('tea')).length === 0)
  })

  test('presence ends when it is removed or when the connection leaves the room', async () => {
    const [a, b] = (await start()) as [Node, Node]
    const [ann] = await Promise.all([a.enter('tea', 'Ann'), b.enter('tea', 'Bob')])
    await eventually(async () => (await b.list('tea')).length === 2)
    const ws = a.hub.getClients('tea').find(({ request }) => request.url.endsWith('Ann')) as WebSocketConnection
    a.hub.presence.remove(ws, 'tea')
    a.hub.presence.remove(ws, 'never there')
    await eventually(async () => (await b.list('tea')).length === 1)
    expect(a.hub.rooms(ws)).toEqual(['tea'])
    ann.socket.send(' again')
    await eventually(async () => (await b.list('tea')).length === 2)
    a.hub.leave(ws, 'tea')
    await eventually(async () => (await b.list('tea')).join() === 'Bob 1')
  })
})

test('a node that starts later knows clients on other nodes, and sees them leave when their node closes', async () => {
  const engine = new MemoryEngine()
  const [a, b] = [await startNode(engine), await startNode(engine)]
  await a.enter('tea', 'Ann')
  await b.enter('tea', 'Bob')
  const c = await startNode(engine)
  expect(await c.list('tea')).toEqual(['Ann 1', 'Bob 1'])
  await c.enter('tea', 'Eve')
  expect(await c.list('tea')).toEqual(['Ann 1', 'Bob 1', 'Eve 1'])
  expect(c.events).toEqual(['join tea Eve'])
  await a.close()
  await eventually(() => c.events.includes('leave tea Ann'))
  for (const { list } of [b, c]) expect(await list('tea')).toEqual(['Bob 1', 'Eve 1'])
})

test('clients that join at the same time all see each other', async () => {
  const engine = new MemoryEngine()
  const servers = await Promise.all(
    [1, 2].map(() =>
      startServer(
        (app) => {
          app.wsHub.presence.on('join', (room, { key }) => void app.wsHub.to(room).broadcast(key, { local: true }))
          app.webSocket('/', async (ws) => {
            app.wsHub.presence.set(ws, 'tea', null)
            await app.wsHub.presence.list('tea')
            for (const { key } of app.wsHub.presence.known('tea')) await ws.writeText(key)
            for await (const message of ws) void message
          })
        },
        { hub: { broker: memoryBroker({ engine }) } }
      )
    )
  )
  const clients = await Promise.all(Array.from({ length: 20 }, (_, i) => connect(servers[i % 2]!.ws('/'))))
  for (const client of clients)
    await eventually(
      () => new Set(client.messages.map(({ data }) => data)).size === 20,
      'the arrival of all names at each client'
    )
})

test('a connection that replaces another with the same key causes no leave event for the key', async () => {
  const engine = new MemoryEngine()
  const [a, b] = [await startNode(engine), await startNode(engine)]
  await b.enter('tea', 'Bob')
  const old = await b.enter('tea', 'Ann')
  const oldOne = b.hub.getClients('tea').find(({ request }) => request.url.endsWith('Ann')) as WebSocketConnection
  b.hub.join(oldOne, 'user:Ann')
  await b.hub.cluster.ready()
  await a.enter('tea', 'Eve')
  await Promise.all([a.list('tea'), b.list('tea')])
  const [eve] = a.hub.getClients('tea') as [WebSocketConnection]
  b.events.length = 0
  a.hub.presence.set(eve, 'tea', { name: 'Ann' }, { key: 'Ann' })
  a.hub.disconnect('user:Ann', 4000, 'continued elsewhere')
  expect(await old.close()).toEqual({ code: 4000, reason: 'continued elsewhere' })
  await eventually(async () => (await a.list('tea')).join() === 'Ann 1,Bob 1')
  expect(b.events).toEqual(['leave tea Eve'])
})

test('a node with only a listening client in a room gets join events from other nodes', async () => {
  const engine = new MemoryEngine()
  const { app: a } = await startServer(
    (app) =>
      void app.webSocket('/', async (ws) => {
        app.wsHub.join(ws, 'tea')
        await app.wsHub.cluster.ready()
        await ws.writeText('in')
        for await (const message of ws) void message
      }),
    { hub: { broker: memoryBroker({ engine }) } }
  )
  const { port } = a.server.address() as { port: number }
  await (await connect(`ws://127.0.0.1:${port}/`)).next()
  // Here the client joins before the listener is added; below, after it.
  const events: string[] = []
  a.wsHub.presence.on('join', (room, { key }) => events.push(`${room} ${key}`))
  const b = await startNode(engine)
  expect(await a.wsHub.presence.list('tea')).toEqual([])
  await b.enter('tea', 'Ann')
  await eventually(() => events.includes('tea Ann'))
  const [spectator] = a.wsHub.getClients()
  a.wsHub.join(spectator!, 'coffee')
  await a.wsHub.cluster.ready()
  expect(await a.wsHub.presence.list('coffee')).toEqual([])
  await b.enter('coffee', 'Bob')
  await eventually(() => events.includes('coffee Bob'))
})

test('setting info without a key keeps the key', async () => {
  const { app, ws } = await startServer(presence)
  await connect(ws('/tea?name=Ann')).then((client) => client.next())
  const [ann] = app.wsHub.getClients() as [WebSocketConnection]
  app.wsHub.presence.set(ann, 'tea', 'changed')
  expect(await app.wsHub.presence.list('tea')).toMatchObject([{ key: 'Ann', info: 'changed' }])
  expect(() => app.wsHub.presence.set(ann, 'tea', 1, { keys: 'x' } as never)).toThrow(/options.keys/)
})

test('list is complete even if the room does not fit in one message', async () => {
  const engine = new MemoryEngine()
  const [a, b] = [await startNode(engine), await startNode(engine)]
  const clients = await Promise.all(Array.from({ length: 250 }, (_, i) => a.enter('tea', `guest${i}`)))
  expect(await b.list('tea')).toHaveLength(250)
  for (const { socket } of clients) socket.terminate()
  await eventually(async () => (await b.list('tea')).length === 0)
})

test('a snapshot in several parts is correct even if clients join, change and leave between them', async () => {
  const engine = new MemoryEngine()
  const [a, b] = [await startNode(engine), await startNode(engine)]
  const guests = await Promise.all(Array.from({ length: 600 }, (_, i) => a.enter('tea', `guest${i}`)))
  const known = (hub: WebSocketHub): unknown[] => hub.presence.known('tea').toSorted((x, y) => (x.key < y.key ? -1 : 1))
  for (const { socket } of guests) socket.send('x'.repeat(8_000))
  const moods = (hub: WebSocketHub): number =>
    hub.presence.known<{ mood?: string }>('tea').filter(({ info }) => info.mood !== undefined).length
  await eventually(() => moods(a.hub) === 600)
  // Two simultaneous lists are both complete.
  const listed = Promise.all([b.list('tea'), b.list('tea')])
  const first = guests.slice(0, 100)
  const last = guests.slice(500)
  for (const { socket } of [...first.slice(0, 50), ...last.slice(0, 50)]) socket.send('changed')
  for (const { socket } of [...first.slice(50), ...last.slice(50)]) socket.terminate()
  await eventually(() => a.hub.presence.known('tea').length === 500)
  await a.enter('tea', 'Late')
  await listed
  // B keeps tracking the room for a while after its last list.
  await eventually(async () => (await b.list('tea')).length === 501)
  await eventually(() => isDeepStrictEqual(known(b.hub), known(a.hub)), 'the same presence on both nodes')
})

test('set rejects invalid arguments, and malformed notices from other nodes have no effect', async () => {
  const engine = new MemoryEngine()
  const { app, ws } = await startServer(presence, { hub: { broker: memoryBroker({ engine }) } })
  await connect(ws('/tea?name=Ann')).then((client) => client.next())
  const [ann] = app.wsHub.getClients() as [WebSocketConnection]
  const { presence: one } = app.wsHub
  expect(() => one.set(ann, 'tea', 'x'.repeat(8 * 1024))).toThrow(
    expect.objectContaining({ code: 'FST_BLAZE_WS_OUT_OF_RANGE', closeCode: 1008 })
  )
  expect(() => one.set(ann, 'tea', () => {})).toThrow(TypeError)
  expect(() => one.set(ann, '', 1)).toThrow(RangeError)
  expect(() => one.set(ann, 'tea', 1, { key: '' })).toThrow(RangeError)
  expect(() => one.set(ann, 'tea', 1, { key: 5 as never })).toThrow(TypeError)
  await expect(one.list('')).rejects.toThrow(RangeError)
  expect(await one.list('tea')).toMatchObject([{ key: 'Ann' }])
  const nonsense = [
    { type: 'present', entries: [null, 5, {}, { id: 1 }] },
    { type: 'absent', ids: [null, {}, ann.id + 1] },
    { type: 'snapshot' },
    { type: 'what?' }
  ]
  for (const message of nonsense) await engine.publish('room:tea', control(message))
  expect(await one.list('tea')).toMatchObject([{ key: 'Ann' }])
})

test('ignores snapshot parts whose first part was missed', async () => {
  const engine = new MemoryEngine()
  const { app, ws } = await startServer(presence, { hub: { broker: memoryBroker({ engine }) } })
  await connect(ws('/tea?name=Ann')).then((client) => client.next())
  const entry = (id: string): object => ({ id, key: id, info: null, since: 1 })
  const say = (message: object): Promise<void> => engine.publish('room:tea', control(message))
  const keys = (): string[] => app.wsHub.presence.known('tea').map(({ key }) => key)
  await say({ type: 'present', entries: [entry('Bob')] })
  await say({ type: 'snapshot', isFirst: false, isLast: true, entries: [entry('Eve')] })
  expect(keys()).toEqual(['Ann', 'Bob'])
  await say({ type: 'snapshot', isFirst: true, isLast: false, entries: [entry('Eve')] })
  await say({ type: 'snapshot', isFirst: false, isLast: true, entries: [entry('Bob')] })
  expect(keys()).toEqual(['Ann', 'Bob', 'Eve'])
})

function control(message: object): Buffer {
  const payload = Buffer.from(JSON.stringify(message))
  return encode({
    kind: Kind.Node,
    origin: '0123456789abcdef',
    generation: 0,
    sequence: 0,
    copyId: 0,
    ids: [],
    payload
  })
}

test('a failing listener is logged, and has no other effect', async () => {
  const { app, ws, logs } = await startServer(presence)
  app.wsHub.presence.on('join', () => {
    throw new Error('clumsy')
  })
  app.wsHub.presence.on('leave', async () => {
    throw new Error('clumsy later')
  })
  const client = await connect(ws('/tea?name=Ann'))
  expect(await client.next()).toBe('in')
  client.socket.close()
  await eventually(() => logs.filter(({ msg }) => msg.includes('listener')).length === 2)
})

describe('a leave listener that joins the connection again', () => {
  async function startWithOne(): Promise<{ hub: WebSocketHub; client: TestClient; ws: WebSocketConnection }> {
    const { hub, enter } = await startNode()
    const client = await enter('game', 'Ann')
    return { hub, client, ws: hub.getClients()[0]! }
  }

  test('after it left a room: it stays a member until it closes', async () => {
    const { hub, client, ws } = await startWithOne()
    hub.presence.once('leave', (room) => void hub.join(ws, room))
    hub.leave(ws, 'game')
    expect([hub.rooms(ws), hub.getClients('game')]).toEqual([['game'], [ws]])
    client.socket.close()
    await eventually(() => hub.getClientCount() === 0, 'the close')
    expect(hub.getRooms()).toEqual([])
  })

  test('after it was unregistered: the hub forgets it when it closes', async () => {
    const { hub, client, ws } = await startWithOne()
    hub.presence.once('leave', () => void hub.join(ws, 'lobby'))
    hub.unregister(ws)
    expect(hub.rooms(ws)).toEqual(['lobby'])
    await client.close()
    await eventually(() => ws.closeInfo !== undefined, 'the close')
    expect([hub.getClientCount(), hub.getRooms()]).toEqual([0, []])
  })
})

test('a broadcast from a listener during another broadcast arrives after it at every client', async () => {
  const { app, ws, port } = await startServer(
    (server) => {
      server.webSocket('/', async (connection) => {
        server.wsHub.presence.set(connection, 'tea')
        for await (const message of connection) void message
      })
    },
    { config: { sendQueueSize: 4, compressionLevel: 0, slowConsumer: 'disconnect' } }
  )
  const join = async (count: number): Promise<TestClient> => {
    const client = await connect(ws('/'))
    await eventually(() => app.wsHub.getClientCount() === count, 'the join')
    return client
  }
  const [first, deaf, last] = [await join(1), await new RawClient(port).open('/'), await join(3)]
  deaf.socket.pause()
  const departures: string[] = []
  app.wsHub.presence.on('leave', (room) => {
    departures.push(room)
    app.wsHub.to('tea').broadcast('left')
  })
  let count = 0
  while (departures.length === 0) {
    // A message of its own, so that the last client does not share its writes with the first.
    void app.wsHub.getClients()[2]?.writeText('own')
    app.wsHub.to('tea').broadcast(`${++count}`.padEnd(256 * 1024))
    await eventually(() => first.messages.length >= count && last.messages.length >= 2 * count, 'the arrival')
  }
  for (const client of [first, last]) {
    await client.until(() => client.messages.some(({ data }) => data === 'left'))
    expect(client.messages.slice(-2).map(({ data }) => data.trim())).toEqual([`${count}`, 'left'])
  }
  dropRawClients()
})
