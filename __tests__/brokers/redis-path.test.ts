import { Redis } from 'ioredis'
import type { PersistentConnectionOptions } from '../../src/brokers/redis/persistent-connection.ts'
import { type IoRedis, IoRedisLibrary } from '../../src/brokers/redis/ioredis.ts'
import { Path } from '../../src/brokers/redis/path.ts'
import { describeWith, Engine, REDIS } from '../cluster/support/engines.ts'

const PROBE = 'probe'

describeWith(REDIS, 'the check of a path', () => {
  let redis: Engine
  let other: Engine
  const paths: Path[] = []
  beforeAll(async () => {
    ;[redis, other] = await Promise.all([Engine.redis(), Engine.redis()])
  })
  afterEach(() => paths.splice(0).forEach((path) => path.close()))
  afterAll(() => Promise.all([redis.close(), other.close()]))

  const opener = ({ port }: Engine): PersistentConnectionOptions['create'] => {
    const library = new IoRedisLibrary(new Redis(port, '127.0.0.1', { lazyConnect: true }) as IoRedis)
    return async (events) => library.createConnection(events, true)
  }
  const open = (publisher: Engine, subscriber: Engine): Path => {
    const path = new Path({
      createPublisher: opener(publisher),
      createSubscriber: opener(subscriber),
      probeChannel: () => PROBE,
      events: { onMessage() {}, onLost() {} },
      hasFailover: true
    })
    paths.push(path)
    return path
  }

  test('is shared by simultaneous callers', async () => {
    const path = open(redis, redis)
    await Promise.all([path.check(), path.check()])
  })

  // Publishes to one server and subscribes at another: no message arrives.
  test.each<[string, (path: Path) => void]>([
    ['the server loses its slot', (path) => path.forget([PROBE])],
    ['the path is closed', (path) => path.close()]
  ])('does not wait for its message after %s', async (_, act) => {
    const path = open(redis, other)
    await path.subscribe([PROBE])
    const check = path.check()
    // The server answers in order: after this, it has accepted the message of the check.
    for (let i = 0; i < 2; i++) await path.publish('any', Buffer.alloc(0))
    act(path)
    await expect(check).rejects.toThrow('Redis ended subscriptions')
  })
})
