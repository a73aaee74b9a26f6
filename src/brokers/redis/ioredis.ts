import { Connection } from './connection.ts'
import { answered, CONNECT_TIMEOUT, inParts, type RedisDriver, type RedisEvents, retryDelay, SOCKET_TIMEOUT } from './driver.ts'

/** What is used of ioredis; its own types are for those who have it. */
export interface IoRedis {
  readonly status: string
  readonly isCluster?: boolean
  /** Of a cluster. */
  readonly options?: { redisOptions?: object }
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
}

/** True for a client of ioredis, also for a Cluster. */
export function isIoRedis(client: object): client is IoRedis {
  const { status, ssubscribe } = client as Partial<IoRedis>
  return typeof status === 'string' && typeof ssubscribe === 'function'
}

/** How our own connections differ from the application's: what cannot be sent now is not sent later, and nothing is sent twice. */
const CONNECTION = {
  connectTimeout: CONNECT_TIMEOUT,
  socketTimeout: SOCKET_TIMEOUT,
  // How long a connection that is gone already keeps the process alive.
  disconnectTimeout: 100,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  // Where this is null, what is under way when the connection breaks is never answered.
  maxRetriesPerRequest: 0,
  keyPrefix: '',
  retryStrategy: retryDelay
}

const isReady = ({ status }: IoRedis): boolean => status === 'ready'

/** Redis through ioredis. */
export class IoRedisDriver implements RedisDriver {
  readonly #client: IoRedis
  readonly #events: RedisEvents
  readonly #isSharded: boolean
  readonly #publisher = new Connection(() => this.#duplicate((error) => this.#lost(this.#publisher, error)), isReady)
  readonly #subscriber = new Connection(() => this.#listening(), isReady)
  readonly #channels = new Set<string>()
  /** Settles when what was subscribed to before the connection broke is in force again. */
  #restored: Promise<unknown> = Promise.resolve()
  #isClosed = false

  constructor(client: IoRedis, isSharded: boolean, events: RedisEvents) {
    this.#client = client
    this.#isSharded = isSharded
    this.#events = events
  }

  publish(channel: string, message: Buffer): Promise<unknown> {
    const publisher = this.#publisher.now()
    if (publisher !== undefined) return this.#send(publisher, channel, message)
    return this.#publisher.ready().then((late) => this.#send(late, channel, message))
  }

  #send(publisher: IoRedis, channel: string, message: Buffer): Promise<unknown> {
    return this.#isSharded ? publisher.spublish(channel, message) : publisher.publish(channel, message)
  }

  async subscribe(channels: readonly string[]): Promise<unknown> {
    const subscriber = await this.#subscriber.ready()
    for (const channel of channels) this.#channels.add(channel)
    return this.#subscribe(subscriber, channels)
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    const subscriber = await this.#subscriber.ready()
    if (this.#isSharded) await Promise.all(channels.map((channel) => subscriber.sunsubscribe(channel)))
    else await inParts(channels, (part) => subscriber.unsubscribe(...part))
    // Not before: where it fails, the node goes on to believe that it gets them.
    for (const channel of channels) this.#channels.delete(channel)
  }

  async check(): Promise<unknown> {
    const [publisher, subscriber] = await Promise.all([this.#publisher.ready(), this.#subscriber.ready()])
    await this.#restored.catch(() => this.#restore(subscriber))
    return Promise.all([answered(publisher.ping()), answered(subscriber.ping())])
  }

  close(): void {
    this.#isClosed = true
    this.#publisher.client?.disconnect()
    this.#subscriber.client?.disconnect()
  }

  #subscribe(subscriber: IoRedis, channels: readonly string[]): Promise<unknown> {
    if (this.#isSharded) return Promise.all(channels.map((channel) => subscriber.ssubscribe(channel)))
    return inParts(channels, (part) => subscriber.subscribe(...part))
  }

  /** Subscribes again to what the connection had before it broke. */
  #restore(subscriber: IoRedis): Promise<unknown> {
    const restored = this.#channels.size === 0 ? Promise.resolve() : this.#subscribe(subscriber, [...this.#channels])
    restored.catch(() => {})
    this.#restored = restored
    return restored
  }

  #listening(): IoRedis {
    const subscriber = this.#duplicate((error) => this.#lost(this.#subscriber, error))
    subscriber.on(this.#isSharded ? 'smessageBuffer' : 'messageBuffer', (channel: Buffer, message: Buffer) => {
      this.#events.message(channel.toString(), message)
    })
    // ioredis would do it, too, and leave a rejection that nobody handles where the connection breaks again.
    subscriber.on('ready', () => void this.#restore(subscriber))
    return subscriber
  }

  /** It says every attempt's error, and `close` without one. */
  #lost(connection: Connection<IoRedis>, error: Error | undefined): void {
    if (error !== undefined) connection.lastError = error
    else if (!this.#isClosed) this.#events.lost(connection.unavailable('the connection to Redis is lost, or cannot be made'))
  }

  #duplicate(lost: (error?: Error) => void): IoRedis {
    // Without its queue, a cluster sends what is for a node that it has not connected to yet over another, and out of order.
    const ofCluster = { lazyConnect: true, keyPrefix: '', shardedSubscribers: this.#isSharded, clusterRetryStrategy: retryDelay, redisOptions: { ...this.#client.options?.redisOptions, ...CONNECTION } }
    const ofServer = { ...CONNECTION, lazyConnect: true, enableOfflineQueue: false }
    const connection = this.#client.isCluster ? this.#client.duplicate([], ofCluster) : this.#client.duplicate(ofServer)
    connection.on('error', lost)
    connection.on('close', () => lost())
    return connection
  }
}
