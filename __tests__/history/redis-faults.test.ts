import { errors } from '../../src/internal/errors.ts'
import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { redisBroker } from '../../src/redis.ts'
import type { Position } from '../../src/rpc/position.ts'
import { describeWith, Engine, REDIS, redisCli } from '../cluster/support/engines.ts'
import { CLUSTER_CLIENTS, RedisCluster } from '../cluster/support/redis-cluster.ts'
import { eventually } from '../support/server.ts'
import { CLIENTS, isCurrent, numbered, TestHistory } from './support/redis.ts'

jest.setTimeout(120_000)
afterEach(() => TestHistory.closeAll())

/** Repeats an append with the same id until it succeeds, as a hub does. */
async function appendUntilStored(history: TestHistory, room: string, id: string, known?: Position): Promise<Position> {
  let appended: Position | undefined
  await eventually(async () => {
    appended = await history.last(room, id, { known }).catch((error: unknown) => {
      if (!(error instanceof errors.HISTORY_UNAVAILABLE)) throw error
      return undefined
    })
    return appended !== undefined
  }, 'the append')
  return appended as Position
}

describeWith(REDIS, 'a history over a Redis server', () => {
  const engines: Engine[] = []
  const start = async (...settings: string[]): Promise<Engine> => {
    const engine = await Engine.redis(...settings)
    engines.push(engine)
    return engine
  }
  afterEach(() => Promise.all(engines.splice(0).map((engine) => engine.close())))

  describe.each(CLIENTS.filter(isCurrent))('through %s', (_, make) => {
    test('that keeps its data goes on in the same epoch after a power failure', async () => {
      const redis = await start('--appendonly', 'yes', '--appendfsync', 'always')
      const history = new TestHistory(make(redis.port))
      const { epoch } = await history.last('room', ['a', 'b'])
      await redis.signal('SIGKILL')
      await expect(history.append('room', 'c')).rejects.toThrow(errors.HISTORY_UNAVAILABLE)
      await expect(history.read('room')).rejects.toThrow(/^The history of rooms is not available: \w/)
      await redis.start()
      const at = await appendUntilStored(history, 'room', 'c', { epoch, offset: 2 })
      expect(at).toEqual({ epoch, offset: 3, isNew: true })
      expect(await history.ids('room')).toEqual(['a', 'b', 'c'])
      expect(await history.last('room', 'b')).toEqual({ epoch, offset: 2, isNew: false })
    })

    test('that loses its data begins an epoch', async () => {
      const redis = await start()
      const history = new TestHistory(make(redis.port))
      const known = await history.last('room', ['a', 'b'])
      await redis.signal('SIGKILL')
      await redis.start()
      const at = await appendUntilStored(history, 'room', 'c', known)
      expect(at.offset).toBe(1)
      expect(at.epoch > known.epoch).toBe(true)
      expect(await history.ids('room')).toEqual(['c'])
    })

    test('that loses its latest data begins an epoch', async () => {
      const redis = await start('--dbfilename', 'dump.rdb')
      const history = new TestHistory(make(redis.port))
      await history.append('room', ['a', 'b'])
      redisCli(redis, '', 'SAVE')
      const known = await history.last('room', 'c')
      await redis.signal('SIGKILL')
      await redis.start()
      let positions: readonly Position[] = []
      await eventually(async () => {
        positions = await history.store.positions([{ room: 'room', known, ttl: 60_000 }]).catch(() => [])
        return positions.length > 0
      }, 'the connection')
      const [begun] = positions as [Position]
      expect(begun.offset).toBe(0)
      expect(begun.epoch > known.epoch).toBe(true)
      expect(await history.last('room', 'a')).toEqual({ epoch: begun.epoch, offset: 1, isNew: true })
      expect(await history.ids('room')).toEqual(['a'])
    })

    test('whose replica is promoted without the latest messages begins an epoch there', async () => {
      const master = await start('--repl-diskless-sync-delay', '0')
      const replica = await start('--repl-diskless-sync-delay', '0', '--replicaof', '127.0.0.1', `${master.port}`)
      const [before, after] = [new TestHistory(make(master.port)), new TestHistory(make(replica.port))]
      const has = (): boolean => redisCli(replica, '', 'DBSIZE').trim() === '3'
      await before.append('room', ['a', 'b'])
      await eventually(has, 'the copy')
      await expect(after.append('room', 'c')).rejects.toThrow(/READONLY/)
      // The master works on for a moment after its replica was promoted.
      redisCli(replica, '', 'REPLICAOF', 'NO', 'ONE')
      const known = await before.last('room', 'c')
      const at = await appendUntilStored(after, 'room', 'd', known)
      expect([at.offset, at.epoch > known.epoch]).toEqual([1, true])
      expect(await after.ids('room')).toEqual(['d'])
    })

    test('that does not answer: all calls settle', async () => {
      const redis = await start()
      const history = new TestHistory(make(redis.port))
      await history.append('room', 'a')
      await redis.signal('SIGSTOP')
      const calls = [history.append('room', 'b'), history.read('room'), history.store.clear('room')]
      const rejected = await Promise.allSettled(calls)
      for (const result of rejected)
        expect((result as PromiseRejectedResult).reason).toBeInstanceOf(errors.HISTORY_UNAVAILABLE)
      await redis.signal('SIGCONT')
      await appendUntilStored(history, 'room', 'c')
    })

    test('that does not answer: closing rejects what is under way', async () => {
      const redis = await start()
      const history = new TestHistory(make(redis.port))
      await history.append('room', 'a')
      await redis.signal('SIGSTOP')
      const call = history.append('room', 'b')
      await Promise.all([history.store.close?.(), expect(call).rejects.toThrow(errors.HISTORY_UNAVAILABLE)])
    })

    test('that was never there: calls are rejected', async () => {
      const redis = await start()
      await redis.signal('SIGKILL')
      const history = new TestHistory(make(redis.port))
      await expect(history.append('room', 'a')).rejects.toThrow(errors.HISTORY_UNAVAILABLE)
      await redis.start()
      await appendUntilStored(history, 'room', 'a')
    })
  })

  test('uses the database of the client', async () => {
    const redis = await start()
    const clients = [
      new Redis(redis.port, { lazyConnect: true, db: 3, keyPrefix: 'app:' }),
      new Redis5(redis.port, { lazyConnect: true, db: 3, keyPrefix: 'app:' })
    ]
    for (const client of clients) await new TestHistory(client, 'p:').append('room', 'a')
    expect(redisCli(redis, '', '-n', '3', 'KEYS', '*').trim().split('\n').toSorted()).toEqual(
      ['i', 'p', 's'].map((key) => `{p:room}:h:${key}`)
    )
    expect(redisCli(redis, '', 'DBSIZE').trim()).toBe('0')
  })
})

describeWith(REDIS, 'a history over a Redis Cluster', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await RedisCluster.start()
  })
  afterAll(() => cluster.close())
  beforeEach(() => cluster.isHealthy())

  describe.each(CLUSTER_CLIENTS.filter(isCurrent))('through %s', (_, make) => {
    test.each(['SIGKILL', 'SIGSTOP'] as const)('goes on when a replica takes over after %s', async (signal) => {
      const prefix = `${expect.getState().currentTestName}:`
      const history = new TestHistory(make(cluster.ports), prefix)
      const known = await history.last('room', numbered(1, 10))
      const master = cluster.ownerOf(`${prefix}room`)
      const replica = cluster.replicaOf(master)
      await eventually(() => cluster.cli(replica, 'DBSIZE') === cluster.cli(master, 'DBSIZE'), 'the copy')
      await master.signal(signal)
      const stuck = history.append('room', '11').catch(() => {})
      await cluster.takeOver(replica)
      await stuck
      const at = await appendUntilStored(history, 'room', '12', known)
      expect(at.epoch).toBe(known.epoch)
      expect([11, 12]).toContain(at.offset)
      await (signal === 'SIGKILL' ? master.start() : master.signal('SIGCONT'))
      await eventually(() => !cluster.isMaster(master), 'the return of the former master')
      expect(await history.last('room', '12')).toMatchObject({ ...at, isNew: false })
    })

    test('follows a slot that moves to another server', async () => {
      const prefix = `${expect.getState().currentTestName}:`
      const history = new TestHistory(make(cluster.ports), prefix)
      const other = new TestHistory(make(cluster.ports), prefix)
      const channel = `${prefix}room`
      await history.last('room', 'a')
      await history.store.positions(numbered(1, 50).map((room) => ({ room, known: undefined, ttl: 60_000 })))
      const from = cluster.ownerOf(channel)
      const to = cluster.masters.find((server) => server !== from) as Engine
      // Without its keys, as if the new server had lost them.
      for (const key of 'spi') cluster.cli(from, 'DEL', `{${channel}}:h:${key}`)
      cluster.move(channel, to)
      await expect(history.append('room', 'b')).rejects.toThrow(/MOVED/)
      expect((await appendUntilStored(history, 'room', 'b')).offset).toBe(1)
      expect(await other.ids('room')).toEqual(['b'])
      for (const key of 'spi') cluster.cli(to, 'DEL', `{${channel}}:h:${key}`)
      cluster.move(channel, from)
    })

    test('keeps its messages while their slot moves to another server', async () => {
      const prefix = `${expect.getState().currentTestName}:`
      const client = make(cluster.ports)
      const history = new TestHistory(client, prefix)
      const over = history.store.publishesOver?.(redisBroker({ client, prefix }))
      const channel = `${prefix}room`
      const keys = ['s', 'p', 'i'].map((key) => `{${channel}}:h:${key}`)
      const { epoch } = await history.last('room', ['a', 'b'])
      const from = cluster.ownerOf(channel)
      const to = cluster.masters.find((server) => server !== from) as Engine
      const move = cluster.beginMove(channel, to)
      // All keys are still there, and so is the sharded channel.
      const publish = { over, head: Buffer.from('head') }
      expect(await history.last('room', 'c', { publish })).toMatchObject({ epoch, offset: 3 })
      const migrate = (...moved: string[]): string =>
        cluster.cli(from, 'MIGRATE', '127.0.0.1', `${to.port}`, '', '0', '5000', 'AUTH', 'secret', 'KEYS', ...moved)
      migrate(keys[0] as string)
      await expect(history.append('room', 'd')).rejects.toThrow(/TRYAGAIN/)
      migrate(...keys.slice(1))
      await expect(history.append('room', 'd')).rejects.toThrow(/ASK/)
      move.end()
      const at = await appendUntilStored(history, 'room', 'd', { epoch, offset: 3 })
      expect(at).toMatchObject({ epoch, offset: 4 })
      expect(await history.ids('room')).toEqual(['a', 'b', 'c', 'd'])
      cluster.cli(to, 'DEL', ...keys)
      cluster.move(channel, from)
    })
  })
})
