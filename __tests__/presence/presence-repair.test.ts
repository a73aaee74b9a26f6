import { decodeMessage, type RoomNotice } from '../../src/cluster/wire/protocol.ts'
import type { FastifyInstance } from 'fastify'
import { setTimeout as sleep } from 'node:timers/promises'
import { MemoryEngine, type Present, type WebSocketConnection, type WebSocketHub } from '../../src/index.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'
import { type LossyBroker, lossyBroker, type OnTheWay, random } from '../cluster/support/lossy.ts'

afterEach(closeServers)

const LEASE = 2_000

interface Node extends LossyBroker {
  hub: WebSocketHub
  /** The first client of the node. */
  ws: WebSocketConnection
  /** Connects another client. */
  guest(): Promise<WebSocketConnection>
}

function route(app: FastifyInstance): void {
  app.webSocket('/', async (ws) => {
    app.wsHub.register(ws)
    await ws.writeText(ws.id)
    for await (const message of ws) void message
  })
}

async function startNode(engine: MemoryEngine, lease = LEASE): Promise<Node> {
  const lossy = lossyBroker(engine)
  const { app, ws } = await startServer(route, { hub: { broker: lossy.broker, lease } })
  const { wsHub: hub } = app
  const guest = async (): Promise<WebSocketConnection> => {
    const id = await (await connect(ws('/'))).next()
    return hub.getClients().find((one) => one.id === id) as WebSocketConnection
  }
  return Object.assign(lossy, { hub, ws: await guest(), guest })
}

/** Nodes that know each other, with a client in each of these rooms, without presence. */
async function startCluster(count: number, rooms: readonly string[], lease?: number): Promise<Node[]> {
  const engine = new MemoryEngine()
  const nodes = await Promise.all(Array.from({ length: count }, () => startNode(engine, lease)))
  for (const { hub, ws } of nodes) for (const room of rooms) hub.join(ws, room)
  await eventually(async () =>
    (await Promise.all(nodes.map(({ hub }) => hub.cluster.nodes()))).every((answer) => answer.nodes.length === count)
  )
  for (const { hub } of nodes) await Promise.all(rooms.map((room) => hub.presence.list(room)))
  return nodes
}

/** The presence that a node knows of a room, in an order that does not depend on arrival. */
function known({ hub }: Node, room: string): string[] {
  const sorted = hub.presence.known(room).toSorted((a, b) => (a.key < b.key ? -1 : 1))
  return sorted.map(({ key, info, connections }: Present) => JSON.stringify([key, info, connections.toSorted()]))
}

function agree(nodes: readonly Node[], rooms: readonly string[]): boolean {
  return rooms.every((room) => new Set(nodes.map((node) => known(node, room).join())).size === 1)
}

/** All nodes agree within one lease. */
async function expectAgreement(nodes: readonly Node[], rooms: readonly string[], lease = LEASE): Promise<void> {
  const lostAt = performance.now()
  await eventually(() => agree(nodes, rooms), 'the same presence on all nodes')
  expect(performance.now() - lostAt).toBeLessThan(lease * 1.25)
}

/** Drops the next matching message, and resolves when it is dropped. */
function loseOne(node: LossyBroker, isIt: (message: OnTheWay) => boolean): Promise<void> {
  return new Promise((resolve) => {
    node.decide = (message) => {
      if (!isIt(message)) return { copies: 1 }
      node.decide = () => ({ copies: 1 })
      resolve()
      return { copies: 0 }
    }
  })
}

const isType = (type: string) => (message: OnTheWay) => message.control?.type === type

describe('if one message is lost in a quiet room', () => {
  test('a new presence is still seen', async () => {
    const nodes = (await startCluster(2, ['tea'])) as [Node, Node]
    const lost = loseOne(nodes[1], isType('present'))
    nodes[0].hub.presence.set(nodes[0].ws, 'tea', 1, { key: 'Ann' })
    await lost
    expect(known(nodes[1], 'tea')).toEqual([])
    await expectAgreement(nodes, ['tea'])
    expect(known(nodes[1], 'tea')).toHaveLength(1)
  })

  test('a removal or an update still takes effect', async () => {
    const nodes = (await startCluster(2, ['tea', 'milk'])) as [Node, Node]
    const [{ hub, ws }, other] = nodes
    const events: string[] = []
    for (const event of ['join', 'leave', 'update'] as const)
      other.hub.presence.on(event, (room, { key }) => events.push(`${event} ${room} ${key}`))
    hub.presence.set(ws, 'tea', 1, { key: 'Ann' })
    hub.presence.set(ws, 'milk', 1, { key: 'Ann' })
    await eventually(() => known(other, 'tea').length + known(other, 'milk').length === 2)
    for (const change of [() => hub.presence.remove(ws, 'tea'), () => hub.presence.set(ws, 'milk', 2)]) {
      const lost = loseOne(other, ({ channel }) => channel.startsWith('room:'))
      change()
      await lost
      await expectAgreement(nodes, ['tea', 'milk'])
    }
    expect(known(other, 'tea')).toEqual([])
    expect(hub.presence.known('milk')).toEqual(other.hub.presence.known('milk'))
    expect(events).toEqual(['join tea Ann', 'join milk Ann', 'leave tea Ann', 'update milk Ann'])
  })

  test('the next message in the room reveals the gap, and the node sends a request at once', async () => {
    // No heartbeat comes within the time of the test.
    const nodes = (await startCluster(2, ['tea'], 3_600_000)) as [Node, Node]
    nodes[0].hub.to('tea').broadcast('hello')
    const lost = loseOne(nodes[1], isType('present'))
    nodes[0].hub.presence.set(nodes[0].ws, 'tea', 1, { key: 'Ann' })
    await lost
    nodes[0].hub.to('tea').broadcast('hello again')
    await eventually(() => agree(nodes, ['tea']))
    expect(known(nodes[1], 'tea')).toHaveLength(1)
  })

  test('a presence set before the node watched the room is seen', async () => {
    const nodes = (await startCluster(2, [], 500)) as [Node, Node]
    const [{ hub, ws }, other] = nodes
    hub.presence.set(ws, 'tea', 1, { key: 'Ann' })
    // The other node has learned the digests of rooms that it does not watch.
    await eventually(() => other.heard.filter(isType('alive')).length > 6)
    void loseOne(other, isType('snapshot'))
    other.hub.join(other.ws, 'tea')
    await other.hub.presence.list('tea')
    await expectAgreement(nodes, ['tea'], 500)
    expect(known(other, 'tea')).toHaveLength(1)
  })

  test('the room is repaired, whichever part of a large snapshot was lost', async () => {
    for (const lose of [
      ({ control }: OnTheWay) => control?.type === 'snapshot' && control.isFirst,
      ({ control }: OnTheWay) => control?.type === 'snapshot' && !control.isFirst && !control.isLast,
      ({ control }: OnTheWay) => control?.type === 'snapshot' && control.isLast,
      isType('nobody'),
      isType('answer')
    ]) {
      const engine = new MemoryEngine()
      const [a, b] = [await startNode(engine), await startNode(engine)]
      const guests = await Promise.all(Array.from({ length: 250 }, () => a.guest()))
      for (const ws of guests) a.hub.presence.set(ws, 'tea', null)
      await eventually(async () => (await b.hub.cluster.nodes()).nodes.length === 2)
      void loseOne(b, lose)
      b.hub.join(b.ws, 'tea')
      b.hub.join(b.ws, 'empty')
      await Promise.all(['tea', 'empty'].map((room) => b.hub.presence.list(room)))
      await expectAgreement([a, b], ['tea', 'empty'])
      expect(known(b, 'tea')).toHaveLength(250)
    }
  }, 60_000)
})

test('a node that was cut off for less than its lease agrees with the others afterwards', async () => {
  const rooms = Array.from({ length: 40 }, (_, i) => `room${i}`)
  const nodes = await startCluster(3, rooms)
  const [deaf, ...others] = nodes as [Node, Node, Node]
  for (const { hub, ws } of nodes) for (const room of rooms.slice(0, 30)) hub.presence.set(ws, room, 1)
  await eventually(() => agree(nodes, rooms) && known(deaf, 'room0').length === 3)
  const decide = ({ origin }: OnTheWay): { copies: number } => ({ copies: origin === deaf.hub.cluster.id ? 0 : 1 })
  deaf.decide = () => ({ copies: 0 })
  for (const node of others) node.decide = decide
  for (const { hub, ws } of nodes) {
    for (const room of rooms.slice(0, 10)) hub.presence.remove(ws, room)
    for (const room of rooms.slice(20)) hub.presence.set(ws, room, 2)
  }
  await sleep(LEASE * 0.5)
  for (const node of nodes) node.decide = () => ({ copies: 1 })
  expect(agree(nodes, rooms)).toBe(false)
  await expectAgreement(nodes, rooms)
  expect([known(deaf, 'room0').length, known(deaf, 'room39').length]).toEqual([0, 3])
}, 20_000)

test.each([1, 2, 3, 4])(
  'all nodes agree after random messages were lost, duplicated or delayed (%i)',
  async (seed) => {
    const next = random(seed)
    const rooms = ['a', 'b', 'c', 'd', 'e']
    const nodes = await startCluster(3, [])
    for (const node of nodes) {
      node.decide = () => ({
        copies: next() < 0.25 ? 0 : next() < 0.1 ? 2 : 1,
        ...(next() < 0.2 && { delay: next() * 50 })
      })
    }
    for (let i = 0; i < 300; i++) {
      const { hub, ws } = nodes[Math.floor(next() * 3)] as Node
      const room = rooms[Math.floor(next() * 5)] as string
      const action = next()
      if (action < 0.6) hub.presence.set(ws, room, i, { key: next() < 0.5 ? 'Ann' : 'Bob' })
      else if (action < 0.8) hub.presence.remove(ws, room)
      else hub.leave(ws, room)
      if (i % 10 === 0) await sleep(5)
    }
    // From here on, all nodes watch all rooms.
    for (const { hub, ws } of nodes) for (const room of rooms) hub.join(ws, room)
    for (const node of nodes)
      for (const room of rooms) if (node !== nodes[0] || room !== 'a') node.hub.presence.set(node.ws, room, 'end')
    await sleep(60)
    for (const node of nodes) node.decide = () => ({ copies: 1 })
    await expectAgreement(nodes, rooms)
    expect(known(nodes[0] as Node, 'e')).not.toEqual([])
  },
  20_000
)

test('nodes whose clocks are a minute apart keep the latest change', async () => {
  const nodes = (await startCluster(2, ['tea'])) as [Node, Node]
  const wall = Date.now
  const set = ({ hub, ws }: Node, info: string, ahead: number): void => {
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => wall() + ahead)
    hub.presence.set(ws, 'tea', info, { key: 'Ann' })
    clock.mockRestore()
  }
  for (const [i, node] of [0, 1, 1, 0, 1].entries()) {
    set(nodes[node] as Node, `mood ${i}`, node * -60_000)
    for (const { hub } of nodes) await eventually(() => hub.presence.known('tea')[0]?.info === `mood ${i}`, `mood ${i}`)
  }
})

test('entries with a hostile time do not block later changes', async () => {
  const nodes = (await startCluster(2, ['tea'])) as [Node, Node]
  const [a, b] = nodes
  const entries = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER + 1, 1e15, -1, 0.5, '1'].map((since, i) => ({
    id: `x${i}`,
    key: `x${i}`,
    info: null,
    since
  }))
  const notice = decodeMessage(Buffer.from(JSON.stringify({ type: 'present', entries }))) as RoomNotice
  for (const { hub } of nodes) hub.presence.onRoomNotice('hostile', 'tea', notice)
  for (const [i, { hub, ws }] of [a, b, a, b].entries()) {
    hub.presence.set(ws, 'tea', i, { key: 'Ann' })
    const info = ({ hub: one }: Node): unknown => one.presence.known('tea').find(({ key }) => key === 'Ann')?.info
    await eventually(() => nodes.every((node) => info(node) === i))
  }
})

test('set refuses info that could poison a prototype on other nodes', async () => {
  const [{ hub, ws }] = (await startCluster(1, ['tea'])) as [Node]
  for (const json of ['{"__proto__":1}', '[{"__proto__":{"a":1}}]', '{"constructor":{"prototype":1}}']) {
    expect(() => hub.presence.set(ws, 'tea', JSON.parse(json))).toThrow(
      expect.objectContaining({ code: 'FST_BLAZE_WS_INVALID_ARGUMENT', closeCode: 1008 })
    )
  }
})

test('without faults, nodes send no requests, however many rooms they watch or change', async () => {
  const rooms = Array.from({ length: 300 }, (_, i) => `room${i}`)
  const nodes = (await startCluster(2, rooms, 500)) as [Node, Node]
  const [a, b] = nodes
  for (const room of [...rooms, ...rooms.map((name) => `other ${name}`)]) a.hub.presence.set(a.ws, room, 1)
  const isAsked = ({ control }: OnTheWay): boolean => control?.type === 'presence' || control?.type === 'compare'
  const beats = (): number => b.heard.filter(isType('alive')).length
  const beat = async (count: number): Promise<void> => {
    const until = beats() + count
    await eventually(() => beats() >= until)
  }
  // It learns the digests of unwatched rooms once, then sends no more requests.
  await beat(6)
  a.heard.length = 0
  for (let i = 0; i < 20; i++) {
    for (const room of rooms.slice(0, 50)) a.hub.presence.set(a.ws, room, i)
    await beat(1)
  }
  expect(a.heard.filter(isAsked)).toEqual([])
  // The same after it stops watching rooms.
  for (const room of rooms.slice(100)) b.hub.leave(b.ws, room)
  await sleep(2_500)
  await beat(4)
  expect(a.heard.filter(isAsked)).toEqual([])
  expect(agree(nodes, rooms.slice(0, 100))).toBe(true)
}, 30_000)

test('a snapshot is not requested again while its parts still arrive', async () => {
  const engine = new MemoryEngine()
  const [a, b] = [await startNode(engine, 500), await startNode(engine, 500)]
  const guests = await Promise.all(Array.from({ length: 300 }, () => a.guest()))
  for (const ws of guests) a.hub.presence.set(ws, 'tea', 'x'.repeat(8_000))
  await eventually(async () => (await b.hub.cluster.nodes()).nodes.length === 2)
  // Each part is delayed; all of them together take longer than a lease.
  b.decide = ({ control }) => ({ copies: 1, ...(control?.type === 'snapshot' && { delay: 300 }) })
  b.hub.join(b.ws, 'tea')
  await b.hub.presence.list('tea')
  await eventually(() => agree([a, b], ['tea']) && known(b, 'tea').length === 300)
  const parts = (): number => b.heard.filter(isType('snapshot')).length
  await sleep(1_000)
  // A snapshot has three parts. A slow machine may ask for it once more than another, but not with each heartbeat.
  expect(parts()).toBeLessThanOrEqual(9)
}, 20_000)

test('the first list is complete even if the answer overtakes the snapshot', async () => {
  const [a, b, c] = (await startCluster(3, [])) as [Node, Node, Node]
  for (const room of ['tea', 'milk']) a.hub.presence.set(a.ws, room, null, { key: 'Ann' })
  await c.hub.presence.list('tea')
  b.decide = ({ control }) => ({ copies: 1, ...(control?.type === 'snapshot' && { delay: 200 }) })
  expect((await b.hub.presence.list('tea')).map(({ key }) => key)).toEqual(['Ann'])
  // It does not wait longer for a lost snapshot.
  c.decide = ({ control }) => ({ copies: control?.type === 'snapshot' ? 0 : 1 })
  expect(await c.hub.presence.list('milk')).toEqual([])
})

test('the first list includes a presence that is set before a late answer says that the room is empty', async () => {
  const [a, b] = (await startCluster(2, [])) as [Node, Node]
  // The answer, on another channel, is late.
  b.decide = ({ channel }) => ({ copies: 1, ...(channel.startsWith('node:') && { delay: 200 }) })
  const listed = b.hub.presence.list('tea')
  await eventually(() => a.heard.some(isType('presence')))
  a.hub.presence.set(a.ws, 'tea', null, { key: 'Ann' })
  expect((await listed).map(({ key }) => key)).toEqual(['Ann'])
})

test('a node that has left does not come back when one of its earlier messages arrives late', async () => {
  const [a, b] = (await startCluster(2, ['tea'])) as [Node, Node]
  a.hub.presence.set(a.ws, 'tea', null, { key: 'Ann' })
  await eventually(() => known(b, 'tea').length === 1)
  b.decide = ({ channel }) => ({ copies: 1, ...(channel.startsWith('room:') && { delay: 200 }) })
  a.hub.presence.remove(a.ws, 'tea')
  await a.hub.shutdown(1_000)
  await eventually(() => b.heard.some(isType('absent')))
  expect(await b.hub.cluster.nodes()).toMatchObject({ nodes: [{ id: b.hub.cluster.id }], missing: [] })
  expect(known(b, 'tea')).toEqual([])
})

test('a node of an older version without digests sends a full snapshot when a message was lost', async () => {
  const nodes = (await startCluster(2, ['tea', 'milk'])) as [Node, Node]
  const [{ hub, ws }, other] = nodes
  const { presence } = hub
  const answer = presence.answer.bind(presence)
  presence.answer = (request, node) =>
    answer({ ...request, type: request.type === 'compare' ? 'presence' : request.type } as typeof request, node)
  presence.digest = () => undefined as unknown as string
  hub.to('tea').broadcast('hello')
  const lost = loseOne(other, isType('present'))
  presence.set(ws, 'tea', 1)
  await lost
  hub.to('tea').broadcast('hello again')
  await eventually(() => agree(nodes, ['tea']))
  expect(known(other, 'tea')).toHaveLength(1)
  expect(other.hub.cluster.stats().rejected).toBe(0)
})
