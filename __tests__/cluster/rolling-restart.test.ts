import { once } from 'node:events'
import { eventually } from '../support/server.ts'
import { ClusterProcess, endClusters, type Heard, Member } from './support/cluster.ts'
import { describeWith, Engine, REDIS } from './support/engines.ts'

jest.setTimeout(90_000)
afterEach(endClusters)

const CLIENTS = 60

/** One connection of a client, from the confirmation of its join until it closes. */
interface Session {
  readonly heard: readonly Heard[]
  /** For each publisher, how many messages it had sent before, as far as known. */
  readonly since: Record<string, number>
  /** The close code; undefined while it is open. */
  code?: number
}

/** A client that reconnects at once, to any node that is up. */
class Returning {
  readonly sessions: Session[] = []
  readonly #pick: () => ClusterProcess
  readonly #sent: () => Promise<Record<string, number>>
  #member: Member | undefined
  #isDone = false

  constructor(pick: () => ClusterProcess, sent: () => Promise<Record<string, number>>) {
    this.#pick = pick
    this.#sent = sent
  }

  /** Resolves when the client is connected for the first time. */
  async connect(): Promise<void> {
    const member = await Member.connect(this.#pick()).catch(() => undefined)
    if (member === undefined) return this.#isDone ? undefined : this.connect()
    this.#member = member
    const closed = once(member.socket, 'close')
    await Promise.race([member.join('room'), closed])
    const session: Session = { heard: member.heard, since: await this.#sent() }
    this.sessions.push(session)
    void this.#return(session, closed)
  }

  async #return(session: Session, closed: Promise<unknown[]>): Promise<void> {
    const [code] = await closed
    session.code = code as number
    if (!this.#isDone) await this.connect()
  }

  finish(): void {
    this.#isDone = true
    this.#member?.socket.terminate()
  }
}

/** The messages that a session should have received and has not. */
function faultsOf({ heard, since, code }: Session, final: Record<string, number>): string[] {
  const faults: string[] = []
  const last: Record<string, number> = {}
  for (const { from, number } of heard) {
    const expected = last[from] === undefined ? Math.min(number, (since[from] ?? 0) + 1) : last[from] + 1
    if (number !== expected) faults.push(`${number} of ${from} came where ${expected} should have`)
    last[from] = number
  }
  if (code !== undefined) return faults
  for (const [from, count] of Object.entries(final)) {
    if (count > (since[from] ?? 0) && last[from] !== count)
      faults.push(`of ${from} it got up to ${last[from]} of ${count}`)
  }
  return faults
}

describeWith(REDIS, 'a rolling restart of three nodes under load', () => {
  let redis: Engine
  beforeAll(async () => {
    redis = await Engine.redis()
  })
  afterAll(() => redis.close())

  test('no process fails, and every client gets all broadcasts sent while it was connected', async () => {
    const start = async (name: string): Promise<ClusterProcess> => {
      const node = await ClusterProcess.start({ engine: 'ioredis', port: redis.port })
      names.set(node, name)
      return node
    }
    const names = new Map<ClusterProcess, string>()
    const up = await Promise.all(['a', 'b', 'c'].map(start))
    const sent = (): Record<string, number> =>
      Object.fromEntries([...names].map(([node, name]) => [name, node.sent['room'] ?? 0]))
    const noise = (node: ClusterProcess): Promise<void> =>
      node.ask('noise', { room: 'room', name: names.get(node), every: 2 })
    const sentUntilNow = async (): Promise<Record<string, number>> => {
      await Promise.all([...names.keys()].map((node) => Promise.race([node.ask('ready'), node.exited])))
      return sent()
    }
    let turn = 0
    const clients = Array.from(
      { length: CLIENTS },
      () => new Returning(() => up[turn++ % up.length] as ClusterProcess, sentUntilNow)
    )
    await Promise.all(clients.map((client) => client.connect()))
    await Promise.all(up.map(noise))

    for (const name of ['a2', 'b2', 'c2']) {
      const fresh = await start(name)
      const old = up.shift() as ClusterProcess
      up.push(fresh)
      await noise(fresh)
      expect(await old.close()).toBe(0)
      await eventually(() => clients.every(({ sessions }) => sessions.at(-1)?.code === undefined))
    }

    await Promise.all(up.map((node) => node.ask('quiet')))
    const faults = (): string[] =>
      clients.flatMap(({ sessions }) => sessions.flatMap((session) => faultsOf(session, sent())))
    await eventually(() => faults().length === 0, 'the arrival of all broadcasts').catch(() => {})
    expect(faults().slice(0, 10)).toEqual([])
    expect(
      Math.min(...clients.map(({ sessions }) => sessions.reduce((sum, { heard }) => sum + heard.length, 0)))
    ).toBeGreaterThan(500)
    expect(
      clients.flatMap(({ sessions }) => sessions.flatMap(({ code }) => code ?? [])).every((code) => code === 1001)
    ).toBe(true)
    for (const node of up) {
      const { faults: failures, cluster } = await node.report()
      expect(failures).toEqual([])
      expect(cluster).toMatchObject({ unpublished: 0, missed: 0, duplicates: 0, rejected: 0, isDegraded: false })
    }
    for (const client of clients) client.finish()
  })
})
