import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from 'ioredis'
import { Cluster as Cluster5 } from 'ioredis5'
import * as nodeRedis from 'redis'
import * as nodeRedis5 from 'redis5'
import { slotOf } from '../../../src/brokers/redis/slot.ts'
import type { RedisBrokerOptions } from '../../../src/redis.ts'
import { eventually } from '../../support/server.ts'
import { clusterIsReady, describeWith, type Engine, REDIS, redisCli, startRedisCluster } from './engines.ts'

const password = 'secret'
const urlOf = (port: number): { url: string } => ({ url: `redis://127.0.0.1:${port}` })

/** Makes the client of a cluster, with each library. */
export const CLUSTER_CLIENTS: [string, (ports: number[]) => RedisBrokerOptions['client']][] = [
  ['ioredis 6', (ports) => new Cluster(ports, { lazyConnect: true, redisOptions: { password } })],
  ['ioredis 5', (ports) => new Cluster5(ports, { lazyConnect: true, redisOptions: { password } })],
  ['node-redis 6', (ports) => nodeRedis.createCluster({ rootNodes: ports.map(urlOf), defaults: { password } })],
  ['node-redis 5', (ports) => nodeRedis5.createCluster({ rootNodes: ports.map(urlOf), defaults: { password } })]
]

/** Three masters with a replica each, and the operations and faults that the tests apply to them. */
export class RedisCluster {
  readonly servers: readonly Engine[]

  private constructor(servers: readonly Engine[]) {
    this.servers = servers
  }

  static async start(): Promise<RedisCluster> {
    return new RedisCluster(await startRedisCluster(password, { replicas: 1 }))
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.close()))
  }

  get ports(): number[] {
    return this.servers.map(({ port }) => port)
  }

  get masters(): Engine[] {
    return this.servers.filter((server) => this.isMaster(server))
  }

  cli(server: Engine, ...command: string[]): string {
    return redisCli(server, password, ...command).trim()
  }

  isMaster(server: Engine): boolean {
    return this.cli(server, 'ROLE').startsWith('master')
  }

  /** Waits until all servers agree, and each replica is in sync with its master. */
  async isHealthy(): Promise<void> {
    const isInSync = (server: Engine): boolean =>
      this.isMaster(server) || this.cli(server, 'INFO', 'replication').includes('master_link_status:up')
    await eventually(() => this.masters.length === 3 && this.servers.every(isInSync), 'the replicas')
    await clusterIsReady(this.servers, password)
  }

  replicaOf(master: Engine): Engine {
    return this.servers.find((server) => this.cli(server, 'ROLE').split('\n')[2] === `${master.port}`) as Engine
  }

  ownerOf(channel: string): Engine {
    return this.masters.find((server) => this.#hasSlot(server, slotOf(channel))) as Engine
  }

  /** Moves the slot of a channel to this server. */
  move(channel: string, to: Engine, from = this.ownerOf(channel)): void {
    if (from !== to) this.beginMove(channel, to, from).end()
  }

  /** Begins to move the slot of a channel to this server. Meanwhile, keys can be moved. */
  beginMove(channel: string, to: Engine, from = this.ownerOf(channel)): { end(): void } {
    const slot = `${slotOf(channel)}`
    this.cli(to, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', this.#idOf(from))
    this.cli(from, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', this.#idOf(to))
    return {
      end: () => {
        for (const server of [to, from]) this.cli(server, 'CLUSTER', 'SETSLOT', slot, 'NODE', this.#idOf(to))
      }
    }
  }

  /** Makes a replica take the place of its running master. */
  async handOver(replica: Engine): Promise<void> {
    // Under load, the servers may abort the failover; then it has to be requested again.
    for (let i = 0; !this.isMaster(replica); i++) {
      if (i % 150 === 0) this.cli(replica, 'CLUSTER', 'FAILOVER')
      await sleep(20)
    }
  }

  /** Makes a replica take the place of its unavailable master. The cluster would do so by itself some seconds later. */
  async takeOver(replica: Engine): Promise<void> {
    this.cli(replica, 'CLUSTER', 'FAILOVER', 'TAKEOVER')
    await eventually(() => this.cli(replica, 'CLUSTER', 'INFO').includes('cluster_state:ok'), 'the failover')
  }

  #idOf(server: Engine): string {
    return this.cli(server, 'CLUSTER', 'MYID')
  }

  #hasSlot(server: Engine, slot: number): boolean {
    const own =
      this.cli(server, 'CLUSTER', 'NODES')
        .split('\n')
        .find((line) => line.includes('myself')) ?? ''
    return own
      .split(' ')
      .slice(8)
      .some((range) => {
        const [first, last = first] = range.split('-').map(Number) as [number, number?]
        return slot >= first && slot <= last
      })
  }
}

/** What a group of tests gets: a healthy cluster before each test, and one way to use it. */
export interface ClusterSetting {
  /** There from `beforeAll` on. */
  cluster: RedisCluster
  readonly sharded: boolean
  connect(): RedisBrokerOptions['client']
  /** A different prefix for each test. */
  prefix(): string
}

/** Runs tests that change a cluster, through each client, with sharded and with classic channels. Each group has its own cluster. */
export function describeChangingClusters(name: string, tests: (setting: ClusterSetting) => void): void {
  describeWith(REDIS, name, () => {
    describe.each(CLUSTER_CLIENTS)('through %s', (_, make) => {
      describe.each([
        ['sharded', true],
        ['classic', false]
      ])('with %s channels', (__, sharded) => {
        const setting: ClusterSetting = {
          cluster: undefined as never,
          sharded,
          connect: () => make(setting.cluster.ports),
          prefix: () => `blaze:${expect.getState().currentTestName}:`
        }
        beforeAll(async () => {
          setting.cluster = await RedisCluster.start()
        })
        afterAll(() => setting.cluster.close())
        beforeEach(() => setting.cluster.isHealthy())
        tests(setting)
      })
    })
  })
}
