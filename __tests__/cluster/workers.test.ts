import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { clusterBroker, connectWorkers } from '../../src/cluster.ts'
import { ensureDist } from '../support/dist.ts'
import { eventually } from '../support/server.ts'
import { Workers } from './support/workers/workers.ts'

const SUPPORT = join(__dirname, 'support', 'workers')
const run = promisify(execFile)

let workers: Workers | undefined
beforeAll(() => ensureDist(), 60_000)
afterEach(async () => {
  await workers?.close()
  workers = undefined
})

describe('two workers', () => {
  test.each(['advanced', 'json'])(
    'exchange broadcasts and presence, with %s, and leave other messages alone',
    async (serialization) => {
      workers = await Workers.start({ workers: 2, serialization })
      const [ada, bob] = [await workers.client(0, 'ada'), await workers.client(1, 'bob')]
      const foreign = [null, 'text', 7, [1], { batch: 'x' }, { 'fastify-blaze-ws': 0 }, { 'fastify-blaze-ws': null }]
      await workers.ask(0, 'say', { texts: foreign })
      ada.socket.send('from ada é')
      expect([await ada.next(), await bob.next()]).toEqual(['from ada é', 'from ada é'])
      bob.socket.send(Buffer.from([0, 255]))
      expect([await ada.next(), await bob.next()]).toEqual(['\u0000ÿ', '\u0000ÿ'])
      await eventually(async () => String(await workers?.ask(0, 'present')) === 'ada,bob')
      await eventually(async () => String(await workers?.ask(1, 'present')) === 'ada,bob')
      expect(await workers.ask(undefined, 'heard')).toEqual(foreign)
      expect(await workers.ask(0, 'heard')).toEqual([])
    }
  )

  test('what only looks like a message of ours harms nobody', async () => {
    workers = await Workers.start({ workers: 2 })
    const [ada, bob] = [await workers.client(0, 'ada'), await workers.client(1, 'bob')]
    const fields = [
      {},
      { kind: 'join' },
      { kind: 'join', channels: 7 },
      { kind: 'subscribe', channels: [null] },
      { kind: 'publish' },
      { kind: 'publish', batch: { type: 'Buffer', data: [1] } },
      { kind: 'other' },
      { kind: 'toString' }
    ]
    const texts = [
      { 'fastify-blaze-ws': 1 },
      { 'fastify-blaze-ws': 1, kind: 'join', member: {}, number: 1, channels: [] },
      { 'fastify-blaze-ws': 1, kind: 'ping', member: 'me', number: 'first' },
      ...fields.map((field) => Object.assign(field, { 'fastify-blaze-ws': 1, member: 'me', number: 1 }))
    ]
    await workers.ask(0, 'say', { texts })
    ada.socket.send('still here')
    expect([await ada.next(), await bob.next()]).toEqual(['still here', 'still here'])
  })

  test('a worker that is killed and replaced costs the others nothing', async () => {
    workers = await Workers.start({ workers: 3 })
    const [ada, bob] = [await workers.client(0, 'ada'), await workers.client(1, 'bob')]
    await workers.client(2, 'carol')
    workers.signal(2, 'SIGKILL')
    await eventually(() => workers?.exits.get(2) === 'SIGKILL')
    ada.socket.send('meanwhile')
    expect([await ada.next(), await bob.next()]).toEqual(['meanwhile', 'meanwhile'])
    await workers.ask(undefined, 'fork', { number: 3 })
    await workers.listens(3)
    const dave = await workers.client(3, 'dave')
    dave.socket.send('I am new')
    expect([await ada.next(), await bob.next(), await dave.next()]).toEqual(Array(3).fill('I am new'))
    ada.socket.send('welcome')
    expect(await dave.next()).toBe('welcome')
    await eventually(async () => (await workers?.report(0))?.events.includes('leave carol') === true)
    for (const worker of [0, 1, 3]) {
      const { stats, events } = await workers.report(worker)
      expect(stats).toMatchObject({ isDegraded: false, missed: 0, unpublished: 0 })
      expect(events.filter((event) => event.startsWith('degraded'))).toEqual([])
    }
  })

  test('a frozen worker misses messages, the primary stays small, and the others miss nothing', async () => {
    workers = await Workers.start({ workers: 3 })
    const [ada, bob] = [await workers.client(0, 'ada'), await workers.client(1, 'bob')]
    const carol = await workers.client(2, 'carol')
    const length = 64 * 1024
    const before = await workers.ask<number>(undefined, 'rss')
    workers.signal(2, 'SIGSTOP')
    const [rounds, perRound] = [20, 64]
    for (let round = 0; round < rounds; round++) {
      await workers.ask(0, 'broadcast', { count: perRound, length, from: round * perRound })
      await bob.until(() => bob.messages.length === perRound)
      expect(bob.messages.splice(0).map(({ data }) => Number(data))).toEqual(
        Array.from({ length: perRound }, (_, i) => round * perRound + i)
      )
      ada.messages.length = 0
    }
    // 80 MiB were sent, and 16 MiB may wait.
    const grown = (await workers.ask<number>(undefined, 'rss')) - before
    expect(grown).toBeLessThan(120 * 1024 * 1024)
    expect((await workers.report(1)).stats).toMatchObject({ missed: 0, isDegraded: false })
    workers.signal(2, 'SIGCONT')
    await eventually(async () => {
      await workers?.ask(0, 'broadcast', { count: 1, length: 1, from: 9 })
      return carol.messages.at(-1)?.data === '9'
    }, 'the return of the frozen worker')
    expect((await workers.report(2)).stats.missed).toBeGreaterThan(0)
  })
})

describe('without a line in the primary', () => {
  test('workers say which line is missing, and become ready once it is there', async () => {
    workers = await Workers.start({ workers: 2, isLate: true })
    await eventually(async () => (await workers?.report(0))?.stats.isDegraded === true)
    const { events, logs } = await workers.report(0)
    const missing = /primary of node:cluster does not answer.*connectWorkers\(\) of 'fastify-blaze-ws\/cluster'/
    expect(events).toEqual([expect.stringMatching(missing)])
    expect(logs.map(({ msg }) => msg)).toEqual([
      'the engine of the broker cannot be reached: broadcasts reach the clients of this node only'
    ])
    const outcomes = await workers.ask<string[]>(0, 'publish')
    expect(outcomes[0]).toMatch(missing)
    expect(outcomes[0]).toMatch(/^FST_BLAZE_WS_BROKER_UNAVAILABLE/)
    expect(outcomes[1]).toMatch(/^FST_BLAZE_WS_BROKER_UNAVAILABLE/)
    await workers.ask(undefined, 'connect')
    for (const worker of [0, 1])
      await eventually(async () => (await workers?.report(worker))?.events.at(-1) === 'recovered')
    expect(await workers.ask(0, 'publish')).toEqual(['sent', 'sent'])
    const [ada, bob] = [await workers.client(0, 'ada'), await workers.client(1, 'bob')]
    ada.socket.send('at last')
    expect([await ada.next(), await bob.next()]).toEqual(['at last', 'at last'])
  })
})

test('a memory broker in a worker warns once that it does not reach the others', async () => {
  workers = await Workers.start({ workers: 1, isMemory: true })
  const { hubs, logs } = await workers.report(0)
  expect(hubs).toBe(2)
  expect(logs.map(({ msg }) => msg)).toEqual([
    "memoryBroker() does not reach the other workers of node:cluster; use clusterBroker() of 'fastify-blaze-ws/cluster'"
  ])
})

describe('nothing keeps a process alive', () => {
  test('a worker ends after app.close() and its disconnect', async () => {
    workers = await Workers.start({ workers: 1 })
    const { listeners } = await workers.report(0)
    await workers.ask(0, 'close')
    expect((await workers.report(0)).listeners).toBe(listeners - 1)
    await workers.ask(0, 'disconnect')
    await eventually(() => workers?.exits.get(0) === 0)
  })

  test.each([
    ['threads with open brokers', 'threads'],
    ['a primary with a line and an open broker', 'primary']
  ])('%s', async (_, scenario) => {
    const { stdout } = await run(process.execPath, [join(SUPPORT, 'ends.mjs'), scenario], { timeout: 20_000 })
    expect(stdout).toBe('done\n')
  })
})

describe('without workers', () => {
  test.each([
    [{ name: '' }, /clusterBroker\.name.*must be 1 to 32 letters/],
    [{ name: 'a/b' }, /clusterBroker\.name/],
    [{ name: 7 }, /clusterBroker\.name/],
    [{ prefix: 'x' }, /clusterBroker\.prefix.*is unknown; allowed is name/]
  ])('%j is refused', (options, message) => {
    expect(() => clusterBroker(options as object)).toThrow(
      expect.objectContaining({
        code: 'FST_BLAZE_WS_INVALID_OPTION',
        message: expect.stringMatching(message) as string
      })
    )
  })

  test('connectWorkers can be called twice, and ends once', () => {
    const end = connectWorkers()
    expect(connectWorkers()).toBe(end)
    end()
    end()
    const again = connectWorkers()
    expect(again).not.toBe(end)
    again()
  })

  test('a broker takes no more than 32 MiB that the primary has not taken', async () => {
    const end = connectWorkers()
    const broker = clusterBroker()
    const taken = broker.publish('news', Buffer.alloc(33 * 1024 * 1024))
    await expect(broker.publish('news', Buffer.alloc(1))).rejects.toMatchObject({
      code: 'FST_BLAZE_WS_BROKER_UNAVAILABLE',
      message: expect.stringMatching(/too slowly/) as string
    })
    await taken
    await broker.publish('news', Buffer.alloc(1))
    await broker.close()
    await expect(broker.publish('news', Buffer.alloc(1))).rejects.toMatchObject({
      code: 'FST_BLAZE_WS_BROKER_UNAVAILABLE'
    })
    end()
  })

  test.each([
    ['of threads', () => () => {}],
    ['of the primary', connectWorkers]
  ])('brokers %s with different names do not hear each other', async (_, connect) => {
    const end = connect()
    const got: string[] = []
    const brokers = ['one', 'two', 'one'].map((name) => clusterBroker({ name }))
    for (const [i, broker] of brokers.entries()) {
      broker.open({ receive: (channel, message) => got.push(`${i} ${channel} ${String(message)}`), lost() {} })
      await broker.subscribe(['news'])
    }
    const [one, two] = brokers as [(typeof brokers)[0], (typeof brokers)[0]]
    await two.publish('news', Buffer.from('of two'))
    await one.publish('news', Buffer.from('of one'))
    await eventually(() => got.length > 0)
    expect(got).toEqual(['2 news of one'])
    await Promise.all(brokers.map((broker) => broker.close()))
    end()
  })
})
