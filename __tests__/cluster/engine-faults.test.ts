import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../support/server.ts'
import { ClusterProcess, endClusters, Member, type NodeOptions } from './support/cluster.ts'
import { describeWith, Engine, NATS, REDIS } from './support/engines.ts'
import { Proxy } from './support/proxy.ts'

jest.setTimeout(90_000)
afterEach(endClusters)

/** How soon delivery must be complete again after the engine is back; a busy machine may take twice as long. */
const RECOVERY = 2_000

type EngineName = NodeOptions['engine']

/** The numbers of one node's messages that a client has received. */
function numbersOf(member: Member, from: string): number[] {
  return member.heard.filter((one) => one.from === from).map(({ number }) => number)
}

/** True if every number is greater than the one before. */
function isOrdered(numbers: number[]): boolean {
  return numbers.every((number, i) => i === 0 || number > (numbers[i - 1] as number))
}

interface Scene {
  nodes: ClusterProcess[]
  members: Member[]
}

/** Two nodes with three clients each in one room, and steady broadcasts from both. */
async function setUp(engine: EngineName, port: number): Promise<Scene> {
  const nodes = await Promise.all([0, 1].map(() => ClusterProcess.start({ engine, port })))
  const members = await Promise.all([0, 1, 0, 1, 0, 1].map((i) => Member.connect(nodes[i]!, `c${i}${Math.random()}`)))
  await Promise.all(members.map((member) => member.join('room')))
  await makeNoise(nodes)
  await eventually(() =>
    members.every((member) => numbersOf(member, 'n0').length > 10 && numbersOf(member, 'n1').length > 10)
  )
  return { nodes, members }
}

async function makeNoise(nodes: ClusterProcess[]): Promise<void> {
  await Promise.all(nodes.map((node, i) => node.ask('noise', { room: 'room', name: `n${i}`, every: 5 })))
}

/** After any outage, all clients get all new messages in order, and the lost messages are counted. */
async function expectRecovery({ nodes, members }: Scene, backAt: number): Promise<void> {
  await eventually(async () =>
    (await Promise.all(nodes.map((node) => node.report()))).every(
      ({ cluster, events }) => !cluster.isDegraded && events.includes('recovered')
    )
  )
  const took = Date.now() - backAt
  // From here on, no message may be missing.
  const since = nodes.map(({ sent }) => sent['room'] ?? 0)
  await sleep(300)
  await Promise.all(nodes.map((node) => node.ask('quiet')))
  const until = nodes.map(({ sent }) => sent['room'] ?? 0)
  for (const [i, from] of ['n0', 'n1'].entries()) {
    for (const member of members) {
      await eventually(() => numbersOf(member, from).at(-1) === until[i], `the last message of ${from}`)
      const numbers = numbersOf(member, from)
      expect(isOrdered(numbers)).toBe(true)
      expect(numbers.filter((number) => number > since[i]!)).toHaveLength(until[i]! - since[i]!)
    }
  }
  for (const [i, node] of nodes.entries()) {
    const { faults, events, cluster } = await node.report()
    expect(faults).toEqual([])
    expect(events.filter((event) => event === 'degraded' || event === 'recovered')).toEqual(['degraded', 'recovered'])
    expect(cluster).toMatchObject({ rejected: 0, duplicates: 0 })
    // Clients of a node get all of its messages; clients of the other node miss only messages that a node has counted.
    const other = nodes[1 - i] as ClusterProcess
    const [here, there] = [members[i]!, members[1 - i]!].map((member) => numbersOf(member, `n${i}`).length) as [
      number,
      number
    ]
    expect(here).toBe(until[i])
    const lost = here - there
    const { unpublished } = cluster
    const { missed } = (await other.report()).cluster
    expect(unpublished + missed).toBeGreaterThanOrEqual(lost)
    expect(Math.max(unpublished, missed)).toBeLessThanOrEqual(lost + 20)
  }
  expect(took).toBeLessThan(RECOVERY * 2)
}

describe.each<[string, EngineName]>([
  ['Redis through ioredis', 'ioredis'],
  ['Redis through node-redis', 'node-redis'],
  ['NATS', 'nats']
])('%s', (_, name) => {
  describeWith(name === 'nats' ? NATS : REDIS, 'delivery', () => {
    let engine: Engine
    beforeEach(async () => {
      engine = await (name === 'nats' ? Engine.nats() : Engine.redis())
    })
    afterEach(() => engine.close())

    test('goes on locally while the engine is killed, and recovers after its restart', async () => {
      const scene = await setUp(name, engine.port)
      await engine.signal('SIGKILL')
      const [member] = scene.members as [Member]
      await eventually(async () => (await scene.nodes[0]!.report()).cluster.isDegraded)
      const before = numbersOf(member, 'n0').length
      await eventually(() => numbersOf(member, 'n0').length > before + 50, 'local delivery')
      // A client that joins during the outage gets this node's messages at once, and those of other nodes after the outage.
      const late = await Member.connect(scene.nodes[0]!)
      const joined = late.join('room')
      await eventually(() => late.heard.length > 0)
      await engine.start()
      const backAt = Date.now()
      await joined
      await expectRecovery(scene, backAt)
    })

    test('recovers after the engine is frozen for ten seconds', async () => {
      const scene = await setUp(name, engine.port)
      await engine.signal('SIGSTOP')
      await sleep(10_000)
      const { cluster, events } = await scene.nodes[0]!.report()
      expect([cluster.isDegraded, events]).toEqual([true, expect.arrayContaining(['degraded'])])
      await engine.signal('SIGCONT')
      await expectRecovery(scene, Date.now())
    })

    test('recovers after all connections to the engine are cut', async () => {
      const proxy = await Proxy.start(engine.port)
      const scene = await setUp(name, proxy.port)
      const cutAt = Date.now()
      proxy.cut()
      await expectRecovery(scene, cutAt)
      proxy.close()
    })
  })
})

describeWith(REDIS, 'a node', () => {
  let engine: Engine
  beforeEach(async () => {
    engine = await Engine.redis()
  })
  afterEach(() => engine.close())
  const port = (): number => engine.port

  test('that is killed: its clients leave presence, and delivery between the other nodes goes on', async () => {
    const { nodes, members } = await setUp('ioredis', port())
    const dying = await ClusterProcess.start({ engine: 'ioredis', port: port() })
    const ghost = await Member.connect(dying, 'ghost')
    await ghost.join('room')
    await eventually(async () => (await nodes[0]!.ask<string[]>('list', { room: 'room' })).includes('ghost'))
    dying.signal('SIGKILL')
    for (const node of nodes) {
      await eventually(async () => (await node.report()).events.includes('leave ghost'), 'the leave event of the ghost')
      expect(await node.ask<string[]>('list', { room: 'room' })).toHaveLength(6)
      await eventually(async () => (await node.others()).length === 2)
    }
    await Promise.all(nodes.map((node) => node.ask('quiet')))
    const last = nodes[0]!.sent['room'] as number
    for (const member of members) {
      await eventually(() => numbersOf(member, 'n0').at(-1) === last)
      const numbers = numbersOf(member, 'n0')
      expect(numbers).toHaveLength(last - (numbers[0] as number) + 1)
    }
    for (const node of nodes) expect((await node.report()).faults).toEqual([])
  })

  test('that joins under load gets every message from then on', async () => {
    const { nodes } = await setUp('ioredis', port())
    const joining = await ClusterProcess.start({ engine: 'ioredis', port: port() })
    const member = await Member.connect(joining, 'new')
    await member.join('room')
    await nodes[0]!.report()
    const since = nodes[0]!.sent['room'] as number
    await sleep(300)
    await Promise.all(nodes.map((node) => node.ask('quiet')))
    const until = nodes[0]!.sent['room'] as number
    await eventually(() => numbersOf(member, 'n0').at(-1) === until)
    expect(numbersOf(member, 'n0').filter((number) => number > since)).toHaveLength(until - since)
    expect((await joining.ask<string[]>('list', { room: 'room' })).length).toBe(7)
  })

  test('whose connection was cut for a moment drops clients that left meanwhile', async () => {
    const proxy = await Proxy.start(port())
    const [deaf, other] = [
      await ClusterProcess.start({ engine: 'ioredis', port: proxy.port }),
      await ClusterProcess.start({ engine: 'ioredis', port: port() })
    ]
    const [stays, leaves] = [await Member.connect(deaf, 'stays'), await Member.connect(other, 'leaves')]
    await Promise.all([stays, leaves].map((member) => member.join('room')))
    const names = async (node: ClusterProcess): Promise<string[]> =>
      (await node.ask<string[]>('list', { room: 'room' })).toSorted()
    await eventually(async () => (await Promise.all([deaf, other].map(names))).every((list) => list.length === 2))
    proxy.cut()
    leaves.socket.terminate()
    await eventually(async () => (await other.report()).clients === 0)
    await eventually(async () => (await deaf.report()).events.includes('recovered'))
    for (const node of [deaf, other])
      await eventually(async () => (await names(node)).join() === 'stays', 'the list with one client')
    expect((await deaf.report()).faults).toEqual([])
    proxy.close()
  })

  test('that hangs for longer than its lease is back when it resumes', async () => {
    const { nodes } = await setUp('ioredis', port())
    const [a, b] = nodes as [ClusterProcess, ClusterProcess]
    expect(await a.ask<string[]>('list', { room: 'room' })).toHaveLength(6)
    b.signal('SIGSTOP')
    await eventually(async () => (await a.ask<string[]>('list', { room: 'room' })).length === 3, 'the end of its lease')
    b.signal('SIGCONT')
    await eventually(async () => (await a.ask<string[]>('list', { room: 'room' })).length === 6, 'its return')
    await eventually(
      async () => (await b.ask<string[]>('list', { room: 'room' })).length === 6,
      'the list with the clients of both nodes'
    )
    expect((await b.report()).faults).toEqual([])
  })
})
