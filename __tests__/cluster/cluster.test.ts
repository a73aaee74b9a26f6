import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type Broker, type BrokerNode, memoryBroker, MemoryEngine } from '../../src/index.ts'
import { Kind, encode } from '../../src/cluster/wire/envelope.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'
import { type RoomServer, rooms, startRooms, upTo } from './support/rooms.ts'

afterEach(closeServers)

async function startNodes(
  count: number,
  options: { engine?: MemoryEngine; lease?: number } = {}
): Promise<RoomServer[]> {
  const { engine = new MemoryEngine(), lease = 5_000 } = options
  return Promise.all(Array.from({ length: count }, () => startRooms(memoryBroker({ engine }), { lease })))
}

describe('broadcasts', () => {
  test('reach the clients of all nodes, with their type and content unchanged', async () => {
    const [a, b] = (await startNodes(2)) as [RoomServer, RoomServer]
    const [here, there] = await Promise.all([a.join('x'), b.join('x')])
    expect(a.hub.broadcast('text')).toBe(1)
    a.hub.broadcastJSON({ is: 'json' })
    a.hub.broadcast(Uint8Array.of(0, 255, 10), { type: 2 })
    a.hub.broadcast('')
    for (const client of [here, there]) {
      await client.until(() => client.messages.length === 4)
      expect(client.messages).toEqual([
        { data: 'text', isBinary: false },
        { data: '{"is":"json"}', isBinary: false },
        { data: '\0ÿ\n', isBinary: true },
        { data: '', isBinary: false }
      ])
    }
    expect(b.hub.stats()).toMatchObject({ messagesSent: 4, bytesSent: 20 })
  })

  test('to rooms reach each member once, on all nodes', async () => {
    const [a, b, c] = (await startNodes(3)) as [RoomServer, RoomServer, RoomServer]
    const [x, y, both] = await Promise.all([b.join('x'), b.join('y'), b.join('x')])
    const bothHere = b.hub.getClients('x').find(({ id }) => id === both.id)
    b.hub.join(bothHere!, 'y')
    await b.hub.cluster.ready()
    for (let i = 0; i < 3; i++) {
      a.hub.to('x').broadcast(`x${i}`)
      c.hub.to(['x', 'y', 'x', 'nobody']).broadcastJSON(`both${i}`)
      a.hub.broadcast(`y${i}`, { to: 'y' })
    }
    await eventually(() => both.messages.length >= 9)
    c.hub.broadcast('end')
    const [ofX, ofY, ofBoth] = await Promise.all([x, y, both].map((client) => upTo(client, 'end')))
    const from = (texts: string[] | undefined, prefix: string): string[] =>
      texts!.filter((text) => text.replace('"', '').startsWith(prefix))
    for (const texts of [ofX, ofBoth]) expect(from(texts, 'x')).toEqual(['x0', 'x1', 'x2'])
    for (const texts of [ofY, ofBoth]) expect(from(texts, 'y')).toEqual(['y0', 'y1', 'y2'])
    for (const texts of [ofX, ofY, ofBoth]) expect(from(texts, 'both')).toEqual(['"both0"', '"both1"', '"both2"'])
    expect([ofX!.length, ofY!.length, ofBoth!.length]).toEqual([7, 7, 10])
    expect(b.hub.cluster.stats()).toMatchObject({ missed: 0, duplicates: 0, rejected: 0 })
  })

  test('skip the excepted connections on any node', async () => {
    const [a, b] = (await startNodes(2)) as [RoomServer, RoomServer]
    const [here, there, other] = await Promise.all([a.join('x'), b.join('x'), b.join('x')])
    const [ws] = a.hub.getClients()
    a.hub.to('x').broadcast('not there', { except: there.id })
    a.hub.broadcast('not here', { except: ws! })
    a.hub.broadcast('neither', { except: [ws!, there.id, 'nobody'] })
    a.hub.broadcast('end')
    expect(await upTo(here, 'end')).toEqual(['not there', 'end'])
    expect(await upTo(there, 'end')).toEqual(['not here', 'end'])
    expect(await upTo(other, 'end')).toEqual(['not there', 'not here', 'neither', 'end'])
  })

  test('stay on this node if they are local or have a filter, which is logged once', async () => {
    const [a, b] = (await startNodes(2)) as [RoomServer, RoomServer]
    const [here, there] = await Promise.all([a.join('x'), b.join('x')])
    a.hub.broadcast('local', { local: true })
    a.hub.broadcast('filtered', { filter: () => true })
    a.hub.to('x').broadcast('filtered, too', { filter: () => true })
    a.hub.broadcast('end')
    expect(await upTo(here, 'end')).toEqual(['local', 'filtered', 'filtered, too', 'end'])
    expect(await upTo(there, 'end')).toEqual(['end'])
    expect(a.logs.filter(({ msg }) => msg.includes('filter'))).toHaveLength(1)
    expect(() => a.hub.broadcast('x', { local: 'yes' as never })).toThrow(/local/)
  })

  test('of one node arrive in order, and a message that is too long stays on its node and is counted', async () => {
    const [a, b] = (await startNodes(2)) as [RoomServer, RoomServer]
    const there = await b.join('x')
    for (let i = 0; i < 500; i++) a.hub.broadcast(`${i}`, i % 2 === 0 ? {} : { to: 'x' })
    a.hub.broadcast(Buffer.alloc(17 * 1024 * 1024, 'x'))
    a.hub.broadcast('end')
    expect(await upTo(there, 'end')).toEqual([...Array.from({ length: 500 }, (_, i) => `${i}`), 'end'])
    expect(a.hub.cluster.stats()).toMatchObject({ isDegraded: false, unpublished: 1 })
    expect(a.logs.find(({ err }) => (err as Error | undefined)?.message.includes('too long'))).toMatchObject({
      level: 50
    })
    const names = Array.from({ length: 1025 }, (_, i) => `room ${i}`)
    expect(() => a.hub.to(names).broadcast('x')).toThrow(RangeError)
  })

  test('to a slow consumer on another node are coalesced there', async () => {
    const engine = new MemoryEngine()
    const keys: unknown[] = []
    const server = await startServer(rooms, {
      hub: { broker: memoryBroker({ engine }), slowConsumer: { coalesce: (data) => void keys.push(typeof data) } }
    })
    const [a] = (await startNodes(1, { engine })) as [RoomServer]
    const client = await connect(server.ws('/x'))
    await client.next()
    client.socket.pause()
    await eventually(() => {
      a.hub.to('x').broadcast(randomBytes(200_000).toString('hex'))
      return keys.length > 0
    }, 'the back-pressure of a paused client')
    expect(new Set(keys)).toEqual(new Set(['string']))
    client.socket.resume()
  })
})

test('disconnect closes room members on all nodes, but acts only on this node for a filter or with local', async () => {
  const [a, b] = (await startNodes(2)) as [RoomServer, RoomServer]
  const [here, there, kept] = await Promise.all([a.join('user:42'), b.join('user:42'), b.join('user:43')])
  expect(a.hub.disconnect('user:42', 4403, 'banned')).toBe(1)
  for (const client of [here, there]) expect(await client.close()).toEqual({ code: 4403, reason: 'banned' })
  a.hub.disconnect('user:43', 4403, 'banned', { local: true })
  a.hub.disconnect(() => true)
  b.hub.broadcast('still here')
  expect(await kept.next()).toBe('still here')
})

describe('the cluster', () => {
  test('gives the clients and rooms of all nodes', async () => {
    const [a, b, c] = (await startNodes(3)) as [RoomServer, RoomServer, RoomServer]
    await Promise.all([a.join('x'), b.join('x'), b.join('y')])
    const { nodes, missing } = await c.hub.cluster.nodes()
    expect(missing).toEqual([])
    const uptime: unknown = expect.any(Number)
    expect(Object.fromEntries(nodes.map((info) => [info.id, info]))).toEqual({
      [a.hub.cluster.id]: { id: a.hub.cluster.id, clients: 1, rooms: 1, uptime },
      [b.hub.cluster.id]: { id: b.hub.cluster.id, clients: 2, rooms: 2, uptime },
      [c.hub.cluster.id]: { id: c.hub.cluster.id, clients: 0, rooms: 0, uptime }
    })
    expect(await a.hub.cluster.getClientCount()).toEqual({ count: 3, missing: [] })
    expect(await a.hub.cluster.getClientCount('x')).toEqual({ count: 2, missing: [] })
    await expect(a.hub.cluster.getClientCount('')).rejects.toThrow(RangeError)
    expect(await a.hub.cluster.ready({ timeout: 1_000 })).toBe(true)
    const { rooms: names } = await a.hub.cluster.getRooms()
    expect(names.toSorted()).toEqual(['x', 'y'])
  })

  test('lists all rooms even if they do not fit in one message', async () => {
    const [a, b] = (await startNodes(2)) as [RoomServer, RoomServer]
    await b.join('x')
    const [ws] = b.hub.getClients()
    for (let i = 0; i < 2_500; i++) b.hub.join(ws!, `room ${i}`)
    expect((await a.hub.cluster.getRooms()).rooms).toHaveLength(2_501)
  })

  test('lists nodes that do not answer as missing, and forgets them after their lease', async () => {
    const engine = new MemoryEngine()
    const [a, b] = (await startNodes(2, { engine, lease: 500 })) as [RoomServer, RoomServer]
    await a.hub.cluster.nodes()
    // It is known to the others but sends nothing any more, like a process that hangs.
    const [deaf] = (await startNodes(1, { engine, lease: 500 })) as [RoomServer]
    const { id } = deaf.hub.cluster
    await eventually(async () => (await b.hub.cluster.nodes()).nodes.some((node) => node.id === id))
    silence(engine, id)
    expect(await a.hub.cluster.getClientCount(undefined, { timeout: 100 })).toEqual({ count: 0, missing: [id] })
    await eventually(async () => (await a.hub.cluster.nodes({ timeout: 100 })).missing.length === 0)
    expect((await a.hub.cluster.nodes()).nodes.map((node) => node.id).toSorted()).toEqual(
      [a, b].map(({ hub }) => hub.cluster.id).toSorted()
    )
    await expect(a.hub.cluster.nodes({ timeout: -1 })).rejects.toThrow(/timeout/)
  })

  test('gives empty answers, and does not hang, after the hub has shut down', async () => {
    const [a, b] = (await startNodes(2)) as [RoomServer, RoomServer]
    await a.hub.cluster.nodes()
    await a.hub.shutdown(0)
    expect((await a.hub.cluster.getRooms()).rooms).toEqual([])
    expect(await a.hub.presence.list('x')).toEqual([])
    await a.hub.cluster.ready()
    expect(a.hub.broadcast('x')).toBe(0)
    await eventually(async () => (await b.hub.cluster.nodes()).nodes.length === 1)
  })

  test('has one node if there is no broker', async () => {
    const { app } = await startServer(rooms)
    expect(app.wsHub.cluster.id).toBe('')
    expect(await app.wsHub.cluster.nodes()).toMatchObject({ nodes: [{ clients: 0, rooms: 0 }], missing: [] })
    expect(await app.wsHub.cluster.getClientCount('x')).toEqual({ count: 0, missing: [] })
    expect(await app.wsHub.cluster.getRooms()).toEqual({ rooms: [], missing: [] })
    expect(app.wsHub.cluster.stats()).toMatchObject({ published: 0, isDegraded: false })
  })
})

/** Drops all messages of a node, as if its process had died. */
function silence(engine: MemoryEngine, id: string): void {
  const publish = engine.publish.bind(engine)
  jest.spyOn(engine, 'publish').mockImplementation((channel, message) => {
    return Buffer.from(message).toString('hex', 4, 12) === id ? Promise.resolve() : publish(channel, message)
  })
}

test('a node subscribes only to the rooms of its clients, and unsubscribes a while after the last client left', async () => {
  const engine = new MemoryEngine()
  const subscribed: string[] = []
  const [subscribe, unsubscribe] = [engine.subscribe.bind(engine), engine.unsubscribe.bind(engine)]
  jest.spyOn(engine, 'subscribe').mockImplementation((channel, node) => {
    subscribed.push(channel)
    subscribe(channel, node)
  })
  const left = jest.spyOn(engine, 'unsubscribe').mockImplementation(unsubscribe)
  const [a] = (await startNodes(1, { engine })) as [RoomServer]
  const client = await a.join('x')
  client.socket.close()
  await eventually(() => a.hub.getClientCount() === 0)
  // A client that comes back soon causes no call to the engine.
  const again = await a.join('x')
  again.socket.close()
  expect(subscribed.filter((channel) => channel.startsWith('room:'))).toEqual(['room:x'])
  await eventually(() => left.mock.calls.some(([channel]) => channel === 'room:x'), 'the end of the subscription')
  await a.join('x')
  expect(subscribed.filter((channel) => channel.startsWith('room:'))).toEqual(['room:x', 'room:x'])
})

test('a node ignores its own messages if its engine delivers them to it', async () => {
  const engine = new MemoryEngine()
  const publish = engine.publish.bind(engine)
  let echoes = 0
  // Without the sender, the engine cannot skip it.
  jest.spyOn(engine, 'publish').mockImplementation((channel, message) => {
    echoes++
    return publish(channel, message)
  })
  const [a] = (await startNodes(1, { engine })) as [RoomServer]
  const client = await a.join('x')
  const before = echoes
  a.hub.broadcast('to all')
  a.hub.to('x').broadcast('to a room')
  a.hub.to(['x', 'y']).broadcast('to two rooms')
  a.hub.to(client.id).broadcast('to one')
  await eventually(
    () => echoes >= before + 4 && a.hub.cluster.stats().published >= echoes,
    'the delivery of all echoes'
  )
  expect(await upTo(client, 'to one')).toEqual(['to all', 'to a room', 'to two rooms', 'to one'])
  expect(a.hub.cluster.stats()).toMatchObject({ received: 0, duplicates: 0, missed: 0, rejected: 0 })
  expect(client.messages).toEqual([])
})

test('a malformed message is counted, and has no other effect', async () => {
  const engine = new MemoryEngine()
  const [a, b] = (await startNodes(2, { engine })) as [RoomServer, RoomServer]
  const client = await b.join('x')
  const good = {
    kind: Kind.Text,
    origin: '0123456789abcdef',
    generation: 0,
    sequence: 0,
    copyId: 0,
    ids: [],
    payload: Buffer.from('hi')
  } as const
  const bad = [
    Buffer.alloc(0),
    Buffer.from('hello'),
    Buffer.alloc(27, 0xfb),
    encode(good).fill(9, 1, 2),
    encode(good).fill(77, 2, 3),
    encode(good).fill(255, 24, 28),
    encode({ ...good, payload: Buffer.from([0xff]) }),
    encode({ ...good, kind: Kind.Disconnect, payload: Buffer.from([0x03, 0xed]) }),
    encode({ ...good, kind: Kind.Node, payload: Buffer.from('{') }),
    encode({ ...good, kind: Kind.Node, payload: Buffer.from('{"__proto__":{},"type":"alive"}') })
  ]
  for (const message of bad) await engine.publish('room:x', message)
  await engine.publish('room:x', encode(good))
  expect(await client.next()).toBe('hi')
  expect(b.hub.cluster.stats().rejected).toBe(bad.length)
  expect(b.logs.filter(({ msg }) => msg.startsWith('ignored a malformed cluster message'))).toHaveLength(1)
  a.hub.broadcast('still well')
  expect(await client.next()).toBe('still well')
})

describe('hub options', () => {
  test.each([
    [{ broker: {} }, /hub.broker.*redisBroker/],
    [{ broker: memoryBroker(), lease: 10 }, /hub.lease/],
    [{ logger: {} }, /hub.logger/],
    [{ brokr: 1 }, /hub.brokr.*allowed are slowConsumer, broker, lease, logger/]
  ])('are checked at startup (%#)', async (hub, message) => {
    await expect(startServer(rooms, { hub: hub as never })).rejects.toThrow(message)
  })

  test('reject a broker that another hub uses', async () => {
    const broker = memoryBroker()
    await startServer(rooms, { hub: { broker } })
    await expect(startServer(rooms, { hub: { broker } })).rejects.toMatchObject({ code: 'FST_BLAZE_WS_BROKER_IN_USE' })
  })
})

/** A broker whose engine can be made unavailable. */
class FragileBroker {
  readonly inner: Broker
  error: Error | undefined
  isSlow = false
  node: BrokerNode | undefined

  constructor(engine: MemoryEngine) {
    this.inner = memoryBroker({ engine })
  }

  fail(error: Error): void {
    this.error = error
    this.node?.lost(error)
  }

  async #passes(): Promise<void> {
    if (this.error !== undefined) throw this.error
    if (this.isSlow) await new Promise(() => {})
  }

  open(node: BrokerNode): void {
    this.node = node
    this.inner.open(node)
  }

  async publish(channel: string, message: Uint8Array): Promise<void> {
    await this.#passes()
    return this.inner.publish(channel, message)
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    await this.#passes()
    return this.inner.subscribe(channels)
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    await this.#passes()
    return this.inner.unsubscribe(channels)
  }

  check(): Promise<void> {
    return this.#passes()
  }

  close(): Promise<void> {
    return this.inner.close()
  }
}

describe('while the engine is away', () => {
  test('local delivery goes on, unpublished messages are counted, and the outage is logged once', async () => {
    const engine = new MemoryEngine()
    const broker = new FragileBroker(engine)
    const a = await startServer(rooms, { hub: { broker } })
    const [b] = (await startNodes(1, { engine })) as [RoomServer]
    const [here, there] = await Promise.all([connect(a.ws('/x')), b.join('x')])
    await here.next()
    const degraded = once(a.app.wsHub, 'degraded')
    broker.fail(new Error('the plug is out'))
    expect(await degraded).toEqual([new Error('the plug is out')])
    for (let i = 0; i < 10; i++) expect(a.app.wsHub.broadcast(`${i}`)).toBe(1)
    // A client enters a new room during the outage, and delays no other client.
    const late = await connect(a.ws('/late'))
    await eventually(() => a.app.wsHub.getClientCount('late') === 1)
    expect(await a.app.wsHub.cluster.getClientCount()).toEqual({ count: 2, missing: [b.hub.cluster.id] })
    expect(a.app.wsHub.cluster.stats()).toMatchObject({ isDegraded: true, unpublished: 10 })
    expect(await a.app.wsHub.cluster.ready({ timeout: 20 })).toBe(false)
    const recovered = once(a.app.wsHub, 'recovered')
    broker.error = undefined
    await recovered
    await late.next()
    a.app.wsHub.broadcast('back')
    b.hub.to('late').broadcast('to late')
    expect(await upTo(here, 'back')).toEqual([...Array.from({ length: 10 }, (_, i) => `${i}`), 'back'])
    expect(await upTo(there, 'back')).toEqual(['back'])
    expect(await upTo(late, 'to late')).toEqual(['back', 'to late'])
    expect(
      a.logs.filter(({ level, msg }) => level >= 30 && msg.includes('engine')).map(({ msg }) => msg.slice(0, 30))
    ).toEqual(['the engine of the broker canno', 'the engine of the broker is ba'])
  })

  test('a slow engine delays no local delivery, and the messages that wait for it are limited', async () => {
    const engine = new MemoryEngine()
    const broker = new FragileBroker(engine)
    const { app, ws } = await startServer(rooms, { hub: { broker } })
    const client = await connect(ws('/x'))
    await client.next()
    broker.isSlow = true
    const megabyte = 'x'.repeat(1024 * 1024)
    for (let i = 0; i < 20; i++) app.wsHub.broadcast(megabyte, { to: 'nobody' })
    // 16 MiB may wait, including the envelopes, so that 15 of the messages fit.
    expect(app.wsHub.cluster.stats()).toMatchObject({ unpublished: 5 })
    expect(app.wsHub.broadcast('hi')).toBe(1)
    expect(await client.next()).toBe('hi')
  })

  test('a failing listener is logged, and has no other effect', async () => {
    const broker = new FragileBroker(new MemoryEngine())
    const { app, logs } = await startServer(rooms, { hub: { broker } })
    app.wsHub.on('degraded', () => {
      throw new Error('clumsy')
    })
    app.wsHub.on('recovered', async () => {
      throw new Error('clumsy later')
    })
    broker.fail(new Error('away'))
    broker.error = undefined
    await eventually(() => logs.filter(({ msg }) => msg.includes('listener')).length === 2)
    expect(app.wsHub.cluster.stats().isDegraded).toBe(false)
  })

  test('refused messages or subscriptions are logged once', async () => {
    const broker = new FragileBroker(new MemoryEngine())
    const { app, ws, logs } = await startServer(rooms, { hub: { broker } })
    const client = await connect(ws('/x'))
    await client.next()
    const publish = jest.spyOn(broker.inner, 'publish').mockRejectedValue(new Error('NOPERM'))
    for (let i = 0; i < 5; i++) app.wsHub.broadcast('x')
    await eventually(() => app.wsHub.cluster.stats().unpublished >= 5)
    expect(app.wsHub.cluster.stats().isDegraded).toBe(false)
    publish.mockRestore()
    const subscribe = jest.spyOn(broker.inner, 'subscribe').mockRejectedValue(new Error('NOPERM'))
    const other = await connect(ws('/y'))
    await eventually(() => subscribe.mock.calls.length >= 5)
    expect(app.wsHub.cluster.stats().isDegraded).toBe(true)
    subscribe.mockRestore()
    await other.next()
    await eventually(() => !app.wsHub.cluster.stats().isDegraded)
    const said = logs
      .filter(({ level }) => level >= 40)
      .map(({ msg, err }) => `${(err as Error | undefined)?.message}: ${msg.slice(0, 20)}`)
    expect(said).toEqual(['NOPERM: a message has reache', 'NOPERM: the engine of the br'])
  })

  test('a server starts without the engine', async () => {
    const broker = new FragileBroker(new MemoryEngine())
    broker.fail(new Error('not there'))
    const { app, ws, logs } = await startServer(rooms, { hub: { broker } })
    const client = await connect(ws('/x'))
    await eventually(() => app.wsHub.getClientCount('x') === 1)
    app.wsHub.broadcast('hi')
    expect(await client.next()).toBe('hi')
    expect(app.wsHub.cluster.stats().isDegraded).toBe(true)
    expect(logs.filter(({ msg }) => msg.includes('engine'))).toHaveLength(1)
  })
})
