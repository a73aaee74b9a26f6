import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import * as nodeRedis from 'redis'
import * as nodeRedis5 from 'redis5'
import type { Appended, AppendOptions, HistoryStore, ReadRange, StoredPart } from '../../../src/history/store.ts'
import { redisHistory, type RedisClient } from '../../../src/redis.ts'
import { describeWith, Engine, REDIS, redisCli, startRedisCluster } from '../../cluster/support/engines.ts'
import { CLUSTER_CLIENTS } from '../../cluster/support/redis-cluster.ts'

/** Makes the client of one server, with each library. */
export const CLIENTS: [string, (port: number) => RedisClient][] = [
  ['ioredis 6', (port) => new Redis(port, { lazyConnect: true })],
  ['ioredis 5', (port) => new Redis5(port, { lazyConnect: true })],
  ['node-redis 6', (port) => nodeRedis.createClient({ url: `redis://127.0.0.1:${port}` })],
  ['node-redis 5', (port) => nodeRedis5.createClient({ url: `redis://127.0.0.1:${port}` })]
]

/** The library that each application uses today. Tests that take long run with these alone. */
export const isCurrent = ([library]: readonly [string, ...unknown[]]): boolean => library.endsWith('6')

/** The servers that a group of tests runs with, and a client for them. */
export interface Setting {
  servers: Engine[]
  connect: () => RedisClient
  /** Sends a command to each server. */
  cli(...command: string[]): string[]
}

/** Runs tests with one server and with a cluster, through each library. */
export function describeRedis(name: string, tests: (setting: Setting) => void): void {
  describeWith(REDIS, `${name}, with one server`, () => {
    const servers: Engine[] = []
    beforeAll(async () => {
      servers.push(await Engine.redis())
    })
    afterAll(() => servers[0]?.close())
    describe.each(CLIENTS)('through %s', (_, make) => {
      tests({
        servers,
        connect: () => make((servers[0] as Engine).port),
        cli: (...command) => servers.map((server) => redisCli(server, '', ...command).trim())
      })
    })
  })

  describeWith(REDIS, `${name}, with a cluster`, () => {
    const servers: Engine[] = []
    beforeAll(async () => {
      servers.push(...(await startRedisCluster('secret')))
    }, 60_000)
    afterAll(() => Promise.all(servers.map((server) => server.close())))
    describe.each(CLUSTER_CLIENTS)('through %s', (_, make) => {
      tests({
        servers,
        connect: () => make(servers.map(({ port }) => port)),
        cli: (...command) => servers.map((server) => redisCli(server, 'secret', ...command).trim())
      })
    })
  })
}

/** A store that is open until the end of the test, with short calls. */
export class TestHistory {
  static readonly #open: TestHistory[] = []
  readonly store: HistoryStore

  constructor(client: RedisClient, prefix = `${expect.getState().currentTestName}:`) {
    this.store = redisHistory({ client, prefix })
    this.store.open?.()
    TestHistory.#open.push(this)
  }

  /** Call it in `afterEach`. */
  static async closeAll(): Promise<void> {
    await Promise.all(TestHistory.#open.splice(0).map(async ({ store }) => store.close?.()))
  }

  /** Appends a message with this text for each id. */
  append(
    room: string,
    ids: string | readonly string[],
    options: Partial<AppendOptions> = {}
  ): Promise<readonly Appended[]> {
    const messages = [ids].flat().map((id) => ({ id, body: Buffer.from(`body of ${id}`) }))
    return this.store.append(room, messages, { size: 1_000, ttl: 60_000, known: undefined, ...options })
  }

  /** Appends, and gives what became of the last message. */
  async last(room: string, ids: string | readonly string[], options?: Partial<AppendOptions>): Promise<Appended> {
    return (await this.append(room, ids, options)).at(-1) as Appended
  }

  read(room: string, range: Partial<ReadRange> = {}): Promise<StoredPart> {
    return this.store.read(room, { after: 0, limit: 1_000, maxBytes: 1_000_000, ttl: 60_000, ...range })
  }

  async ids(room: string, range: Partial<ReadRange> = {}): Promise<string[]> {
    return (await this.read(room, range)).messages.map(({ id }) => id)
  }
}

/** The ids from `first` to `last`. */
export function numbered(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, i) => `${first + i}`)
}
