import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { createPublisher, memoryBroker, MemoryEngine } from '../../src/index.ts'
import { redisBroker } from '../../src/redis.ts'
import { closeServers, type TestClient } from '../support/server.ts'
import { describeWith, Engine, freePort, REDIS } from './support/engines.ts'
import { startRooms, upTo } from './support/rooms.ts'

afterEach(closeServers)

describe('a publisher', () => {
  test('reaches all clients, or the members of rooms, on all nodes', async () => {
    const engine = new MemoryEngine()
    const nodes = await Promise.all([1, 2].map(() => startRooms(memoryBroker({ engine }))))
    const [x, y, other] = (await Promise.all([nodes[0]!.join('x'), nodes[1]!.join('y'), nodes[1]!.join('x')])) as [
      TestClient,
      TestClient,
      TestClient & { id: string }
    ]
    const publisher = createPublisher(memoryBroker({ engine }))
    await publisher.to('x').broadcast('to x')
    await publisher.to(['x', 'y']).broadcastJSON({ to: 'both' })
    await publisher.broadcast(Uint8Array.of(1, 2), { type: 2, except: other.id })
    await publisher.broadcastJSON('end')
    expect(await upTo(x, '"end"')).toEqual(['to x', '{"to":"both"}', '\u0001\u0002', '"end"'])
    expect(await upTo(y, '"end"')).toEqual(['{"to":"both"}', '\u0001\u0002', '"end"'])
    expect(await upTo(other, '"end"')).toEqual(['to x', '{"to":"both"}', '"end"'])
    await publisher.disconnect('x', 4403, 'banned')
    for (const client of [x, other]) expect(await client.close()).toEqual({ code: 4403, reason: 'banned' })
    await publisher.close()
  })

  test('rejects invalid arguments', async () => {
    const publisher = createPublisher(memoryBroker())
    await expect(publisher.broadcast(5 as never)).rejects.toThrow(TypeError)
    await expect(publisher.broadcast(Uint8Array.of(255))).rejects.toThrow(/UTF-8/)
    await expect(publisher.broadcastJSON(undefined)).rejects.toThrow(TypeError)
    await expect(publisher.to('').broadcast('x')).rejects.toThrow(RangeError)
    await expect(publisher.disconnect('x', 1005)).rejects.toThrow(RangeError)
    await expect(publisher.broadcast('x'.repeat(17 * 1024 * 1024))).rejects.toMatchObject({
      code: 'FST_BLAZE_WS_MESSAGE_TOO_LONG'
    })
    await expect(publisher.broadcast('x', { local: true } as never)).rejects.toThrow(
      /options.local.*allowed are type, to, except/
    )
    for (const method of ['broadcast', 'broadcastJSON'] as const)
      await expect(publisher.to('red')[method]('x', { to: 'blue' } as never)).rejects.toThrow(/options.to.*without to/)
    await expect(publisher.broadcast('x', { except: Array.from({ length: 1025 }, (_, i) => `${i}`) })).rejects.toThrow(
      RangeError
    )
  })
})

test('a broker serves one hub or one publisher', async () => {
  const broker = memoryBroker()
  await startRooms(broker)
  expect(() => createPublisher(broker)).toThrow(expect.objectContaining({ code: 'FST_BLAZE_WS_BROKER_IN_USE' }))
  const other = memoryBroker()
  const publisher = createPublisher(other)
  await expect(startRooms(other)).rejects.toMatchObject({ code: 'FST_BLAZE_WS_BROKER_IN_USE' })
  await publisher.close()
  await expect(publisher.broadcast('x')).rejects.toThrow(/the publisher is closed/)
  for (const nothing of [undefined, {}, { client: 1 }, new Redis({ lazyConnect: true })])
    expect(() => createPublisher(nothing as never)).toThrow(/must be a Broker/)
})

describeWith(REDIS, 'over Redis', () => {
  let redis: Engine
  beforeAll(async () => {
    redis = await Engine.redis()
  })
  afterAll(() => redis.close())

  test('a publisher works without a hub', async () => {
    const node = await startRooms(redisBroker({ client: new Redis(redis.port, { lazyConnect: true }) }))
    const client = await node.join('x')
    const publisher = createPublisher(redisBroker({ client: new Redis(redis.port, { lazyConnect: true }) }))
    await publisher.to('x').broadcast('from a cron job')
    expect(await client.next()).toBe('from a cron job')
    await publisher.close()
  })

  test('a publisher reports an unavailable Redis', async () => {
    const publisher = createPublisher(redisBroker({ client: new Redis(await freePort(), { lazyConnect: true }) }))
    await expect(publisher.broadcast('x')).rejects.toMatchObject({
      code: 'FST_BLAZE_WS_BROKER_UNAVAILABLE',
      message: expect.stringContaining('ECONNREFUSED'),
      cause: expect.objectContaining({ code: 'ECONNREFUSED' })
    })
    await publisher.close()
  })

  test('a publisher waits for the send to one channel if the message is too long for another', async () => {
    const publisher = createPublisher(redisBroker({ client: new Redis(await freePort(), { lazyConnect: true }) }))
    const longest = 'x'.repeat(16 * 1024 * 1024 - 28)
    const id = '0123456789ab-01234567-89ab-4cde-8f01-23456789abcd'
    await expect(publisher.to(['x', id]).broadcast(longest)).rejects.toMatchObject({
      code: 'FST_BLAZE_WS_BROKER_UNAVAILABLE'
    })
    await publisher.close()
  })

  test('a program in another language can publish', async () => {
    const node = await startRooms(redisBroker({ client: new Redis(redis.port, { lazyConnect: true }) }))
    const [x, y] = await Promise.all([node.join('café'), node.join('y')])
    const python = (...args: string[]): string =>
      execFileSync('python3', [join(__dirname, 'publisher.py'), `${redis.port}`, ...args])
        .toString()
        .trim()
    // Redis answers with the number of nodes that received the message.
    expect(python('café', 'bonjour')).toBe(':1')
    expect(python('nobody', 'hello?')).toBe(':0')
    expect(python(x.id, 'for one')).toBe(':1')
    expect(python('*', 'everybody')).toBe(':1')
    expect(await upTo(x, 'everybody')).toEqual(['bonjour', 'for one', 'everybody'])
    expect(await upTo(y, 'everybody')).toEqual(['everybody'])
  })
})
