// What users of other histories over Redis have lost messages by.

import { once } from 'node:events'
import { createServer, connect as connectTo, type Server, type Socket } from 'node:net'
import { Redis } from 'ioredis'
import { defineContract } from '../../src/contract.ts'
import { errors } from '../../src/internal/errors.ts'
import { redisHistory } from '../../src/redis.ts'
import { describeWith, Engine, freePort, REDIS, redisCli } from '../cluster/support/engines.ts'
import { Proxy } from '../cluster/support/proxy.ts'
import { closeServers, connect as openClient, eventually, startServer, type TestServer } from '../support/server.ts'
import { numbered, TestHistory } from './support/redis.ts'

jest.setTimeout(60_000)

/** An address that leads to one server after another, as that of a cloud does. */
class Address {
  target: number
  readonly port: number
  readonly #sockets = new Set<Socket>()
  readonly #server: Server

  private constructor(port: number, target: number, change: (answer: string) => string) {
    this.port = port
    this.target = target
    this.#server = createServer((client) => {
      const server = connectTo(this.target, '127.0.0.1')
      for (const socket of [client, server]) this.#sockets.add(socket.on('error', () => {}))
      client.on('close', () => server.destroy()).pipe(server)
      server.on('close', () => client.destroy())
      server.on('data', (answer) => client.write(change(answer.toString('latin1')), 'latin1'))
    }).listen(port, '127.0.0.1')
  }

  static async of(target: number, change: (answer: string) => string): Promise<Address> {
    const address = new Address(await freePort(), target, change)
    await once(address.#server, 'listening')
    return address
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}

const chat = defineContract({ name: 'chat', fromServer: { said: null } })

/** As Redis says it before version 7. */
const inOldWords = (answer: string): string =>
  answer.replace(
    /-READONLY ([^.]*\.).*/,
    '-ERR Error running script (call to f_5ca1ab1e): @user_script:41: @user_script: 41: -READONLY $1'
  )

describeWith(REDIS, 'a history over Redis', () => {
  const ends: (() => unknown)[] = []
  const start = async (...settings: string[]): Promise<Engine> => {
    const engine = await Engine.redis(...settings)
    ends.push(() => engine.close())
    return engine
  }
  const connect = (port: number): TestHistory => new TestHistory(new Redis(port, { lazyConnect: true }))
  afterEach(async () => {
    await closeServers()
    await TestHistory.closeAll()
    for (const end of ends.splice(0)) await end()
  })

  test.each([
    ['in its words', (answer: string) => answer],
    ['in older words', inOldWords],
    ['in those of a proxy', (answer: string) => answer.replace('-READONLY', '-ERR READONLY')]
  ])('leaves a former master that refuses to write, %s', async (_, change) => {
    const master = await start()
    const former = await start('--replicaof', '127.0.0.1', `${master.port}`)
    const address = await Address.of(former.port, change)
    ends.push(() => address.close())
    const history = connect(address.port)
    await expect(history.append('room', 'a')).rejects.toThrow(/READONLY/)
    address.target = master.port
    await eventually(
      () =>
        history.append('room', 'a').then(
          () => true,
          () => false
        ),
      'the append to the new master'
    )
    expect(redisCli(master, '', 'DBSIZE').trim()).toBe('3')
  })

  test('whose memory is full refuses messages as a whole, can be read, and goes on without a hole', async () => {
    const redis = await start('--maxmemory-policy', 'noeviction')
    const history = connect(redis.port)
    const known = await history.last('room', ['a', 'b'])
    redisCli(redis, '', 'CONFIG', 'SET', 'maxmemory', '1')
    await expect(history.append('room', ['c', 'd'])).rejects.toThrow(errors.HISTORY_UNAVAILABLE)
    expect(await history.ids('room')).toEqual(['a', 'b'])
    const [position] = await history.store.positions([{ room: 'room', known, ttl: 60_000 }])
    expect(position).toEqual({ epoch: known.epoch, offset: 2 })
    redisCli(redis, '', 'CONFIG', 'SET', 'maxmemory', '0')
    expect(await history.last('room', ['c', 'd'], { known })).toEqual({ epoch: known.epoch, offset: 4, isNew: true })
    expect(await history.ids('room')).toEqual(['a', 'b', 'c', 'd'])
  })

  test('whose memory is full stores or refuses a batch as a whole, also if it drops old messages first', async () => {
    const redis = await start('--maxmemory-policy', 'noeviction')
    const history = connect(redis.port)
    const known = await history.last('room', numbered(1, 10))
    redisCli(redis, '', 'CONFIG', 'SET', 'maxmemory', '1')
    const results = await Promise.allSettled([
      history.append('room', ['a', 'b'], { ttl: 1, size: 1 }),
      history.append('room', ['c', 'd'], { size: 5 })
    ])
    redisCli(redis, '', 'CONFIG', 'SET', 'maxmemory', '0')
    const stored = results.filter(({ status }) => status === 'fulfilled').length * 2
    expect((await history.last('room', 'e', { known })).offset).toBe(10 + stored + 1)
  })

  test('that loses its latest messages, and gives their numbers away before a node asks, is noticed', async () => {
    const redis = await start('--dbfilename', 'dump.rdb')
    const proxy = await Proxy.start(redis.port)
    ends.push(() => proxy.close())
    const serve = (port: number): Promise<TestServer> =>
      startServer((app) => void app.webSocketWithContract('/chat', chat, async (ws) => app.wsHub.join(ws, 'lobby')), {
        hub: { history: { store: redisHistory({ client: new Redis(port, { lazyConnect: true }) }) } }
      })
    const say = async ({ app }: TestServer, count: number): Promise<void> => {
      for (let i = 0; i < count; i++) await app.wsHub.to('lobby').publish(chat, 'said')
    }
    const node = await serve(proxy.port)
    const client = await openClient(node.ws('/chat'), ['blaze.v1'])
    client.socket.send(JSON.stringify({ jsonrpc: '2.0', id: 'h', method: 'rpc.hello' }))
    await eventually(() => client.messages.some(({ data }) => data.includes('rpc.joined')))
    await say(node, 5)
    redisCli(redis, '', 'SAVE')
    await say(node, 5)
    proxy.isCut = true
    proxy.cut()
    await redis.signal('SIGKILL')
    await redis.start()
    await say(await serve(redis.port), 8)
    proxy.isCut = false
    await eventually(() => client.messages.some(({ data }) => data.includes('"reason":"epoch"')))
    expect(client.messages.at(-1)?.data).toMatch(/"recovered":false/)
    expect(client.messages.filter(({ data }) => data.includes('"said"'))).toHaveLength(10)
  })

  test.each([
    ['messages', 's', true],
    ['position', 'p', false],
    ['ids', 'i', true]
  ])('goes on if Redis has evicted the %s of a room', async (_, key, isSameEpoch) => {
    const redis = await start()
    const history = connect(redis.port)
    const known = await history.last('room', ['a', 'b', 'c'])
    const [name] = redisCli(redis, '', 'KEYS', `*:h:${key}`).trim().split('\n')
    expect(redisCli(redis, '', 'DEL', name as string).trim()).toBe('1')
    const at = await history.last('room', 'd', { known })
    expect(at.epoch === known.epoch).toBe(isSameEpoch)
    expect(at.offset).toBe(isSameEpoch ? 4 : 1)
    expect((await history.ids('room')).at(-1)).toBe('d')
    expect(await history.last('room', 'd', { known })).toEqual({ ...at, isNew: false })
  })

  test('goes on if another program has removed messages', async () => {
    const redis = await start()
    const history = connect(redis.port)
    const known = await history.last('room', ['a', 'b', 'c'])
    const [name] = redisCli(redis, '', 'KEYS', '*:h:s').trim().split('\n') as [string]
    redisCli(redis, '', 'XDEL', name, '2-0', '3-0')
    expect(await history.ids('room')).toEqual(['a'])
    expect((await history.last('room', 'c', { known })).offset).toBe(4)
    expect((await history.read('room')).messages.map(({ offset }) => offset)).toEqual([1, 4])
  })

  test('keeps exactly so many messages as it may', async () => {
    const history = connect((await start('--stream-node-max-entries', '100')).port)
    for (let i = 0; i < 5; i++) await history.append('room', numbered(i * 50 + 1, i * 50 + 50), { size: 7 })
    expect(await history.ids('room')).toEqual(numbered(244, 250))
  })
})
