// Redis through node-redis, without its reconnecting and redirecting.

import {
  allSettled,
  CONNECT_TIMEOUT,
  type ConnectionEvents,
  type RedisConnection,
  type RedisLibrary,
  type Topology
} from './driver.ts'
import { ignoreRefusal } from './errors.ts'

type Listener = (message: Buffer, channel: Buffer) => void

/** A master of a cluster. */
interface Master {
  readonly address: string
  readonly host: string
  readonly port: number
  client?: NodeRedis | undefined
}

/** The part of node-redis that the broker uses. Its own types would make every user of this package install node-redis. */
export interface NodeRedis {
  readonly isOpen: boolean
  readonly options?: { socket?: object; database?: number }
  duplicate(overrides: object): NodeRedis
  connect(): Promise<unknown>
  destroy(): void
  ping(): Promise<unknown>
  sendCommand(args: readonly (string | Buffer)[], options: object): Promise<unknown>
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

/** True for a client, cluster, sentinel or pool of node-redis 4 and up. */
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

/** Why a client of node-redis cannot be used; undefined if it can. */
export function whyUnusable(client: NodeRedis): string | undefined {
  if (isSentinel(client)) {
    return 'must not be a sentinel of node-redis, which does not tell which server it is subscribed at; use ioredis: new Redis({ sentinels, name })'
  }
  if (typeof client.destroy !== 'function')
    return 'is a client of node-redis 4, which is not supported; supported are node-redis 5 and 6, and ioredis 5 and 6'
  if (typeof client.sSubscribe !== 'function') return 'must be a client or cluster of node-redis, not a pool'
  return undefined
}

/** The socket options that differ from the application's: our connections end when they break. */
const SOCKET = { connectTimeout: CONNECT_TIMEOUT, socketTimeout: undefined, reconnectStrategy: false }

/** The options of our commands that differ from the application's: bulk strings are Buffers, and none waits or overtakes. */
const COMMAND = { typeMapping: { 36: Buffer }, asap: false, timeout: undefined, abortSignal: undefined }

/** How long to wait for a server to answer with the slots before the next one is asked, in milliseconds. */
const SLOTS_TIMEOUT = 1_000

export class NodeRedisLibrary implements RedisLibrary {
  readonly hasFailover: boolean
  readonly #client: NodeRedis
  /** Clients that are not connected. Connections to the masters are made with their options. */
  #masters = new Map<string, NodeRedis>()
  /** The masters of the last topology, which are asked first for the next. */
  #rootNodes: object[] = []

  constructor(client: NodeRedis) {
    this.#client = client
    this.hasFailover = isNodeRedisCluster(client)
  }

  createConnection(events: ConnectionEvents, isSharded: boolean, server?: string): RedisConnection {
    return new NodeRedisConnection(this.#duplicate(server, 0), isSharded, events)
  }

  createStoreConnection(events: ConnectionEvents, server?: string): RedisConnection {
    const database = server === undefined ? (this.#client.options?.database ?? 0) : 0
    return new NodeRedisConnection(this.#duplicate(server, database), false, events)
  }

  #duplicate(server: string | undefined, database: number): NodeRedis {
    const template = server === undefined ? this.#client : this.#masters.get(server)
    if (template === undefined) throw new Error(`${server} is not a master of the Redis Cluster`)
    const socket = { ...template.options?.socket, ...SOCKET }
    return template.duplicate({ disableOfflineQueue: true, keyPrefix: undefined, readonly: false, database, socket })
  }

  async discover(): Promise<Topology> {
    const { rootNodes: given = [], defaults } = this.#client._options ?? {}
    const rootNodes = [...this.#rootNodes, ...given]
    const socket = { ...defaults?.socket, ...SOCKET, socketTimeout: SLOTS_TIMEOUT }
    const settings = { minimizeConnections: true, keyPrefix: undefined, defaults: { ...defaults, socket } }
    const cluster = this.#client.duplicate({ ...settings, ...(rootNodes.length > 0 && { rootNodes }) })
    let reason: Error | undefined
    cluster.on('error', (error: Error) => (reason = error))
    cluster.on('node-error', () => {})
    try {
      await cluster.connect()
      return this.#learnTopology(cluster)
    } catch (error) {
      throw reason ?? error
    } finally {
      if (cluster.isOpen) cluster.destroy()
    }
  }

  #learnTopology(cluster: NodeRedis): Topology {
    const nodes = cluster.masters ?? []
    const slots = [...(cluster.slots ?? [])].map((shard) => shard?.master.address)
    this.#masters = new Map(
      nodes.map((node) => [node.address, this.#masters.get(node.address) ?? clientOf(cluster, node)])
    )
    this.#rootNodes = nodes.map(({ host, port }) => ({ socket: { host, port } }))
    return { masters: nodes.map(({ address }) => address), masterOf: (slot) => slots[slot] }
  }
}

/** The client that a cluster would use for a server. The cluster makes it only by connecting it, so it is destroyed once it has. */
function clientOf(cluster: NodeRedis, node: Master): NodeRedis {
  cluster.nodeClient?.(node).catch(() => {})
  const client = node.client as NodeRedis
  // Hidden from the cluster: if the cluster destroyed it before it has a socket, the socket would stay open.
  node.client = undefined
  client.on('connect', () => client.destroy())
  return client
}

class NodeRedisConnection implements RedisConnection {
  readonly #client: NodeRedis
  readonly #isSharded: boolean
  readonly #listener: Listener
  #hasSocket = false
  #isClosed = false

  constructor(client: NodeRedis, isSharded: boolean, events: ConnectionEvents) {
    this.#client = client
    this.#isSharded = isSharded
    this.#listener = (message, channel) => events.onMessage(channel.toString(), message)
    client.on('error', (error: Error) => events.onEnd(error))
    client.on('end', () => events.onEnd(new Error('the connection to Redis was closed')))
    client.on('connect', () => {
      this.#hasSocket = true
      if (this.#isClosed) client.destroy()
    })
    client.on('sharded-channel-moved', () => events.onSlotsMoved())
  }

  async connect(): Promise<void> {
    await this.#client.connect()
    // A server that is still loading its data accepts connections, but no PING.
    await ignoreRefusal(this.ping())
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
    return allSettled(channels.map((channel) => this.#client.sUnsubscribe(channel, this.#listener, true)))
  }

  ping(): Promise<unknown> {
    return this.#client.ping()
  }

  command(args: readonly (string | Buffer)[]): Promise<unknown> {
    return this.#client.sendCommand(args, COMMAND)
  }

  close(): void {
    this.#isClosed = true
    // Before it has a socket, destroy() would leave the socket open. The 'connect' listener does it then.
    if (this.#hasSocket && this.#client.isOpen) this.#client.destroy()
  }
}
