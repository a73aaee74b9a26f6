import { eventually } from '../support/server.ts'
import { ClusterProcess, endClusters, Member } from './support/cluster.ts'
import { describeWith, Engine, NATS, REDIS } from './support/engines.ts'

jest.setTimeout(180_000)
afterEach(endClusters)

const NODES = 3
const CLIENTS = 300
const ROOMS = Array.from({ length: 20 }, (_, i) => `room${i}`)
const ROUNDS = 20

/** The messages that a client must get while it is in a room: all of each node, from the first after its join. */
interface Stay {
  readonly room: string
  /** For each node, how many broadcasts had been requested at the join: the client must get at least all later ones. */
  readonly since: Record<string, number>
  /** The start and end of the stay, as positions in the received messages. */
  readonly begin: number
  end: number
}

/** Joins and leaves at random, while the nodes broadcast. */
class Wanderer {
  readonly member: Member
  readonly stays: Stay[] = []
  readonly #asked: (room: string) => Record<string, number>

  constructor(member: Member, asked: (room: string) => Record<string, number>) {
    this.member = member
    this.#asked = asked
  }

  async enter(room: string): Promise<void> {
    const begin = this.member.heard.length
    await this.member.join(room)
    this.stays.push({ room, since: this.#asked(room), begin, end: Infinity })
  }

  async leave(room: string): Promise<void> {
    await this.member.leave(room)
    const stay = this.stays.findLast((one) => one.room === room) as Stay
    stay.end = this.member.heard.length
  }

  async wander(): Promise<void> {
    const room = ROOMS[Math.floor(Math.random() * ROOMS.length)] as string
    if (this.member.rooms.has(room)) await this.leave(room)
    else if (this.member.rooms.size < 3) await this.enter(room)
    else await this.leave([...this.member.rooms][0] as string)
  }

  /** The faults in the received messages; `final` is the number of messages for each room and node. */
  faults(final: Record<string, Record<string, number>>): string[] {
    const { heard } = this.member
    const faults: string[] = []
    const explained = new Set<number>()
    for (const { room, since, begin, end } of this.stays) {
      const last: Record<string, number> = {}
      for (let i = begin; i < Math.min(end, heard.length); i++) {
        const { room: of, from, number } = heard[i]!
        if (of !== room) continue
        explained.add(i)
        const expected = last[from] === undefined ? Math.min(number, (since[from] ?? 0) + 1) : last[from] + 1
        if (number !== expected) faults.push(`${room}: ${number} of ${from} came where ${expected} should have`)
        last[from] = number
      }
      if (end !== Infinity) continue
      for (const [from, count] of Object.entries(final[room] ?? {})) {
        if (count > (since[from] ?? 0) && last[from] !== count)
          faults.push(`${room}: of ${from} it got up to ${last[from]} of ${count}`)
      }
    }
    if (explained.size !== heard.length)
      faults.push(`${heard.length - explained.size} messages of rooms that it was not in`)
    return faults
  }
}

/** 100 000 broadcasts from all nodes, to clients that join and leave. */
async function traffic(engine: 'ioredis' | 'node-redis' | 'nats', port: number, broadcasts: number): Promise<void> {
  const nodes = await Promise.all(Array.from({ length: NODES }, () => ClusterProcess.start({ engine, port })))
  const asked: Record<string, Record<string, number>> = {}
  for (const room of ROOMS) asked[room] = {}
  const members = await Promise.all(
    Array.from({ length: CLIENTS }, (_, i) => Member.connect(nodes[i % NODES] as ClusterProcess))
  )
  const wanderers = members.map((member) => new Wanderer(member, (room) => ({ ...asked[room] })))
  await Promise.all(
    wanderers.flatMap((one, i) => [0, 7].map((step) => one.enter(ROOMS[(i + step) % ROOMS.length] as string)))
  )

  const count = broadcasts / ROUNDS / NODES / ROOMS.length / 5
  for (let round = 0; round < ROUNDS; round++) {
    const wandering = Promise.all(wanderers.filter(() => Math.random() < 0.2).map((one) => one.wander()))
    await Promise.all(
      nodes.map(async (node, i) => {
        for (let part = 0; part < 5; part++) {
          for (const room of ROOMS) asked[room]![`n${i}`] = (asked[room]![`n${i}`] ?? 0) + count
          await node.ask('broadcast', { rooms: ROOMS, count, name: `n${i}` })
        }
      })
    )
    await wandering
  }

  const faults = (): string[] => wanderers.flatMap((one) => one.faults(asked))
  await eventually(
    () => faults().every((fault) => !fault.includes('it got up to')),
    'that everybody has got the last message'
  ).catch(() => {})
  expect(faults().slice(0, 10)).toEqual([])
  // Each client is in about two of twenty rooms.
  expect(members.reduce((sum, { heard }) => sum + heard.length, 0)).toBeGreaterThan(broadcasts * CLIENTS * 0.05)
  const reports = await Promise.all(nodes.map((node) => node.report()))
  expect(reports.map((report) => report.faults)).toEqual([[], [], []])
  const counts = { unpublished: 0, missed: 0, duplicates: 0, rejected: 0 }
  for (const { cluster } of reports) expect(cluster).toMatchObject(counts)
  expect(
    Object.values(asked)
      .flatMap((room) => Object.values(room))
      .reduce((sum, one) => sum + one)
  ).toBe(broadcasts)
  for (const member of members) member.socket.terminate()
  expect(await Promise.all(nodes.map((node) => node.close()))).toEqual([0, 0, 0])
}

describeWith(REDIS, 'three nodes and 300 clients over Redis', () => {
  let redis: Engine
  beforeAll(async () => {
    redis = await Engine.redis()
  })
  afterAll(() => redis.close())

  test('100 000 broadcasts: each client gets those of its rooms once, in the order of each publisher', () =>
    traffic('ioredis', redis.port, 102_000))
  test('the same with 30 000 broadcasts through node-redis', () => traffic('node-redis', redis.port, 30_000))
})

describeWith(NATS, 'three nodes and 300 clients over NATS', () => {
  let nats: Engine
  beforeAll(async () => {
    nats = await Engine.nats()
  })
  afterAll(() => nats.close())

  test('30 000 broadcasts: each client gets those of its rooms once, in the order of each publisher', () =>
    traffic('nats', nats.port, 30_000))
})
