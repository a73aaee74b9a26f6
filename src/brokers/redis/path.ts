// The path that messages take through Redis. A path also probes itself: with two connections, each can be alive although messages do
// not get from one to the other, for example after a failover.

import { randomBytes } from 'node:crypto'
import { withTimeout } from '../../internal/promises.ts'
import type { RedisConnection, RedisDriver, RedisEvents } from './driver.ts'
import { ignoreRefusal, isRefusal, unavailable } from './errors.ts'
import { PersistentConnection, type PersistentConnectionOptions } from './persistent-connection.ts'
import { Subscriber } from './subscriber.ts'

/** How long a check may take before a path with failover connects again, in milliseconds. */
const CHECK_TIMEOUT = 5_000

export interface PathOptions {
  createPublisher: PersistentConnectionOptions['create']
  createSubscriber: PersistentConnectionOptions['create']
  /** The channel on which the path sends itself messages. Only this path uses it. */
  probeChannel: () => string
  events: RedisEvents
  /** The server has ended subscriptions because their slots have moved. */
  onSlotsMoved?: () => void
  /** Whether another server may have taken the place of one that does not answer, so that it helps to connect again. */
  hasFailover: boolean
  /** Called when the path is closed. */
  onClose?: () => void
}

/** A new channel for probes. */
export function newProbeChannel(prefix: string): string {
  return `${prefix}probe:${randomBytes(8).toString('hex')}`
}

/** One connection to publish over, which keeps messages in order, and one to subscribe over. Both are made when they are first used. */
export class Path implements RedisDriver {
  readonly #options: PathOptions
  readonly #publisher: PersistentConnection
  readonly #subscriber: Subscriber
  #probeChannel: string | undefined
  #check: Promise<void> | undefined
  #resolveProbe = (): void => {}
  #rejectProbe = (_error: Error): void => {}

  constructor(options: PathOptions) {
    const { createPublisher, createSubscriber, events, onSlotsMoved } = options
    this.#options = options
    this.#publisher = new PersistentConnection({ create: createPublisher, onLost: (error) => events.onLost(error) })
    this.#subscriber = new Subscriber({
      create: createSubscriber,
      onMessage: (channel, message) => this.#receive(channel, message),
      onSlotsMoved: () => {
        this.#rejectProbe(subscriptionsEnded())
        onSlotsMoved?.()
      },
      onLost: (error) => {
        this.#rejectProbe(error)
        events.onLost(error)
      }
    })
  }

  /** The channels that are subscribed to, or were and will be again. */
  get channels(): ReadonlySet<string> {
    return this.#subscriber.channels
  }

  // Not async, so that the message leaves in this turn.
  publish(channel: string, message: Buffer): Promise<unknown> {
    return this.#publisher.run((connection) => connection.publish(channel, message))
  }

  subscribe(channels: readonly string[]): Promise<void> {
    return this.#subscriber.subscribe(channels)
  }

  unsubscribe(channels: readonly string[]): Promise<void> {
    return this.#subscriber.unsubscribe(channels)
  }

  /** Drops channels that the server no longer has. */
  forget(channels: readonly string[]): void {
    if (this.#probeChannel !== undefined && channels.includes(this.#probeChannel))
      this.#rejectProbe(subscriptionsEnded())
    this.#subscriber.forget(channels)
  }

  /**
   * Replaces the connection for subscriptions and subscribes again to all channels. If a server ends subscriptions by itself, the
   * client library no longer knows what it is subscribed to.
   */
  renewSubscriber(): void {
    this.#subscriber.connection.restart(subscriptionsEnded())
  }

  /**
   * Resolves when both connections answer, and a message that is published over one has arrived over the other. Checks at the
   * same time are one: a second probe would leave the first without an arrival, as if the server did not answer.
   */
  check(): Promise<void> {
    this.#check ??= this.#probeWithTimeout().finally(() => (this.#check = undefined))
    return this.#check
  }

  close(): void {
    this.#rejectProbe(subscriptionsEnded())
    this.#options.onClose?.()
    this.#publisher.close()
    this.#subscriber.connection.close()
  }

  async #probeWithTimeout(): Promise<void> {
    await withTimeout(this.#probe(this.#options.probeChannel()), CHECK_TIMEOUT, () =>
      this.#giveUp(unavailable(`Redis did not answer within ${CHECK_TIMEOUT} ms`))
    )
  }

  #giveUp(error: Error): never {
    if (this.#options.hasFailover)
      for (const connection of [this.#publisher, this.#subscriber.connection]) connection.restart(error)
    throw error
  }

  async #probe(channel: string): Promise<void> {
    this.#probeChannel = channel
    const arrival = new Promise<void>((resolve, reject) => {
      this.#resolveProbe = resolve
      this.#rejectProbe = reject
    })
    // Marks the promise as handled: it may reject before it is awaited.
    arrival.catch(() => {})
    try {
      if (!this.channels.has(channel)) await this.subscribe([channel])
      // A subscriber that is still connecting would miss the message.
      else await this.#subscriber.connection.run(async () => {})
      await this.publish(channel, Buffer.alloc(0))
    } catch (error) {
      if (!isRefusal(error)) throw error
      return this.#ping()
    }
    await arrival
  }

  /** Checks the connections one by one. A user who may only publish, or only subscribe, cannot send messages to himself. */
  async #ping(): Promise<void> {
    await Promise.all([this.#publisher.run(ping), this.#subscriber.connection.run(ping)])
  }

  #receive(channel: string, message: Buffer): void {
    if (channel === this.#probeChannel) this.#resolveProbe()
    else this.#options.events.onMessage(channel, message)
  }
}

function ping(connection: RedisConnection): Promise<void> {
  return ignoreRefusal(connection.ping())
}

function subscriptionsEnded(): Error {
  return unavailable('Redis ended subscriptions')
}
