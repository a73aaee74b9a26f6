// Redis through ioredis, without its reconnecting and redirecting.

import {
  allSettled,
  CONNECT_TIMEOUT,
  type ConnectionEvents,
  inBatches,
  type RedisConnection,
  type RedisLibrary,
  type Topology
} from './driver.ts'
import { ignoreRefusal } from './errors.ts'

/** The part of ioredis that the broker uses. Its own types would make every user of this package install ioredis. */
export interface IoRedis {
  readonly status: string
  readonly options?: { host?: string; port?: number; db?: number; sentinels?: unknown; redisOptions?: object }
  duplicate(...overrides: unknown[]): IoRedis
  connect(): Promise<unknown>
  disconnect(): void
  ping(): Promise<unknown>
  callBuffer(command: string, args: readonly (string | Buffer)[]): Promise<unknown>
  publish(channel: string, message: Buffer): Promise<unknown>
  spublish(channel: string, message: Buffer): Promise<unknown>
  subscribe(...channels: string[]): Promise<unknown>
  unsubscribe(...channels: string[]): Promise<unknown>
  ssubscribe(...channels: string[]): Promise<unknown>
  sunsubscribe(...channels: string[]): Promise<unknown>
  on(event: string, listener: (...args: never[]) => void): unknown
  // Of a cluster:
  readonly isCluster?: boolean
  readonly slots?: (string[] | undefined)[]
  readonly startupNodes?: unknown[]
  nodes?(role: 'master'): IoRedis[]
}

/** True for a client or a cluster of ioredis. */
export function isIoRedis(client: object): client is IoRedis {
  const { status, ssubscribe } = client as Partial<IoRedis>
  return typeof status === 'string' && typeof ssubscribe === 'function'
}

/** The options that differ from the application's: our connections end when they break, and keep and repeat no commands. */
const OVERRIDES = {
  lazyConnect: true,
  connectTimeout: CONNECT_TIMEOUT,
  socketTimeout: undefined,
  // A connection that is already dead keeps the process alive for so long.
  disconnectTimeout: 100,
  commandTimeout: undefined,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  keyPrefix: '',
  db: 0,
  retryStrategy: null,
  reconnectOnError: null,
  sentinelRetryStrategy: null
}

/** The error of ioredis 5 if the server ends subscriptions by itself. Version 6 emits 'moved'. */
const UNEXPECTED_UNSUBSCRIBE = /^Command queue state error.*sunsubscribe/s

export class IoRedisLibrary implements RedisLibrary {
  readonly hasFailover: boolean
  readonly #client: IoRedis
  #masters = new Map<string, IoRedis>()

  constructor(client: IoRedis) {
    this.#client = client
    this.hasFailover = client.isCluster === true || Array.isArray(client.options?.sentinels)
  }

  createConnection(events: ConnectionEvents, isSharded: boolean, server?: string): RedisConnection {
    return new IoRedisConnection(this.#duplicate(server), isSharded, events)
  }

  createStoreConnection(events: ConnectionEvents, server?: string): RedisConnection {
    const db = server === undefined ? (this.#client.options?.db ?? 0) : 0
    // A call is sent at once, and answered on its own.
    return new IoRedisConnection(this.#duplicate(server, { db, enableAutoPipelining: false }), false, events)
  }

  #duplicate(server: string | undefined, more: object = {}): IoRedis {
    const template = server === undefined ? this.#client : this.#masters.get(server)
    if (template === undefined) throw new Error(`${server} is not a master of the Redis Cluster`)
    // With sentinels, INFO tells whether the server is still the master. In all other cases PING is enough, which needs fewer
    // permissions.
    const enableReadyCheck = Array.isArray(this.#client.options?.sentinels)
    return template.duplicate({ ...OVERRIDES, readOnly: false, enableReadyCheck, enableOfflineQueue: false, ...more })
  }

  async discover(): Promise<Topology> {
    const known = [...this.#masters.values()].map(({ options }) => ({ host: options?.host, port: options?.port }))
    const cluster = this.#client.duplicate([...known, ...(this.#client.startupNodes ?? [])], {
      lazyConnect: true,
      enableReadyCheck: false,
      keyPrefix: '',
      scaleReads: 'master',
      clusterRetryStrategy: null,
      redisOptions: { ...this.#client.options?.redisOptions, ...OVERRIDES }
    })
    let reason: Error | undefined
    cluster.on('error', (error: Error & { lastNodeError?: Error }) => (reason = error.lastNodeError ?? error))
    try {
      await cluster.connect()
      return this.#learnTopology(cluster)
    } catch (error) {
      throw reason ?? error
    } finally {
      cluster.disconnect()
    }
  }

  #learnTopology(cluster: IoRedis): Topology {
    const slots = [...(cluster.slots ?? [])].map((servers) => servers?.[0])
    const nodes = new Map(
      (cluster.nodes?.('master') ?? []).map((node) => [`${node.options?.host}:${node.options?.port}`, node])
    )
    // If nodes and slots differ, the slots decide which servers are masters.
    const masters = [...new Set(slots)].filter((server) => server !== undefined && nodes.has(server)) as string[]
    this.#masters = new Map(masters.map((server) => [server, nodes.get(server) as IoRedis]))
    return { masters, masterOf: (slot) => slots[slot] }
  }
}

class IoRedisConnection implements RedisConnection {
  readonly #client: IoRedis
  readonly #isSharded: boolean
  #error: Error | undefined

  constructor(client: IoRedis, isSharded: boolean, events: ConnectionEvents) {
    this.#client = client
    this.#isSharded = isSharded
    client.on('error', (error: Error) => {
      this.#error = error
      if (UNEXPECTED_UNSUBSCRIBE.test(error.message)) events.onSlotsMoved()
    })
    client.on('end', () => events.onEnd(this.#error ?? new Error('the connection to Redis was closed')))
    client.on('close', () => events.onEnd(this.#error ?? new Error('the connection to Redis was closed')))
    client.on('moved', () => events.onSlotsMoved())
    client.on(isSharded ? 'smessageBuffer' : 'messageBuffer', (channel: Buffer, message: Buffer) =>
      events.onMessage(channel.toString(), message)
    )
  }

  async connect(): Promise<void> {
    try {
      await this.#client.connect()
    } catch (error) {
      throw this.#error ?? error
    }
    // A server that is still loading its data accepts connections, but no PING.
    await ignoreRefusal(this.ping())
  }

  publish(channel: string, message: Buffer): Promise<unknown> {
    return this.#isSharded ? this.#client.spublish(channel, message) : this.#client.publish(channel, message)
  }

  subscribe(channels: readonly string[]): Promise<unknown> {
    if (this.#isSharded) return Promise.all(channels.map((channel) => this.#client.ssubscribe(channel)))
    return inBatches(channels, (batch) => this.#client.subscribe(...batch))
  }

  unsubscribe(channels: readonly string[]): Promise<unknown> {
    if (this.#isSharded) return allSettled(channels.map((channel) => this.#client.sunsubscribe(channel)))
    return inBatches(channels, (batch) => this.#client.unsubscribe(...batch))
  }

  ping(): Promise<unknown> {
    return this.#client.ping()
  }

  command([name, ...args]: readonly (string | Buffer)[]): Promise<unknown> {
    return this.#client.callBuffer(name as string, args)
  }

  close(): void {
    this.#client.disconnect()
  }
}
