import { setTimeout as sleep } from 'node:timers/promises'
import type { WebSocketConnection } from '../../src/index.ts'
import { redisBroker } from '../../src/redis.ts'
import { closeServers, eventually, type TestClient } from '../support/server.ts'
import type { Engine } from './support/engines.ts'
import { describeChangingClusters, type RedisCluster } from './support/redis-cluster.ts'
import { type RoomServer, startRooms } from './support/rooms.ts'

jest.setTimeout(60_000)

const ROOMS = Array.from({ length: 30 }, (_, i) => `room${i}`)

/** One of two nodes, with one client, which is in all rooms. */
interface Node {
  server: RoomServer
  client: TestClient
  connection: WebSocketConnection
  events: string[]
}

describeChangingClusters('hubs over a Redis Cluster that changes', (setting) => {
  const { sharded, prefix } = setting
  let cluster: RedisCluster
  let nodes: [Node, Node]
  let count = 0

  beforeAll(() => {
    cluster = setting.cluster
  })
  beforeEach(async () => {
    count = 0
    nodes = [await startNode(), await startNode()]
    await eventually(async () => (await nodes[0].server.hub.cluster.nodes()).nodes.length === 2, 'both nodes')
    for (const { server, connection } of nodes) for (const room of ROOMS) server.hub.join(connection, room)
    for (const { server } of nodes) await server.hub.cluster.ready()
    // From here on, each node tracks the presence of all rooms.
    await Promise.all(nodes.flatMap(({ server }) => ROOMS.map((room) => server.hub.presence.list(room))))
    setPresence()
    await expectDelivery()
  })
  afterEach(closeServers)

  const startNode = async (): Promise<Node> => {
    const server = await startRooms(redisBroker({ client: setting.connect(), prefix: prefix(), sharded }))
    const events: string[] = []
    for (const event of ['degraded', 'recovered'] as const) server.hub.on(event, () => events.push(event))
    const client = await server.join('lobby')
    return { server, client, connection: server.hub.getClients()[0] as WebSocketConnection, events }
  }

  /** Each node broadcasts its index, the room and a count to all rooms. */
  const sayInAll = (): void => {
    count++
    for (const [i, { server }] of nodes.entries())
      for (const room of ROOMS) server.hub.to(room).broadcast(`${i} ${room} ${count}`)
  }
  /** The counts that a client has received from a node in a room. */
  const numbersOf = ({ client }: Node, from: number, room: string): number[] => {
    const start = `${from} ${room} `
    return client.messages
      .filter(({ data }) => data.startsWith(start))
      .map(({ data }) => Number(data.slice(start.length)))
  }
  const haveAll = (): boolean =>
    nodes.every((node) => [0, 1].every((from) => ROOMS.every((room) => numbersOf(node, from, room).at(-1) === count)))
  const setPresence = (): void => {
    for (const [i, { server, connection }] of nodes.entries())
      for (const room of ROOMS) server.hub.presence.set(connection, room, count, { key: `node${i}` })
  }
  const agree = (): boolean => {
    const known = ({ server }: Node, room: string): string =>
      JSON.stringify(
        server.hub.presence
          .known(room)
          .map(({ key, info }) => `${key} ${String(info)}`)
          .toSorted()
      )
    const expected = JSON.stringify([`node0 ${count}`, `node1 ${count}`])
    return ROOMS.every((room) => nodes.every((node) => known(node, room) === expected))
  }
  const isDegraded = ({ server }: Node): boolean => server.hub.cluster.stats().isDegraded
  const masterWithSubscribers = (): Engine =>
    cluster.masters.find((server) => cluster.cli(server, 'CLIENT', 'LIST', 'TYPE', 'pubsub') !== '') as Engine
  /** A master fails, and its replica takes over. */
  const failOver = async (victim: Engine, signal: 'SIGKILL' | 'SIGSTOP'): Promise<void> => {
    const replica = cluster.replicaOf(victim)
    await victim.signal(signal)
    await eventually(() => nodes.some(isDegraded), 'the report of the loss')
    await cluster.takeOver(replica)
    await eventually(() => nodes.every((node) => !isDegraded(node)), 'the recovery')
  }
  const reports = (): number => nodes[0].events.length + nodes[1].events.length

  /** Once no node is degraded, messages to all rooms arrive on both nodes, and both agree on presence. */
  const expectDelivery = async (): Promise<void> => {
    // The servers of a cluster learn of a change one after the other, so it may be reported more than once.
    const arrives = async (): Promise<boolean> => {
      await eventually(() => !nodes.some(isDegraded), 'the recovery')
      const before = reports()
      sayInAll()
      for (let i = 0; i < 100 && !haveAll(); i++) await sleep(5)
      if (!haveAll()) await eventually(() => reports() > before || haveAll(), 'the report of the missing messages')
      return haveAll()
    }
    await eventually(arrives, 'the arrival in all rooms')
    setPresence()
    await eventually(agree, 'the same presence on both nodes')
    for (const node of nodes) {
      for (const from of [0, 1]) {
        for (const room of ROOMS) {
          const numbers = numbersOf(node, from, room)
          expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b))
        }
      }
    }
  }
  /** Every outage was followed by a recovery, and these nodes had at least one. */
  const expectReports = (reporting: readonly Node[]): void => {
    for (const { events } of reporting) expect(events.slice(0, 2)).toEqual(['degraded', 'recovered'])
    for (const { events } of nodes)
      for (const [i, event] of events.entries()) expect(event).toBe(i % 2 === 0 ? 'degraded' : 'recovered')
  }
  const streaming = async (act: () => Promise<void>): Promise<void> => {
    const stream = setInterval(sayInAll, 10)
    try {
      await act()
    } finally {
      clearInterval(stream)
    }
  }

  test('deliver a stream completely, with no message missing or duplicated, if nothing fails', async () => {
    await streaming(() => sleep(300))
    await expectDelivery()
    for (const node of nodes) {
      const all = Array.from({ length: count }, (___, i) => i + 1)
      for (const from of [0, 1]) for (const room of ROOMS) expect(numbersOf(node, from, room)).toEqual(all)
      expect(node.server.hub.cluster.stats()).toMatchObject({ missed: 0, duplicates: 0, unpublished: 0 })
    }
    expect(reports()).toBe(0)
  })

  test('recover after their subscribers are cut', async () => {
    await streaming(async () => {
      for (const server of cluster.servers) cluster.cli(server, 'CLIENT', 'KILL', 'TYPE', 'pubsub')
      await eventually(() => nodes.every(({ events }) => events.includes('recovered')), 'the recovery')
    })
    await expectDelivery()
    expectReports(nodes)
  })

  test('recover after slots move to another server', async () => {
    const { masters } = cluster
    await streaming(async () => {
      for (const [i, room] of ROOMS.slice(0, 6).entries())
        cluster.move(`${prefix()}room:${room}`, masters[i % 3] as Engine)
      // Classic channels do not depend on slots.
      await eventually(() => !sharded || nodes.every(({ events }) => events.includes('recovered')), 'the recovery')
    })
    await expectDelivery()
    expectReports(sharded ? nodes : [])
  })

  test('recover after a master is killed', async () => {
    const victim = masterWithSubscribers()
    try {
      await streaming(async () => {
        await failOver(victim, 'SIGKILL')
      })
      await expectDelivery()
      // A node that is connected to other servers need not notice.
      expectReports(sharded ? nodes : nodes.filter(({ events }) => events.length > 0))
    } finally {
      await victim.start()
    }
  })

  test('get no late or duplicate messages when a frozen master resumes after a failover', async () => {
    const victim = masterWithSubscribers()
    try {
      await streaming(async () => {
        await failOver(victim, 'SIGSTOP')
        await sleep(300)
        await victim.signal('SIGCONT')
        await eventually(() => !cluster.isMaster(victim), 'the demotion of the former master')
      })
      await expectDelivery()
    } finally {
      await victim.signal('SIGCONT')
    }
  })
})
