import rateLimit from '@fastify/rate-limit'
import { Cluster, Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import * as nodeRedis from 'redis'
import * as nodeRedis5 from 'redis5'
import { redisTicketStore } from '../../src/redis.ts'
import { webSocketTickets } from '../../src/auth/tickets.ts'
import { closeServers, connect, startServer } from '../support/server.ts'
import { read } from '../docs/support/markdown.ts'
import { describeWith, Engine, freePort, REDIS, redisCli } from '../cluster/support/engines.ts'

/** The ACL rules from the documentation. */
const TICKET_RULES = (/needs `(~blaze:ticket:[^`]*)`/.exec(read('docs/security.md'))?.[1] ?? '').split(' ')

afterEach(closeServers)

let redis: Engine
const open: (() => unknown)[] = []

describeWith(REDIS, 'servers that share a Redis', () => {
  beforeAll(async () => {
    redis = await Engine.redis()
  })
  afterEach(() => Promise.all(open.splice(0).map((close) => close())))
  afterAll(() => redis.close())

  const ioredis = (make: (port: number) => { disconnect(): void } = (port) => new Redis(port)): Redis => {
    const client = make(redis.port) as Redis
    open.push(() => client.disconnect())
    return client
  }
  const node = async ({
    createClient
  }: Pick<typeof nodeRedis, 'createClient'>): Promise<ReturnType<typeof nodeRedis.createClient>> => {
    const client = createClient({ url: `redis://127.0.0.1:${redis.port}` })
    await client.connect()
    open.push(() => client.destroy())
    return client as ReturnType<typeof nodeRedis.createClient>
  }

  test.each([
    ['ioredis 6', () => ioredis()],
    ['ioredis 5', () => ioredis((port) => new Redis5(port))],
    ['node-redis 6', () => node(nodeRedis)],
    ['node-redis 5', () => node(nodeRedis5 as unknown as typeof nodeRedis)]
  ])(
    'tickets through %s: one server issues a ticket, another spends it, once and before it expires',
    async (_, client) => {
      const store = redisTicketStore({ client: await client() })
      const [one, other] = [webSocketTickets({ store }), webSocketTickets({ store })]
      const ticket = await one.issue({ user: 'Ann' })
      const spent = await Promise.allSettled([other.spend(ticket), one.spend(ticket), other.spend(ticket)])
      expect(spent.filter(({ status }) => status === 'fulfilled')).toEqual([
        { status: 'fulfilled', value: { user: 'Ann' } }
      ])
      const brief = webSocketTickets({ store, ttl: 1 })
      const late = await brief.issue('late')
      await new Promise((resolve) => setTimeout(resolve, 20))
      await expect(brief.spend(late)).rejects.toMatchObject({ code: 'FST_BLAZE_WS_INVALID_TICKET' })
      await expect(one.spend(`${ticket.slice(0, -1)}_`)).rejects.toMatchObject({ code: 'FST_BLAZE_WS_INVALID_TICKET' })
    }
  )

  test.each([
    ['ioredis 6', (port: number): Redis | Cluster => new Redis(port)],
    ['ioredis 5', (port: number): Redis | Cluster => new Redis5(port) as unknown as Redis],
    ['an ioredis cluster', (port: number): Redis | Cluster => new Cluster([port], { redisOptions: { password: 'x' } })]
  ])('tickets through %s: an unavailable Redis is reported within the timeout', async (_, make) => {
    const client = make(await freePort())
    ;(client as Redis).on('error', () => {})
    open.push(() => client.disconnect())
    const tickets = webSocketTickets({ store: redisTicketStore({ client }), timeout: 300 })
    const unavailable = { code: 'FST_BLAZE_WS_TICKET_STORE_UNAVAILABLE', statusCode: 503 }
    await expect(tickets.issue('Ann')).rejects.toMatchObject(unavailable)
    const ticket = await webSocketTickets().issue('Ann')
    await expect(tickets.spend(ticket)).rejects.toMatchObject(unavailable)
    await expect(tickets.spend('malformed')).rejects.toMatchObject({ code: 'FST_BLAZE_WS_INVALID_TICKET' })
  })

  test('tickets work with the documented ACL rules', async () => {
    const rules = ['on', '>secret', ...TICKET_RULES, '+ping', '+info']
    redisCli(redis, '', 'ACL', 'SETUSER', 'tickets', ...rules)
    const client = new Redis(redis.port, { username: 'tickets', password: 'secret' })
    open.push(() => client.disconnect())
    const tickets = webSocketTickets({ store: redisTicketStore({ client }) })
    expect(await tickets.spend(await tickets.issue('Ann'))).toBe('Ann')
    redisCli(redis, '', 'ACL', 'SETUSER', 'tickets', '-set')
    await expect(tickets.issue('Ann')).rejects.toThrow(/NOPERM/)
  })

  test('a ticket of one server opens a connection at another', async () => {
    const tickets = webSocketTickets<{ user: string }>({
      store: redisTicketStore({ client: ioredis(), prefix: 'app:' })
    })
    const servers = await Promise.all(
      [1, 2].map(() =>
        startServer((app) => {
          app.get('/ticket', async () => tickets.issue({ user: 'Ann' }))
          const preValidation = async (request: object): Promise<void> =>
            void Object.assign(request, { user: await tickets.spend(request as never) })
          app.webSocket('/', { preValidation }, (ws) =>
            ws.writeText(`hello ${(ws.request as unknown as { user: { user: string } }).user.user}`)
          )
        })
      )
    )
    const ticket = await (await fetch(servers[0]!.http('/ticket'))).text()
    const client = await connect(servers[1]!.ws(`/?ticket=${ticket}`))
    expect(await client.next()).toBe('hello Ann')
    await expect(connect(servers[0]!.ws(`/?ticket=${ticket}`))).rejects.toThrow('401')
  })

  test('the rate limit of upgrades counts across all servers', async () => {
    const client = ioredis()
    const servers = await Promise.all(
      [1, 2].map(() =>
        startServer(async (app) => {
          await app.register(rateLimit, { global: false, redis: client, nameSpace: 'limit:' })
          app.webSocket('/', { config: { rateLimit: { max: 3, timeWindow: '1 minute' } } }, (ws) =>
            ws.writeText('hello')
          )
        })
      )
    )
    for (const i of [0, 1, 0]) await connect(servers[i]!.ws('/'))
    for (const i of [0, 1]) await expect(connect(servers[i]!.ws('/'))).rejects.toThrow('429')
  })

  test('invalid options are named in the error', () => {
    expect(() => redisTicketStore({ client: {} as never })).toThrow(/redisTicketStore.client.*ioredis or node-redis/)
    expect(() => redisTicketStore({ client: new Cluster([1], { lazyConnect: true }), prefx: 'x' } as never)).toThrow(
      /redisTicketStore.prefx/
    )
    expect(() => redisTicketStore({ client: new Redis({ lazyConnect: true }), prefix: 5 as never })).toThrow(
      /redisTicketStore.prefix/
    )
  })
})
