import { memoryBroker } from '../../src/index.ts'
import { ClusterNode } from '../../src/cluster/node.ts'
import type { NodeListeners } from '../../src/cluster/listeners.ts'
import type { ConnectionDetails, ConnectionRow } from '../../src/dashboard/connections.ts'
import { type Overview, overviewOf } from '../../src/dashboard/overview.ts'
import type { ConnectionList } from '../../src/dashboard/questions.ts'
import { closeServers, connect, eventually, startServer, type TestServer } from '../support/server.ts'
import { disconnect, get, join, startNode, startTwoNodes } from './support/nodes.ts'

afterEach(closeServers)

const newest = async (server: TestServer): Promise<ConnectionList['connections']> =>
  (await get<ConnectionList>(server, 'connections')).connections

/** The only connection of a node. */
async function onlyConnection(server: TestServer): Promise<ConnectionRow> {
  const rows = await newest(server)
  expect(rows).toHaveLength(1)
  return rows[0] as ConnectionRow
}

describe('the numbers', () => {
  test('are those of app.wsStats(), of all routes and of one', async () => {
    const server = await startNode({ onRequest: [] })
    const clients = await Promise.all([join(server, '/rooms/a'), join(server, '/rooms/b'), join(server, '/plain')])
    await expect(connect(server.ws('/nowhere'))).rejects.toThrow('404')
    clients[0].socket.close(1001)
    await clients[0].close()
    await eventually(() => server.app.wsStats().total.open === 2)
    const all = await get<Overview>(server, 'overview')
    expect(all.stats).toEqual(server.app.wsStats().total)
    expect(all.stats).toMatchObject({ open: 2, opened: 3, refused: { 404: 1 }, closed: { 1001: 1 }, messagesIn: 3 })
    const one = await get<Overview>(server, 'overview?route=/rooms/:room')
    expect(one.stats).toEqual(server.app.wsStats().routes['/rooms/:room'])
    expect(one.routes).toEqual(all.routes)
    expect(Object.fromEntries(all.routes)).toMatchObject({ '/rooms/:room': 1, '/plain': 1 })
  })

  test('of a route that nobody has are missing, whatever it is called', async () => {
    const server = await startNode({ onRequest: [] })
    for (const route of ['/nowhere', '__proto__', 'constructor']) {
      const { stats, lines } = await get<Overview>(server, `overview?route=${route}`)
      expect([stats, lines.open.every((value) => value === null)]).toEqual([undefined, true])
    }
    expect(await get<Overview>(server, 'overview?route=a&route=b&node=1&node=2')).toHaveProperty('stats')
  })

  test('of two nodes are added up, or are those of one', async () => {
    const [one, two] = await startTwoNodes()
    await Promise.all([join(one, '/rooms/a'), join(one, '/plain'), join(two, '/rooms/a')])
    const id = two.app.wsHub.cluster.id
    await eventually(async () => (await get<Overview>(one, 'overview')).nodes.length === 2)
    const both = await get<Overview>(one, 'overview')
    expect(both.stats).toMatchObject({ open: 3, opened: 3, messagesIn: 3, messagesOut: 3 })
    expect(both).toMatchObject({ rooms: [['a', 2]], roomCount: 1, isRoomCountExact: true })
    expect(both.nodes.map((node) => [node.id, node.state])).toEqual([
      [one.app.wsHub.cluster.id, 'answers'],
      [id, 'answers']
    ])
    const second = await get<Overview>(one, `overview?node=${id}`)
    expect(second.stats).toEqual(two.app.wsStats().total)
    expect(second.rooms).toEqual([['a', 1]])
    expect(second.nodes).toHaveLength(2)
    expect((await get<ConnectionList>(one, `connections?node=${id}`)).connections).toHaveLength(1)
    expect((await get<Overview>(one, 'overview?node=unknown')).stats).toBeUndefined()
  })

  test('nodes that do not answer are listed, and those without a dashboard', async () => {
    const [one, two, engine] = await startTwoNodes()
    const without = await startServer(() => {}, { hub: { broker: memoryBroker({ engine }) } })
    // A node of an earlier version: it does not know the question.
    const old = new ClusterNode(memoryBroker({ engine }), 5_000)
    const silent = new Proxy({}, { get: () => () => undefined })
    old.start({ clients: silent, server: silent, presence: silent, engine: silent } as NodeListeners)
    const states = async () => {
      const { nodes } = await get<Overview>(one, 'overview')
      return Object.fromEntries(nodes.map(({ id, state }) => [id, state]))
    }
    const expected = {
      [one.app.wsHub.cluster.id]: 'answers',
      [two.app.wsHub.cluster.id]: 'answers',
      [without.app.wsHub.cluster.id]: 'without',
      [old.id]: 'silent'
    }
    await eventually(async () => Object.keys(await states()).length === 4)
    expect(await states()).toEqual(expected)
    await old.close()
  })
})

describe('a dashboard of another version', () => {
  const NAME = 'fastify-blaze-ws:dashboard'

  test('may answer anything', async () => {
    const [one, two] = await startTwoNodes()
    await join(one, '/rooms/tea')
    await eventually(async () => (await get<Overview>(one, 'overview')).nodes.length === 2)
    const { id } = await onlyConnection(one)
    const good = await get<Overview>(one, `overview?node=${one.app.wsHub.cluster.id}`)
    const report = { uptime: 1, routes: [], rooms: [], roomCount: 0 }
    const answers = [
      5,
      'text',
      [],
      [null, 5, { id: 5 }],
      {},
      { ...report, lines: { open: 'x' } },
      { ...report, lines: null },
      { ...report, stats: {} },
      { ...report, stats: null },
      { ...report, rooms: [[5, 'x']] },
      { ...report, routes: Array.from({ length: 101 }, () => ['/', 1]) }
    ]
    for (const answer of answers) {
      two.app.wsHub.cluster.respond(NAME, () => answer)
      const overview = await get<Overview>(one, 'overview')
      expect([answer, overview.nodes[1]?.state, overview.rooms]).toEqual([answer, 'without', good.rooms])
      expect(overview.stats?.opened).toBe(1)
      expect((await newest(one)).map((row) => row.id)).toEqual([id])
      expect(await get(one, `connection?id=${id}`)).toMatchObject({ id, node: one.app.wsHub.cluster.id })
    }
  })

  test('may ask anything', async () => {
    const [one, two] = await startTwoNodes()
    await join(two, '/plain')
    await eventually(async () => (await get<Overview>(one, 'overview')).nodes.length === 2)
    for (const data of [undefined, null, 5, [], {}, { type: 'other' }, { type: 'disconnect', id: 5 }]) {
      const { answers } = await one.app.wsHub.cluster.ask(NAME, data)
      expect([...answers.values()]).toEqual([null, null])
    }
    const { answers } = await one.app.wsHub.cluster.ask(NAME, { type: 'details', id: { toString: 5 } })
    expect([...answers.values()]).toEqual([null, null])
    expect(two.logs.filter(({ msg }) => msg === 'listener of hub.cluster failed')).toHaveLength(1)
    expect(two.app.wsStats().total.open).toBe(1)
  })
})

describe('what is answered is bounded', () => {
  test('with 10 000 rooms and 300 connections', async () => {
    const server = await startServer(async (app) => {
      app.webSocket('/many', async (ws) => {
        for (let i = 0; i < 10_000; i++) app.wsHub.join(ws, `room ${i} ${'x'.repeat(240)}`)
        await ws.writeText('joined')
        await ws.readMessage()
      })
      app.webSocket('/one', async (ws) => {
        for (let i = 0; i < 30; i++) app.wsHub.join(ws, `popular ${i}`)
        await ws.readMessage()
      })
      const { default: dashboard } = await import('../../src/dashboard.ts')
      await app.register(dashboard, { prefix: '/realtime', onRequest: [] })
    })
    const many = await connect(server.ws('/many'))
    await many.next()
    for (let i = 0; i < 300; i++) await server.app.injectWS('/one')
    const text = await (await fetch(server.http('/realtime/overview'))).text()
    expect(text.length).toBeLessThan(20_000)
    const { rooms, roomCount, isRoomCountExact } = JSON.parse(text) as Overview
    expect(rooms).toHaveLength(20)
    expect(rooms.every(([name, members]) => name.startsWith('popular') && members === 300)).toBe(true)
    expect([roomCount, isRoomCountExact]).toEqual([10_030, true])
    for (const order of ['newest', 'slowest', 'anything'])
      expect((await get<ConnectionList>(server, `connections?order=${order}`)).connections).toHaveLength(50)
    const oldest = [...server.app.wsHub.getClients()][0]?.id
    const details = await get<ConnectionDetails>(server, `connection?id=${oldest}`)
    expect([details.rooms.length, details.roomCount]).toEqual([50, 10_000])
  })
})

test('rooms that a node does not name may be on other nodes, too', () => {
  const node = (roomCount: number): object => ({ uptime: 1, routes: [], rooms: [['a', 1]], roomCount })
  const countOf = (...counts: number[]): unknown[] => {
    const answers = new Map(counts.map((count, i) => [String(i), node(count)]))
    const { roomCount, isRoomCountExact } = overviewOf('0', { answers, missing: [] }, undefined)
    return [roomCount, isRoomCountExact]
  }
  expect(countOf(1, 1)).toEqual([1, true])
  expect(countOf(1, 200)).toEqual([201, false])
  expect(countOf(200)).toEqual([200, true])
})

describe('connections', () => {
  test('are listed, the newest first, also those in no hub', async () => {
    const server = await startNode({ onRequest: [] })
    await join(server, '/rooms/a')
    await join(server, '/plain?token=secret')
    const rows = await newest(server)
    expect(rows.map(({ route }) => route)).toEqual(['/plain', '/rooms/:room'])
    expect(rows[0]).toMatchObject({ messagesIn: 1, messagesOut: 1, unsentBytes: 0, dropped: 0 })
    expect(rows[0]?.remoteAddress).toMatch(/^127\.0\.0\.1:\d+$/)
    expect(JSON.stringify(rows)).not.toContain('secret')
  })

  test('the slowest are those with the most unsent bytes', async () => {
    const server = await startNode({ onRequest: [] })
    const client = await join(server, '/rooms/slow')
    await Promise.all([join(server, '/rooms/fast'), join(server, '/rooms/fast')])
    client.socket.pause()
    const slow = server.app.wsHub.getClients('slow')[0]
    for (let i = 0; i < 20; i++) void slow?.writeText('x'.repeat(500_000))
    const [first, ...others] = (await get<ConnectionList>(server, 'connections?order=slowest')).connections
    expect(first?.id).toBe(slow?.id)
    expect(first?.unsentBytes).toBeGreaterThan(0)
    expect(others.map(({ unsentBytes }) => unsentBytes)).toEqual([0, 0])
    client.socket.terminate()
  })

  test('one is shown with what is known of it, on any node', async () => {
    const [one, two] = await startTwoNodes()
    await join(two, '/rooms/tea?token=secret')
    await join(two, '/plain', ['chat'])
    await eventually(async () => (await newest(one)).length === 2)
    const [plain, room] = await newest(one)
    const id = room?.id
    const details = await get<ConnectionDetails & { node: string }>(one, `connection?id=${id}`)
    expect(await get(one, `connection?id=${plain?.id}`)).toMatchObject({ protocol: 'chat', rooms: [], roomCount: 0 })
    expect(details).toMatchObject({
      id,
      route: '/rooms/:room',
      node: two.app.wsHub.cluster.id,
      rooms: ['tea'],
      roomCount: 1,
      messagesIn: 1,
      bytesIn: 5,
      messagesOut: 1,
      queuedFrames: 0,
      protocol: ''
    })
    expect(details.age).toBeGreaterThanOrEqual(0)
    expect(details.silence).toBeGreaterThanOrEqual(0)
    expect(JSON.stringify(details)).not.toContain('secret')
  })

  test('one that is not there is not found', async () => {
    const server = await startNode({ onRequest: [] })
    await join(server, '/plain')
    const { id } = await onlyConnection(server)
    const other = id.replace(/.$/, (last) => (last === '0' ? '1' : '0'))
    const answer = async (of: string) => {
      const response = await fetch(server.http(`/realtime/connection?id=${encodeURIComponent(of)}`))
      return [response.status, ((await response.json()) as { error: string }).error]
    }
    expect(await answer(other)).toEqual([404, 'no node has this connection; it may have been closed'])
    expect(await answer('lobby')).toEqual([400, 'this is not the id of a connection'])
    expect(await answer(`ffffffffffff${id.slice(12)}`)).toEqual([404, expect.any(String)])
  })

  test('a server without rooms and connections has nothing to show', async () => {
    const server = await startServer(async (app) => {
      const { default: dashboard } = await import('../../src/dashboard.ts')
      await app.register(dashboard, { prefix: '/realtime', onRequest: [] })
    })
    expect(await get<Overview>(server, 'overview')).toMatchObject({ rooms: [], roomCount: 0, nodeCount: 1 })
    expect(await get<ConnectionList>(server, 'connections')).toEqual({ connections: [], missing: [] })
  })
})

describe('disconnecting', () => {
  test.each(['/rooms/tea', '/plain'])('ends a connection of this node to %s', async (path) => {
    const server = await startNode({ onRequest: [] })
    const [client, other] = [await join(server, path), await join(server, path)]
    const { id } = (await newest(server))[1] as ConnectionRow
    expect(await (await disconnect(server, id)).json()).toEqual({ node: '' })
    expect(await client.close()).toEqual({ code: 1008, reason: 'disconnected' })
    expect(other.closed).toBeUndefined()
    expect(server.logs.some(({ connection, isFound }) => connection === id && isFound === true)).toBe(true)
    const again = await disconnect(server, id)
    expect([again.status, await again.json()]).toEqual([
      404,
      { error: expect.stringContaining('no node has'), missing: [] }
    ])
  })

  test.each(['/rooms/tea', '/plain'])('ends a connection of another node to %s', async (path) => {
    const [one, two] = await startTwoNodes()
    const client = await join(two, path)
    await eventually(async () => (await newest(one)).length === 1)
    const { id } = await onlyConnection(one)
    expect(await (await disconnect(one, id)).json()).toEqual({ node: two.app.wsHub.cluster.id })
    expect(await client.close()).toEqual({ code: 1008, reason: 'disconnected' })
  })

  test('is refused if another page asks for it', async () => {
    const server = await startNode({ onRequest: [] })
    const client = await join(server, '/plain')
    const { id } = await onlyConnection(server)
    const own = server.http('')
    const status = async (headers: Record<string, string>) => (await disconnect(server, id, headers)).status
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: own.replace('127.0.0.1', 'localhost') },
      { origin: own, 'sec-fetch-site': 'cross-site' },
      { origin: own, 'sec-fetch-site': 'same-site' },
      { origin: own, 'sec-fetch-site': 'none' }
    ])
      expect([headers, await status(headers)]).toEqual([headers, 403])
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', ''])
      expect([type, await status({ origin: own, 'content-type': type })]).toEqual([type, 415])
    for (const wrong of [undefined, 'tea', 5, { id }]) expect((await disconnect(server, wrong)).status).toBe(400)
    expect((await disconnect(server, 'x'.repeat(2_000))).status).toBe(413)
    expect(client.closed).toBeUndefined()
    expect(await status({ origin: own, 'sec-fetch-site': 'same-origin' })).toBe(200)
    await client.close()
  })

  test('behind a proxy that Fastify does not trust, the word of the browser is enough', async () => {
    const server = await startNode({ onRequest: [] })
    await join(server, '/plain')
    const { id } = await onlyConnection(server)
    const headers = { origin: 'https://chat.example', 'sec-fetch-site': 'same-origin' }
    expect((await disconnect(server, id, headers)).status).toBe(200)
  })
})
