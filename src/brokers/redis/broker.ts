import { errors, invalidOption } from '../../internal/errors.ts'
import { boolean, type Checks, nonEmptyString, validateOptions } from '../../internal/validate.ts'
import type { Broker, BrokerNode } from '../broker.ts'
import type { RedisDriver, RedisEvents, RedisLibrary } from './driver.ts'
import { IoRedisLibrary, isIoRedis } from './ioredis.ts'
import { isNodeRedis, isNodeRedisCluster, NodeRedisLibrary, whyUnusable } from './node-redis.ts'
import { ShardedDriver } from './sharded.ts'
import { SingleDriver } from './single.ts'

/** A client of ioredis (5 or 6) or node-redis (5 or 6), or a cluster of either. */
export interface RedisClient {
  duplicate(...overrides: never[]): unknown
}

/** The options of `redisBroker`. */
export interface RedisBrokerOptions {
  /** It is not used itself: the broker makes two connections like it, which it closes again. */
  client: RedisClient
  /** What the names of all channels begin with: nodes with the same prefix are one cluster. @default 'blaze:' */
  prefix?: string | undefined
  /** Whether sharded channels are used (SPUBLISH, Redis 7). @default true for a cluster, false otherwise */
  sharded?: boolean | undefined
}

/** How long what is under way may take when the broker closes, in milliseconds. */
const CLOSE_TIMEOUT = 1_000
const CHECKS: Checks<RedisBrokerOptions> = {
  client: checkClient,
  prefix: nonEmptyString,
  sharded: boolean
}

/**
 * Joins hubs through Redis 6.2 and up, Valkey, or a cluster of either (7 and up, unless `sharded` is false).
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION for an unknown option or a wrong value.
 */
export function redisBroker(options: RedisBrokerOptions): Broker {
  const { client } = (options ?? {}) as Partial<RedisBrokerOptions>
  // Before the other options: a client passed in place of the options would look like many unknown ones.
  if (client === undefined)
    throw invalidOption(
      'redisBroker.client',
      'must be a client or cluster of ioredis or node-redis: redisBroker({ client })'
    )
  const { prefix, sharded } = validateOptions(options, 'redisBroker', CHECKS, { prefix: 'blaze:' })
  const [library, isCluster] = libraryOf(client)
  const isSharded = sharded ?? isCluster
  return new RedisBroker(prefix, (events) => {
    return isCluster && isSharded
      ? new ShardedDriver(library, prefix, events)
      : new SingleDriver(library, { isCluster, isSharded, prefix }, events)
  })
}

function checkClient(value: unknown): RedisClient {
  libraryOf(value)
  return value as RedisClient
}

/** The library of this client, and whether it is a cluster. @throws FST_BLAZE_WS_INVALID_OPTION */
function libraryOf(client: unknown): [library: RedisLibrary, isCluster: boolean] {
  if (client !== null && typeof client === 'object') {
    if (isIoRedis(client)) return [new IoRedisLibrary(client), client.isCluster === true]
    if (isNodeRedis(client)) {
      const reason = whyUnusable(client)
      if (reason !== undefined) throw invalidOption('redisBroker.client', reason)
      return [new NodeRedisLibrary(client), isNodeRedisCluster(client)]
    }
  }
  throw invalidOption('redisBroker.client', 'must be a client or cluster of ioredis or node-redis', client)
}

class RedisBroker implements Broker {
  readonly #prefix: string
  readonly #driver: RedisDriver
  #node: BrokerNode | undefined
  #underWay = 0
  #onIdle: () => void = () => {}
  readonly #settled = (): void => {
    if (--this.#underWay === 0) this.#onIdle()
  }

  constructor(prefix: string, driver: (events: RedisEvents) => RedisDriver) {
    this.#prefix = prefix
    this.#driver = driver({
      message: (channel, message) => {
        // A server that sends on a channel nobody has subscribed to must not reach another channel.
        if (channel.startsWith(prefix)) this.#node?.receive(channel.slice(prefix.length), message)
      },
      lost: (error) => this.#node?.lost(error)
    })
  }

  open(node: BrokerNode): void {
    if (this.#node !== undefined) throw new errors.BROKER_IN_USE()
    this.#node = node
  }

  // Not async: what can be sent is to leave at once.
  publish(channel: string, message: Uint8Array): Promise<void> {
    this.#underWay++
    const published = this.#driver.publish(
      this.#prefix + channel,
      Buffer.from(message.buffer, message.byteOffset, message.byteLength)
    )
    published.then(this.#settled, this.#settled)
    return published as Promise<void>
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    if (channels.length > 0) await this.#driver.subscribe(channels.map((channel) => this.#prefix + channel))
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    if (channels.length > 0) await this.#driver.unsubscribe(channels.map((channel) => this.#prefix + channel))
  }

  async check(): Promise<void> {
    await this.#driver.check()
  }

  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const isIdle = new Promise<void>((resolve) => {
      this.#onIdle = resolve
      timer = setTimeout(resolve, CLOSE_TIMEOUT).unref()
    })
    if (this.#underWay > 0) await isIdle
    clearTimeout(timer)
    this.#driver.close()
  }
}
