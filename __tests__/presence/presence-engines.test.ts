import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectNats } from '@nats-io/transport-node'
import { Cluster } from 'ioredis'
import type { Broker, WebSocketConnection } from '../../src/index.ts'
import { natsBroker } from '../../src/nats.ts'
import { redisBroker } from '../../src/redis.ts'
import { closeServers, eventually } from '../support/server.ts'
import { describeWith, Engine, freePort, NATS, REDIS, startRedisCluster } from '../cluster/support/engines.ts'
import { Proxy } from '../cluster/support/proxy.ts'
import { type RoomServer, startRooms } from '../cluster/support/rooms.ts'

jest.setTimeout(60_000)
/** Clean-up functions, called after the servers are closed. */
const ending: (() => unknown)[] = []
afterEach(async () => {
  await closeServers()
  for (const end of ending.splice(0)) await end()
})

const ROOMS = Array.from({ length: 30 }, (_, i) => `room${i}`)
const LEASE = 5_000

interface Scene {
  nodes: RoomServer[]
  /** Makes all nodes change their presence in all rooms. */
  change(info: number): void
  agree(): boolean
}

/** Nodes with one client each, which is in all rooms; `change` sets or removes its presence. */
async function setUp(brokers: readonly Broker[]): Promise<Scene> {
  const nodes = await Promise.all(brokers.map((broker) => startRooms(broker, { lease: LEASE })))
  await Promise.all(nodes.map((node) => node.join('lobby')))
  const change = (info: number): void => {
    for (const [i, { hub }] of nodes.entries()) {
      const [ws] = hub.getClients() as [WebSocketConnection]
      for (const [j, room] of ROOMS.entries()) {
        if ((i + j + info) % 4 === 0) hub.presence.remove(ws, room)
        else hub.presence.set(ws, room, info, { key: `node${i}` })
      }
    }
  }
  const known = ({ hub }: RoomServer, room: string): string =>
    JSON.stringify(hub.presence.known(room).toSorted((a, b) => (a.key < b.key ? -1 : 1)))
  const agree = (): boolean => ROOMS.every((room) => new Set(nodes.map((node) => known(node, room))).size === 1)
  for (const { hub } of nodes) for (const room of ROOMS) hub.join(hub.getClients()[0] as WebSocketConnection, room)
  await eventually(async () =>
    (await Promise.all(nodes.map(({ hub }) => hub.cluster.nodes()))).every(
      (answer) => answer.nodes.length === nodes.length
    )
  )
  // From here on, each node tracks all rooms, also empty ones.
  await Promise.all(nodes.flatMap(({ hub }) => ROOMS.map((room) => hub.presence.list(room))))
  change(0)
  await eventually(() => agree() && nodes[0]!.hub.presence.known('room1').length > 0)
  return { nodes, change, agree }
}

/** All nodes agree again within one lease after the fault is over. */
async function expectAgreement({ agree }: Scene): Promise<void> {
  const overAt = performance.now()
  await eventually(agree, 'the same presence on all nodes')
  expect(performance.now() - overAt).toBeLessThan(LEASE * 1.5)
}

describeWith(NATS, 'NATS', () => {
  test('nodes agree again after the route between two servers was cut for less than the lease', async () => {
    const [route, ...ports] = await Promise.all([freePort(), freePort(), freePort(), freePort()])
    const proxy = await Proxy.start(route)
    const server = (port: number, cluster: number, ...more: string[]): Engine =>
      new Engine('nats-server', port, () => [
        '-a',
        '127.0.0.1',
        '-p',
        `${port}`,
        '--cluster_name',
        'test',
        '--cluster',
        `nats://127.0.0.1:${cluster}`,
        ...more
      ])
    const servers = [server(ports[0], route), server(ports[1], ports[2], '--routes', `nats://127.0.0.1:${proxy.port}`)]
    ending.push(() => proxy.close(), ...servers.map((one) => () => one.close()))
    for (const one of servers) await one.start()
    const clients = await Promise.all(servers.map(({ port }) => connectNats({ port, ignoreClusterUpdates: true })))
    ending.unshift(...clients.map((client) => () => client.close()))
    const scene = await setUp(clients.map((client) => natsBroker({ client })))
    proxy.isCut = true
    proxy.cut()
    for (let i = 1; i <= 4; i++) {
      scene.change(i)
      await sleep(500)
    }
    expect(scene.agree()).toBe(false)
    expect(scene.nodes.map(({ hub }) => hub.cluster.stats().isDegraded)).toEqual([false, false])
    proxy.isCut = false
    await expectAgreement(scene)
  })
})

describeWith(REDIS, 'a Redis Cluster', () => {
  const password = 'secret'
  let engines: Engine[]
  beforeAll(async () => {
    engines = await startRedisCluster(password)
  })
  afterAll(() => Promise.all(engines.map((engine) => engine.close())))

  const ask = (port: number, ...args: string[]): string =>
    execFileSync('redis-cli', ['-p', `${port}`, '-a', password, '--no-auth-warning', ...args], { encoding: 'utf8' })
  const broker = (): Broker =>
    redisBroker({
      client: new Cluster(
        engines.map(({ port }) => port),
        { lazyConnect: true, redisOptions: { password } }
      )
    })

  test('whose subscribers were cut: nodes agree again', async () => {
    const scene = await setUp([broker(), broker(), broker()])
    for (let i = 1; i <= 4; i++) {
      for (const { port } of engines) ask(port, 'CLIENT', 'KILL', 'TYPE', 'pubsub')
      scene.change(i)
      await sleep(100)
    }
    await expectAgreement(scene)
  })

  test('with a master that was killed and restarted: nodes agree again', async () => {
    const scene = await setUp([broker(), broker(), broker()])
    const [engine] = engines as [Engine]
    await engine.signal('SIGKILL')
    for (let i = 1; i <= 4; i++) {
      scene.change(i)
      await sleep(300)
    }
    await engine.start()
    await eventually(() => ask(engine.port, 'CLUSTER', 'INFO').includes('cluster_state:ok'))
    await expectAgreement(scene)
  })
})
