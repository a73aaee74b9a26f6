import {
  answered,
  CONNECT_TIMEOUT,
  inParts,
  type RedisLibrary,
  type RedisSession,
  type SessionEvents,
  type Topology
} from './driver.ts'

/** What is used of ioredis; its own types are for those who have it. */
export interface IoRedis {
  readonly status: string
  readonly options?: { host?: string; port?: number; sentinels?: unknown; redisOptions?: object }
  duplicate(...overrides: unknown[]): IoRedis
  connect(): Promise<unknown>
  disconnect(): void
  ping(): Promise<unknown>
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

/** True for a client of ioredis, also for a Cluster. */
export function isIoRedis(client: object): client is IoRedis {
  const { status, ssubscribe } = client as Partial<IoRedis>
  return typeof status === 'string' && typeof ssubscribe === 'function'
}

/** How our own connections differ from the application's: they end when they break, and nothing is kept or sent twice. */
const CONNECTION = {
  lazyConnect: true,
  connectTimeout: CONNECT_TIMEOUT,
  socketTimeout: undefined,
  // How long a connection that is gone already keeps the process alive.
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

/** What ioredis 5 says of an end of subscriptions that it has not asked for. Version 6 knows what that means. */
const UNASKED = /^Command queue state error.*sunsubscribe/s

/** Redis through ioredis. */
export class IoRedisLibrary implements RedisLibrary {
  readonly canMove: boolean
  readonly #client: IoRedis
  #masters = new Map<string, IoRedis>()

  constructor(client: IoRedis) {
    this.#client = client
    this.canMove = client.isCluster === true || Array.isArray(client.options?.sentinels)
  }

  open(events: SessionEvents, isSharded: boolean, server?: string): RedisSession {
    const like = server === undefined ? this.#client : this.#masters.get(server)
    if (like === undefined) throw new Error(`${server} is no master of the cluster`)
    // With sentinels, INFO tells whether the server is still the master. Otherwise a PING does, which needs fewer permissions.
    const enableReadyCheck = Array.isArray(this.#client.options?.sentinels)
    return new IoRedisSession(
      like.duplicate({ ...CONNECTION, readOnly: false, enableReadyCheck, enableOfflineQueue: false }),
      isSharded,
      events
    )
  }

  async discover(): Promise<Topology> {
    const known = [...this.#masters.values()].map(({ options }) => ({ host: options?.host, port: options?.port }))
    const cluster = this.#client.duplicate([...known, ...(this.#client.startupNodes ?? [])], {
      lazyConnect: true,
      enableReadyCheck: false,
      keyPrefix: '',
      scaleReads: 'master',
      clusterRetryStrategy: null,
      redisOptions: { ...this.#client.options?.redisOptions, ...CONNECTION }
    })
    let reason: Error | undefined
    cluster.on('error', (error: Error & { lastNodeError?: Error }) => (reason = error.lastNodeError ?? error))
    try {
      await cluster.connect()
      return this.#learn(cluster)
    } catch (error) {
      throw reason ?? error
    } finally {
      cluster.disconnect()
    }
  }

  #learn(cluster: IoRedis): Topology {
    const slots = [...(cluster.slots ?? [])].map((servers) => servers?.[0])
    const nodes = new Map(
      (cluster.nodes?.('master') ?? []).map((node) => [`${node.options?.host}:${node.options?.port}`, node])
    )
    // Where several servers answer differently, the slots decide.
    const masters = [...new Set(slots)].filter((server) => server !== undefined && nodes.has(server)) as string[]
    this.#masters = new Map(masters.map((server) => [server, nodes.get(server) as IoRedis]))
    return { masters, masterOf: (slot) => slots[slot] }
  }
}

class IoRedisSession implements RedisSession {
  readonly #client: IoRedis
  readonly #isSharded: boolean
  #error: Error | undefined

  constructor(client: IoRedis, isSharded: boolean, events: SessionEvents) {
    this.#client = client
    this.#isSharded = isSharded
    client.on('error', (error: Error) => {
      this.#error = error
      if (UNASKED.test(error.message)) events.moved()
    })
    client.on('end', () => events.ended(this.#error ?? new Error('the connection was closed')))
    client.on('close', () => events.ended(this.#error ?? new Error('the connection was closed')))
    client.on('moved', () => events.moved())
    client.on(isSharded ? 'smessageBuffer' : 'messageBuffer', (channel: Buffer, message: Buffer) =>
      events.message(channel.toString(), message)
    )
  }

  async connect(): Promise<void> {
    try {
      await this.#client.connect()
    } catch (error) {
      throw this.#error ?? error
    }
    // A server that is still loading its data refuses it.
    await answered(this.ping())
  }

  publish(channel: string, message: Buffer): Promise<unknown> {
    return this.#isSharded ? this.#client.spublish(channel, message) : this.#client.publish(channel, message)
  }

  subscribe(channels: readonly string[]): Promise<unknown> {
    if (this.#isSharded) return Promise.all(channels.map((channel) => this.#client.ssubscribe(channel)))
    return inParts(channels, (part) => this.#client.subscribe(...part))
  }

  unsubscribe(channels: readonly string[]): Promise<unknown> {
    if (this.#isSharded) return Promise.all(channels.map((channel) => this.#client.sunsubscribe(channel)))
    return inParts(channels, (part) => this.#client.unsubscribe(...part))
  }

  ping(): Promise<unknown> {
    return this.#client.ping()
  }

  close(): void {
    this.#client.disconnect()
  }
}
