import { Connection } from './connection.ts'
import { answered, CONNECT_TIMEOUT, type RedisDriver, type RedisEvents, retryDelay, SOCKET_TIMEOUT } from './driver.ts'

type Listener = (message: Buffer, channel: Buffer) => void

/** What is used of node-redis; its own types are for those who have it. */
export interface NodeRedis {
  readonly isOpen: boolean
  /** A cluster of version 5 does not say it. */
  readonly isReady?: boolean
  /** Of a client. */
  readonly options?: { socket?: object }
  /** Of a cluster. */
  readonly masters?: readonly unknown[]
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
}

/** True for a client of node-redis, also for a cluster. */
export function isNodeRedis(client: object): client is NodeRedis {
  const { isOpen, sSubscribe, duplicate } = client as Partial<NodeRedis>
  return typeof isOpen === 'boolean' && typeof sSubscribe === 'function' && typeof duplicate === 'function'
}

const isReady = (client: NodeRedis): boolean => client.isReady !== false

/** Redis through node-redis. It subscribes again by itself when it reconnects. */
export class NodeRedisDriver implements RedisDriver {
  readonly #client: NodeRedis
  readonly #events: RedisEvents
  readonly #isSharded: boolean
  readonly #listener: Listener
  readonly #publisher = new Connection(() => this.#duplicate((error) => this.#lost(this.#publisher, error)), isReady)
  readonly #subscriber = new Connection(() => this.#duplicate((error) => this.#lost(this.#subscriber, error)), isReady)
  #isClosed = false

  constructor(client: NodeRedis, isSharded: boolean, events: RedisEvents) {
    this.#client = client
    this.#isSharded = isSharded
    this.#events = events
    this.#listener = (message, channel) => events.message(channel.toString(), message)
  }

  publish(channel: string, message: Buffer): Promise<unknown> {
    const publisher = this.#publisher.now()
    if (publisher !== undefined) return this.#send(publisher, channel, message)
    return this.#publisher.ready().then((late) => this.#send(late, channel, message))
  }

  #send(publisher: NodeRedis, channel: string, message: Buffer): Promise<unknown> {
    return this.#isSharded ? publisher.sPublish(channel, message) : publisher.publish(channel, message)
  }

  async subscribe(channels: readonly string[]): Promise<unknown> {
    const subscriber = await this.#subscriber.ready()
    if (!this.#isSharded) return subscriber.subscribe(channels, this.#listener, true)
    return Promise.all(channels.map((channel) => subscriber.sSubscribe(channel, this.#listener, true)))
  }

  async unsubscribe(channels: readonly string[]): Promise<unknown> {
    const subscriber = await this.#subscriber.ready()
    if (!this.#isSharded) return subscriber.unsubscribe(channels, this.#listener, true)
    return Promise.all(channels.map((channel) => subscriber.sUnsubscribe(channel, this.#listener, true)))
  }

  async check(): Promise<unknown> {
    const [publisher, subscriber] = await Promise.all([this.#publisher.ready(), this.#subscriber.ready()])
    return Promise.all([answered(publisher.ping()), answered(subscriber.ping())])
  }

  close(): void {
    this.#isClosed = true
    for (const { client } of [this.#publisher, this.#subscriber]) if (client?.isOpen === true) client.destroy()
  }

  #lost(connection: Connection<NodeRedis>, error: Error): void {
    connection.lastError = error
    if (!this.#isClosed) this.#events.lost(connection.unavailable('the connection to Redis is lost, or cannot be made'))
  }

  /** What cannot be sent now is not sent later. A cluster keeps its settings: its credentials stand among what would be replaced. */
  #duplicate(lost: (error: Error) => void): NodeRedis {
    const socket = { ...this.#client.options?.socket, connectTimeout: CONNECT_TIMEOUT, socketTimeout: SOCKET_TIMEOUT, reconnectStrategy: retryDelay }
    const own = { disableOfflineQueue: true, keyPrefix: undefined, socket }
    const connection = this.#client.duplicate(Array.isArray(this.#client.masters) ? { keyPrefix: undefined } : own)
    connection.on('error', lost)
    return connection
  }
}
