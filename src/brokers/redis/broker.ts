// The broker over Redis: it checks the options, chooses a library and a driver, and adds the prefix to the names of channels.

import { errors, invalidOption } from '../../internal/errors.ts'
import { withTimeout } from '../../internal/promises.ts'
import { boolean, type Checks, nonEmptyString, validateOptions } from '../../internal/validate.ts'
import type { Broker, BrokerNode } from '../broker.ts'
import type { RedisDriver, RedisEvents } from './driver.ts'
import { checkClient, libraryOf, type RedisClient } from './library.ts'
import { ShardedDriver } from './sharded.ts'
import { singleDriver } from './single.ts'

/** The options of `redisBroker`. */
export interface RedisBrokerOptions {
  /**
   * The client whose options are used for the connections of the broker: one to publish and one to subscribe, for each server that
   * it uses. The client itself is not used and need not be connected. The application closes it.
   */
  client: RedisClient
  /** The beginning of the names of all channels. Nodes with the same prefix are one cluster. @default 'blaze:' */
  prefix?: string | undefined
  /** Whether to use sharded channels (SPUBLISH, Redis 7). @default true for a cluster, false otherwise */
  sharded?: boolean | undefined
}

/** How long `close` waits for messages that are under way, in milliseconds. */
const CLOSE_TIMEOUT = 1_000
const CHECKS: Checks<RedisBrokerOptions> = {
  client: checkClient,
  prefix: nonEmptyString,
  sharded: boolean
}

/**
 * Makes a broker that connects hubs through Redis 6.2 and up, Valkey, or a cluster of either (7 and up, unless `sharded` is false).
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION if an option is unknown or has a wrong value, or if the client is not supported: a client of
 * node-redis 4, or a sentinel or pool of node-redis.
 */
export function redisBroker(options: RedisBrokerOptions): Broker {
  const { client } = (options ?? {}) as Partial<RedisBrokerOptions>
  // Checked first: if the client was passed in place of the options, all its properties would be reported as unknown options.
  if (client === undefined)
    throw invalidOption(
      'redisBroker.client',
      'must be a client or cluster of ioredis or node-redis: redisBroker({ client })'
    )
  const { prefix, sharded } = validateOptions(options, 'redisBroker', CHECKS, { prefix: 'blaze:' })
  const [library, isCluster] = libraryOf(client, 'redisBroker.client')
  const isSharded = sharded ?? isCluster
  return new RedisBroker({ client, prefix, isSharded, isCluster }, (events) => {
    return isCluster && isSharded
      ? new ShardedDriver(library, prefix, events)
      : singleDriver(library, { isCluster, isSharded, prefix }, events)
  })
}

/** What a store of histories needs to know to publish on the channels of a broker. */
export interface RedisChannels {
  readonly client: RedisClient
  readonly prefix: string
  readonly isSharded: boolean
  readonly isCluster: boolean
}

/** The broker over Redis. Its class is not public. */
export class RedisBroker implements Broker {
  readonly channels: RedisChannels
  readonly #prefix: string
  readonly #driver: RedisDriver
  #node: BrokerNode | undefined
  /** How many messages Redis has not confirmed yet. */
  #unconfirmed = 0
  #onIdle: () => void = () => {}
  readonly #onConfirmed = (): void => {
    if (--this.#unconfirmed === 0) this.#onIdle()
  }

  constructor(channels: RedisChannels, createDriver: (events: RedisEvents) => RedisDriver) {
    this.channels = channels
    this.#prefix = channels.prefix
    this.#driver = createDriver({
      onMessage: (channel, message) => this.#receive(channel, message),
      onLost: (error) => this.#node?.lost(error)
    })
  }

  open(node: BrokerNode): void {
    if (this.#node !== undefined) throw new errors.BROKER_IN_USE()
    this.#node = node
  }

  // Not async, so that the message leaves in this turn.
  publish(channel: string, message: Uint8Array): Promise<void> {
    this.#unconfirmed++
    const published = this.#driver.publish(
      this.#prefix + channel,
      Buffer.from(message.buffer, message.byteOffset, message.byteLength)
    )
    published.then(this.#onConfirmed, this.#onConfirmed)
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
    if (this.#unconfirmed > 0) {
      const idle = new Promise<void>((resolve) => (this.#onIdle = resolve))
      await withTimeout(idle, CLOSE_TIMEOUT, () => {})
    }
    this.#driver.close()
  }

  /** Ignores channels without our prefix: cut at its length, their names could be those of other channels. */
  #receive(channel: string, message: Buffer): void {
    if (channel.startsWith(this.#prefix)) this.#node?.receive(channel.slice(this.#prefix.length), message)
  }
}
