import {
  answered,
  CONNECT_TIMEOUT,
  type RedisLibrary,
  type RedisSession,
  type SessionEvents,
  type Topology
} from './driver.ts'

type Listener = (message: Buffer, channel: Buffer) => void

/** A server of a cluster. */
interface Master {
  readonly address: string
  readonly host: string
  readonly port: number
  client?: NodeRedis | undefined
}

/** What is used of node-redis; its own types are for those who have it. */
export interface NodeRedis {
  readonly isOpen: boolean
  readonly options?: { socket?: object }
  duplicate(overrides: object): NodeRedis
  connect(): Promise<unknown>
  destroy(): void
  ping(): Promise<unknown>
  publish(channel: string, message: Buffer): Promise<unknown>
  sPublish(channel: string, message: Buffer): Promise<unknown>
  subscribe(channels: readonly string[], listener: Listener, bufferMode: true): Promise<unknown>
  unsubscribe(channels: readonly string[], listener: Listener, bufferMode: true): Promise<unknown>
  sSubscribe(channels: readonly string[] | string, listener: Listener, bufferMode: true): Promise<unknown>
  sUnsubscribe(channels: readonly string[] | string, listener: Listener, bufferMode: true): Promise<unknown>
  on(event: string, listener: (...args: never[]) => void): unknown
  // Of a cluster:
  readonly masters?: readonly Master[]
  readonly slots?: readonly ({ master: Master } | undefined)[]
  readonly _options?: { rootNodes?: readonly object[]; defaults?: { socket?: object } }
  nodeClient?(node: Master): Promise<unknown>
}

/** True for a client of node-redis 4 and up, also for a cluster, a sentinel or a pool. */
export function isNodeRedis(client: object): client is NodeRedis {
  const { isOpen, duplicate } = client as Partial<NodeRedis>
  return typeof isOpen === 'boolean' && (typeof duplicate === 'function' || isSentinel(client))
}

function isSentinel(client: object): boolean {
  return typeof (client as { getSentinelNode?: unknown }).getSentinelNode === 'function'
}

/** True for a cluster of node-redis. */
export function isNodeRedisCluster(client: NodeRedis): boolean {
  return Array.isArray(client.masters)
}

/** Why a client of node-redis cannot be used; undefined where it can. */
export function whyUnusable(client: NodeRedis): string | undefined {
  if (isSentinel(client)) {
    return 'must not be a sentinel of node-redis, which cannot tell where its subscriptions are; use ioredis: new Redis({ sentinels, name })'
  }
  if (typeof client.destroy !== 'function')
    return 'is a client of node-redis 4, which is not supported; supported are node-redis 5 and 6, and ioredis 5 and 6'
  if (typeof client.sSubscribe !== 'function') return 'must be a client or cluster of node-redis, not a pool'
  return undefined
}

/** How our own connections differ from the application's: they end when they break. */
const SOCKET = { connectTimeout: CONNECT_TIMEOUT, socketTimeout: undefined, reconnectStrategy: false }

/** How long a server may take to say where the slots are, until another is asked, in milliseconds. */
const SLOTS_TIMEOUT = 1_000

/** Redis through node-redis. */
export class NodeRedisLibrary implements RedisLibrary {
  readonly canMove: boolean
  readonly #client: NodeRedis
  /** Clients that were not, or no longer, connected: others are made like them. */
  #masters = new Map<string, NodeRedis>()
  #known: object[] = []

  constructor(client: NodeRedis) {
    this.#client = client
    this.canMove = isNodeRedisCluster(client)
  }

  open(events: SessionEvents, isSharded: boolean, server?: string): RedisSession {
    const like = server === undefined ? this.#client : this.#masters.get(server)
    if (like === undefined) throw new Error(`${server} is no master of the cluster`)
    const socket = { ...like.options?.socket, ...SOCKET }
    return new NodeRedisSession(
      like.duplicate({ disableOfflineQueue: true, keyPrefix: undefined, readonly: false, database: 0, socket }),
      isSharded,
      events
    )
  }

  async discover(): Promise<Topology> {
    const { rootNodes: given = [], defaults } = this.#client._options ?? {}
    const rootNodes = [...this.#known, ...given]
    const socket = { ...defaults?.socket, ...SOCKET, socketTimeout: SLOTS_TIMEOUT }
    const settings = { minimizeConnections: true, keyPrefix: undefined, defaults: { ...defaults, socket } }
    const cluster = this.#client.duplicate({ ...settings, ...(rootNodes.length > 0 && { rootNodes }) })
    let reason: Error | undefined
    cluster.on('error', (error: Error) => (reason = error))
    cluster.on('node-error', () => {})
    try {
      await cluster.connect()
      return this.#learn(cluster)
    } catch (error) {
      throw reason ?? error
    } finally {
      if (cluster.isOpen) cluster.destroy()
    }
  }

  #learn(cluster: NodeRedis): Topology {
    const nodes = cluster.masters ?? []
    const slots = [...(cluster.slots ?? [])].map((shard) => shard?.master.address)
    this.#masters = new Map(
      nodes.map((node) => [node.address, this.#masters.get(node.address) ?? clientOf(cluster, node)])
    )
    this.#known = nodes.map(({ host, port }) => ({ socket: { host, port } }))
    return { masters: nodes.map(({ address }) => address), masterOf: (slot) => slots[slot] }
  }
}

/** The client that a cluster would use for a server. It makes none without connecting it. */
function clientOf(cluster: NodeRedis, node: Master): NodeRedis {
  cluster.nodeClient?.(node).catch(() => {})
  const client = node.client as NodeRedis
  // The cluster must not end it before it has a socket, which would stay open.
  node.client = undefined
  client.on('connect', () => client.destroy())
  return client
}

class NodeRedisSession implements RedisSession {
  readonly #client: NodeRedis
  readonly #isSharded: boolean
  readonly #listener: Listener
  #hasSocket = false
  #isClosed = false

  constructor(client: NodeRedis, isSharded: boolean, events: SessionEvents) {
    this.#client = client
    this.#isSharded = isSharded
    this.#listener = (message, channel) => events.message(channel.toString(), message)
    client.on('error', (error: Error) => events.ended(error))
    client.on('end', () => events.ended(new Error('the connection was closed')))
    client.on('connect', () => {
      this.#hasSocket = true
      if (this.#isClosed) client.destroy()
    })
    client.on('sharded-channel-moved', () => events.moved())
  }

  async connect(): Promise<void> {
    await this.#client.connect()
    // A server that is still loading its data refuses it.
    await answered(this.ping())
  }

  publish(channel: string, message: Buffer): Promise<unknown> {
    return this.#isSharded ? this.#client.sPublish(channel, message) : this.#client.publish(channel, message)
  }

  subscribe(channels: readonly string[]): Promise<unknown> {
    if (!this.#isSharded) return this.#client.subscribe(channels, this.#listener, true)
    return Promise.all(channels.map((channel) => this.#client.sSubscribe(channel, this.#listener, true)))
  }

  unsubscribe(channels: readonly string[]): Promise<unknown> {
    if (!this.#isSharded) return this.#client.unsubscribe(channels, this.#listener, true)
    return Promise.all(channels.map((channel) => this.#client.sUnsubscribe(channel, this.#listener, true)))
  }

  ping(): Promise<unknown> {
    return this.#client.ping()
  }

  close(): void {
    this.#isClosed = true
    // A client that is ended before it has a socket would leave it open.
    if (this.#hasSocket && this.#client.isOpen) this.#client.destroy()
  }
}
