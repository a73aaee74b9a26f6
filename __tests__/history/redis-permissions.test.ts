import { readFileSync } from 'node:fs'
import { Cluster, Redis } from 'ioredis'
import { redisBroker, type RedisClient } from '../../src/redis.ts'
import { describeWith, Engine, REDIS, redisCli, startRedisCluster } from '../cluster/support/engines.ts'
import { TestHistory } from './support/redis.ts'

jest.setTimeout(60_000)
afterEach(() => TestHistory.closeAll())

const RULES = /^`(~.*\+xtrim)`/m.exec(readFileSync('docs/scaling.md', 'utf8'))?.[1] as string
const user = { username: 'hub', password: 'of the hub' }

describeWith(REDIS, 'a history of a user with the documented permissions', () => {
  const servers: Engine[] = []
  afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())))

  async function works(client: RedisClient, password: string, rules: string): Promise<void> {
    for (const server of servers)
      redisCli(server, password, 'ACL', 'SETUSER', 'hub', 'on', `>${user.password}`, ...rules.split(' '))
    const prefix = 'blaze:'
    const history = new TestHistory(client, prefix)
    const over = history.store.publishesOver?.(redisBroker({ client, prefix }))
    const publish = { over, head: Buffer.from('head') }
    for (const room of ['room', 'a{b}', '{}']) {
      await history.append(room, ['a', 'b', 'c'], { size: 2, publish })
      await history.append(room, ['c'], { size: 2, publish, known: { epoch: 'z', offset: 1 } })
      await history.store.clear(room)
      expect((await history.read(room)).position.offset).toBe(1)
    }
  }

  test('works with one server', async () => {
    servers.push(await Engine.redis())
    const client = new Redis((servers[0] as Engine).port, { ...user, lazyConnect: true })
    await works(client, '', `resetchannels &blaze:* +ping +publish ${RULES}`)
  })

  test('works with a cluster', async () => {
    servers.push(...(await startRedisCluster('secret')))
    const client = new Cluster(
      servers.map(({ port }) => port),
      { lazyConnect: true, redisOptions: user }
    )
    await works(client, 'secret', `resetchannels &blaze:* +ping +cluster|slots +spublish ${RULES}`)
  })
})
