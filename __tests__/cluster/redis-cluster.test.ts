import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from 'ioredis'
import { Cluster as Cluster5 } from 'ioredis5'
import * as nodeRedis from 'redis'
import * as nodeRedis5 from 'redis5'
import { slotOf } from '../../src/brokers/redis/slot.ts'
import { checked, TestNode, until } from '../../src/brokers/test-node.ts'
import { redisBroker, type RedisBrokerOptions } from '../../src/redis.ts'
import { eventually } from '../support/server.ts'
import { clusterIsReady, describeWith, type Engine, REDIS, redisCli, startRedisCluster } from './support/engines.ts'

jest.setTimeout(60_000)

const password = 'secret'
const urlOf = (port: number): { url: string } => ({ url: `redis://127.0.0.1:${port}` })
const clusters: [string, (ports: number[]) => RedisBrokerOptions['client']][] = [
  ['ioredis 6', (ports) => new Cluster(ports, { lazyConnect: true, redisOptions: { password } })],
  ['ioredis 5', (ports) => new Cluster5(ports, { lazyConnect: true, redisOptions: { password } })],
  ['node-redis 6', (ports) => nodeRedis.createCluster({ rootNodes: ports.map(urlOf), defaults: { password } })],
  ['node-redis 5', (ports) => nodeRedis5.createCluster({ rootNodes: ports.map(urlOf), defaults: { password } })]
]

const CHANNELS = Array.from({ length: 30 }, (_, i) => `room ${i}`)

describeWith(REDIS, 'a Redis Cluster that changes', () => {
  let servers: Engine[]

  const cli = (server: Engine, ...command: string[]): string => redisCli(server, password, ...command).trim()
  const isMaster = (server: Engine): boolean => cli(server, 'ROLE').startsWith('master')
  const idOf = (server: Engine): string => cli(server, 'CLUSTER', 'MYID')
  const isInSync = (server: Engine): boolean => isMaster(server) || cli(server, 'INFO', 'replication').includes('master_link_status:up')

  const hasSlot = (server: Engine, slot: number): boolean => {
    const own = cli(server, 'CLUSTER', 'NODES').split('\n').find((line) => line.includes('myself')) ?? ''
    return own.split(' ').slice(8).some((range) => {
      const [first, last = first] = range.split('-').map(Number) as [number, number?]
      return slot >= first && slot <= last
    })
  }
  const move = (slot: number, from: Engine, to: Engine): void => {
    cli(to, 'CLUSTER', 'SETSLOT', `${slot}`, 'IMPORTING', idOf(from))
    cli(from, 'CLUSTER', 'SETSLOT', `${slot}`, 'MIGRATING', idOf(to))
    for (const server of [to, from]) cli(server, 'CLUSTER', 'SETSLOT', `${slot}`, 'NODE', idOf(to))
  }

  describe.each(clusters)('through %s', (_, make) => {
    describe.each([
      ['sharded', true],
      ['classic', false]
    ])('with %s channels', (__, sharded) => {
      const nodes: TestNode[] = []
      let publisher: TestNode
      let listener: TestNode
      let count = 0

      beforeAll(async () => {
        servers = await startRedisCluster(password, { replicas: 1 })
      })
      afterAll(() => Promise.all(servers.map((server) => server.close())))
      beforeEach(async () => {
        await eventually(() => servers.filter(isMaster).length === 3 && servers.every(isInSync), 'the replicas')
        const prefix = `blaze:${expect.getState().currentTestName}:`
        const node = (): TestNode => new TestNode(redisBroker({ client: make(servers.map(({ port }) => port)), prefix, sharded })).open()
        nodes.push((publisher = node()), (listener = node()))
        await listener.broker.subscribe(CHANNELS)
        count = 0
        await publishOnAll()
        await until(() => hasLast(), 'the arrival on all channels')
      })
      afterEach(async () => {
        await Promise.all(nodes.splice(0).map((node) => node.close()))
        await clusterIsReady(servers, password)
      })

      const publishOnAll = (): Promise<unknown> => {
        count++
        return Promise.all(CHANNELS.map((channel) => publisher.publish(channel, `${count}`)))
      }
      const hasLast = (): boolean => CHANNELS.every((channel) => listener.texts(channel).at(-1) === `${count}`)
      /** Publishes all the time, and forgets what is refused, until `act` has ended. */
      const streaming = async (act: () => Promise<void>): Promise<void> => {
        const stream = setInterval(() => void publishOnAll().catch(() => {}), 5)
        try {
          await act()
        } finally {
          clearInterval(stream)
        }
      }
      /** Everything arrives again, and nothing has come twice or behind what was published later. */
      const expectRecovery = async (): Promise<void> => {
        // The servers of a cluster learn of a change one after the other, so it may be noticed more than once.
        const arrives = async (): Promise<boolean> => {
          const reports = listener.lostWith.length
          await Promise.all([checked(publisher), checked(listener)])
          if (!(await publishOnAll().then(() => true, () => false))) return false
          for (let i = 0; i < 100 && !hasLast(); i++) await sleep(5)
          if (!hasLast()) await eventually(async () => (await checked(listener), listener.lostWith.length > reports || hasLast()), 'the report of what is missing')
          return hasLast()
        }
        await eventually(arrives, 'the arrival on all channels')
        for (const channel of CHANNELS) {
          const numbers = listener.texts(channel).map(Number)
          expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b))
        }
      }

      test('a healthy stream arrives complete and in order', async () => {
        await streaming(() => sleep(500))
        await publishOnAll()
        await until(hasLast, 'the arrival on all channels')
        const all = Array.from({ length: count }, (___, i) => `${i + 1}`)
        for (const channel of CHANNELS) expect(listener.texts(channel)).toEqual(all)
        expect([publisher.lostWith, listener.lostWith]).toEqual([[], []])
      })

      test('slots that move to another server', async () => {
        const masters = servers.filter(isMaster)
        const slots = CHANNELS.map((channel) => slotOf(`blaze:${expect.getState().currentTestName}:${channel}`))
        await streaming(async () => {
          for (const [i, slot] of slots.slice(0, 6).entries()) {
            const to = masters[i % 3] as Engine
            const from = masters.find((server) => hasSlot(server, slot)) as Engine
            if (from !== to) move(slot, from, to)
          }
          await sleep(300)
        })
        // Where the client says nothing of it, the driver sees it when it asks the cluster again.
        if (sharded) await eventually(async () => (await checked(listener), listener.lostWith.length > 0), 'the report of the move')
        await expectRecovery()
      })

      test('masters that hand over to their replicas', async () => {
        const replicas = servers.filter((server) => !isMaster(server))
        await streaming(async () => {
          for (const replica of replicas) {
            // Under load, the servers may give up on it; then it has to be asked for again.
            for (let i = 0; !isMaster(replica); i++) {
              if (i % 150 === 0) cli(replica, 'CLUSTER', 'FAILOVER')
              await sleep(20)
            }
            await eventually(() => servers.filter(isMaster).length === 3 && servers.every(isInSync), 'the replicas')
            await checked(listener)
          }
        })
        if (sharded) await until(() => listener.lostWith.length > 0, 'the report of the failover')
        await expectRecovery()
      })

      test('a master that is killed', async () => {
        const victim = servers.find(isMaster) as Engine
        const replica = servers.find((server) => cli(server, 'ROLE').split('\n')[2] === `${victim.port}`) as Engine
        try {
          await streaming(async () => {
            await victim.signal('SIGKILL')
            await until(() => publisher.lostWith.length > 0 || !sharded, 'the report of the loss')
            await sleep(300)
            // The cluster would come to it by itself, some seconds later.
            cli(replica, 'CLUSTER', 'FAILOVER', 'TAKEOVER')
            await eventually(() => cli(replica, 'CLUSTER', 'INFO').includes('cluster_state:ok'), 'the failover')
          })
          await expectRecovery()
        } finally {
          await victim.start()
        }
      })
    })
  })
})
