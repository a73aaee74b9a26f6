import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import type { Position } from '../../src/rpc/position.ts'
import { describeWith, Engine, REDIS, redisCli } from '../cluster/support/engines.ts'
import { eventually } from '../support/server.ts'
import { TestHistory } from './support/redis.ts'

jest.setTimeout(60_000)

describeWith(REDIS, 'a history over Redis with sentinels', () => {
  let master: Engine
  let replica: Engine
  let sentinel: Engine

  beforeEach(async () => {
    master = await Engine.redis('--repl-diskless-sync-delay', '0')
    replica = await Engine.redis('--repl-diskless-sync-delay', '0', '--replicaof', '127.0.0.1', `${master.port}`)
    await eventually(
      () => redisCli(replica, '', 'INFO', 'replication').includes('master_link_status:up'),
      'the replica'
    )
    sentinel = await Engine.sentinel(
      master,
      'sentinel down-after-milliseconds main 500',
      'sentinel failover-timeout main 5000'
    )
    await eventually(
      () => redisCli(sentinel, '', 'SENTINEL', 'REPLICAS', 'main').includes(`${replica.port}`),
      'the discovery of the replica by the sentinel'
    )
  })
  afterEach(async () => {
    await TestHistory.closeAll()
    await Promise.all([master, replica, sentinel].map((engine) => engine.close()))
  })

  describe.each([
    ['ioredis 6', Redis],
    ['ioredis 5', Redis5 as unknown as typeof Redis]
  ])('through %s', (_, Client) => {
    test.each(['SIGKILL', 'SIGSTOP'] as const)('goes on at the replica when the master gets %s', async (signal) => {
      const sentinels = [{ host: '127.0.0.1', port: sentinel.port }]
      const history = new TestHistory(new Client({ sentinels, name: 'main', lazyConnect: true }))
      const known = await history.last('room', ['a', 'b'])
      await eventually(() => redisCli(replica, '', 'DBSIZE').trim() === '3', 'the copy')
      await master.signal(signal)
      let at: Position | undefined
      await eventually(async () => {
        at = await history.last('room', 'c', { known }).catch(() => undefined)
        return at !== undefined
      }, 'the failover')
      expect(at).toEqual({ epoch: known.epoch, offset: 3, isNew: true })
      expect(redisCli(replica, '', 'ROLE')).toMatch(/^master/)
    })
  })
})
