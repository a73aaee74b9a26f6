import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import type { WebSocketConnection } from '../../src/index.ts'
import { redisBroker } from '../../src/redis.ts'
import { closeServers, eventually, type TestClient } from '../support/server.ts'
import { describeWith, Engine, REDIS, redisCli } from '../cluster/support/engines.ts'
import { type RoomServer, startRooms } from '../cluster/support/rooms.ts'

jest.setTimeout(60_000)

describeWith(REDIS, 'hubs over Redis with sentinels', () => {
  let master: Engine
  let replica: Engine
  let sentinel: Engine
  const isMaster = (engine: Engine): boolean => redisCli(engine, '', 'ROLE').startsWith('master')

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
    await closeServers()
    await Promise.all([master, replica, sentinel].map((engine) => engine.close()))
  })

  interface Node extends RoomServer {
    client: TestClient
    events: string[]
  }

  async function startNode(Client: typeof Redis): Promise<Node> {
    const client = new Client({
      sentinels: [{ host: '127.0.0.1', port: sentinel.port }],
      name: 'main',
      lazyConnect: true
    })
    const server = await startRooms(redisBroker({ client }))
    const events: string[] = []
    for (const event of ['degraded', 'recovered'] as const) server.hub.on(event, () => events.push(event))
    return { ...server, client: await server.join('room'), events }
  }

  async function expectDelivery(nodes: readonly Node[], text: string): Promise<void> {
    for (const [i, { hub }] of nodes.entries()) {
      hub.to('room').broadcast(`${text} of ${i}`)
      hub.presence.set(hub.getClients()[0] as WebSocketConnection, 'room', text, { key: `${i}` })
    }
    const has = ({ client }: Node): boolean =>
      nodes.every((_, i) => client.messages.some(({ data }) => data === `${text} of ${i}`))
    await eventually(() => nodes.every(has), 'the arrival')
    const agrees = ({ hub }: Node): boolean =>
      nodes.every((_, i) => hub.presence.known('room').some(({ key, info }) => key === `${i}` && info === text))
    await eventually(() => nodes.every(agrees), 'the presence')
  }

  describe.each([
    ['ioredis 6', Redis],
    ['ioredis 5', Redis5 as unknown as typeof Redis]
  ])('through %s', (_, Client) => {
    test.each([
      ['is killed', 'SIGKILL'],
      ['is held up', 'SIGSTOP']
    ] as const)(
      'follow the sentinels to the replica when the master %s, and stay there when it is back',
      async (__, signal) => {
        const nodes = [await startNode(Client), await startNode(Client)]
        await Promise.all(nodes.map(({ hub }) => hub.presence.list('room')))
        await expectDelivery(nodes, 'before')
        await master.signal(signal)
        await eventually(() => nodes.every(({ events }) => events.includes('recovered')), 'the recovery')
        expect(isMaster(replica)).toBe(true)
        await expectDelivery(nodes, 'after')
        await (signal === 'SIGKILL' ? master.start() : master.signal('SIGCONT'))
        await expectDelivery(nodes, 'at the end')
        for (const { events } of nodes) expect(events).toEqual(['degraded', 'recovered'])
      }
    )
  })
})
