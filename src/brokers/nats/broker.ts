// The broker over NATS. It uses the application's connection, which reconnects and subscribes again by itself.

import { errors, invalidOption } from '../../internal/errors.ts'
import { withTimeout } from '../../internal/promises.ts'
import { check, type Checks, objectWith, validateOptions } from '../../internal/validate.ts'
import type { Broker, BrokerNode } from '../broker.ts'
import { RoundTrips } from './round-trips.ts'

interface NatsSubscription {
  unsubscribe(): void
}

/** A connection of `@nats-io/transport-node`, as `connect()` makes it. These are the parts that the broker uses. */
export interface NatsClient {
  readonly info?: { max_payload: number } | undefined
  publish(subject: string, payload?: Uint8Array): void
  subscribe(
    subject: string,
    options: { callback: (error: Error | null, message: { data: Uint8Array }) => void }
  ): NatsSubscription
  flush(): Promise<void>
  status(): AsyncIterable<{ type: string; error?: Error }> & { stop?(error?: Error): void }
  isClosed(): boolean
}

/** The options of `natsBroker`. */
export interface NatsBrokerOptions {
  /**
   * The connection, which the application closes. Connect with `maxReconnectAttempts: -1`, so that it survives an outage,
   * `ignoreAuthErrorAbort: true`, so that it survives refused credentials, and a short `reconnectTimeWait`.
   */
  client: NatsClient
  /** The beginning of all subjects. Nodes with the same prefix are one cluster. @default 'blaze' */
  prefix?: string | undefined
}

const METHODS = ['publish', 'subscribe', 'flush', 'status', 'isClosed'] as const
/** Tokens of a subject, without wildcards. */
const PREFIX = /^[\w-]+(\.[\w-]+)*$/
/** The longest message that a server accepts by default, in bytes. */
const DEFAULT_MAX_PAYLOAD = 1024 * 1024
/** How long `close` waits for messages that are under way, in milliseconds. */
const CLOSE_TIMEOUT = 1_000
/** The error of a server if a connection or an account has too many subscriptions. */
const TOO_MANY_SUBSCRIPTIONS = /maximum (account )?(active )?subscriptions exceeded/i
const CHECKS: Checks<NatsBrokerOptions> = {
  client: objectWith(METHODS, 'must be a connection of @nats-io/transport-node'),
  prefix: check((value) => typeof value === 'string' && PREFIX.test(value), "must be a subject such as 'my-app.blaze'")
}

/**
 * Makes a broker that connects hubs through NATS.
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION if an option is unknown or has a wrong value.
 */
export function natsBroker(options: NatsBrokerOptions): Broker {
  const { client } = (options ?? {}) as Partial<NatsBrokerOptions>
  // Checked first: if the client was passed in place of the options, all its properties would be reported as unknown options.
  if (client === undefined)
    throw invalidOption('natsBroker.client', 'must be a connection of @nats-io/transport-node: natsBroker({ client })')
  const { prefix } = validateOptions(options, 'natsBroker', CHECKS, { prefix: 'blaze' })
  return new NatsBroker(client, prefix)
}

class NatsBroker implements Broker {
  readonly #client: NatsClient
  readonly #prefix: string
  readonly #roundTrips: RoundTrips
  readonly #subscriptions = new Map<string, NatsSubscription>()
  /** Channels whose subscription the server has not answered yet, and the error if it has refused it. */
  readonly #pending = new Map<string, Error | undefined>()
  /** Channels whose subscription the server has ended, and the reason. */
  readonly #ended = new Map<string, Error>()
  #node: BrokerNode | undefined
  #statuses: ReturnType<NatsClient['status']> | undefined
  #isConnected = true
  /** True if the client has subscribed again after an outage and the server has not answered yet. */
  #isResubscribing = false

  constructor(client: NatsClient, prefix: string) {
    this.#client = client
    this.#prefix = prefix
    this.#roundTrips = new RoundTrips(() => client.flush())
    void this.#watchStatus()
  }

  get maxMessage(): number {
    return this.#client.info?.max_payload ?? DEFAULT_MAX_PAYLOAD
  }

  open(node: BrokerNode): void {
    if (this.#node !== undefined) throw new errors.BROKER_IN_USE()
    this.#node = node
  }

  async publish(channel: string, message: Uint8Array): Promise<void> {
    this.#assertConnected()
    const subject = this.#subjectOf(channel)
    this.#client.publish(subject, message)
    const trip = this.#roundTrips.join()
    await trip.answered
    const refusal = trip.refused.get(subject)
    if (refusal !== undefined) throw refusal
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    this.#assertConnected()
    const added = channels.filter((channel) => !this.#subscriptions.has(channel))
    for (const channel of added) this.#subscribe(channel)
    const trip = this.#roundTrips.join()
    trip.subscribing += added.length
    try {
      await trip.answered
      if (added.length > 0 && trip.tooMany !== undefined) throw trip.tooMany
      for (const channel of added) this.#assertAllowed(channel)
    } catch (error) {
      this.#drop(added)
      throw error
    } finally {
      for (const channel of added) this.#pending.delete(channel)
    }
    for (const channel of channels) this.#ended.delete(channel)
  }

  /** Does not wait for the server: the client drops the subscriptions at once, and does not restore them after an outage. */
  async unsubscribe(channels: readonly string[]): Promise<void> {
    this.#drop(channels)
    for (const channel of channels) this.#ended.delete(channel)
  }

  async check(): Promise<void> {
    this.#assertConnected()
    if (this.#ended.size > 0) await this.subscribe([...this.#ended.keys()])
    else await this.#roundTrips.join().answered
    this.#isResubscribing = false
    // The server may have ended subscriptions in the meantime.
    for (const error of this.#ended.values()) throw error
  }

  async close(): Promise<void> {
    this.#statuses?.stop?.()
    if (this.#client.isClosed()) return
    for (const subscription of this.#subscriptions.values()) subscription.unsubscribe()
    this.#subscriptions.clear()
    if (!this.#isConnected) return
    const flushed = this.#client.flush().catch(() => {})
    await withTimeout(flushed, CLOSE_TIMEOUT, () => {}, { isRef: true })
  }

  #subscribe(channel: string): void {
    this.#pending.set(channel, undefined)
    const callback = (error: Error | null, message: { data: Uint8Array }): void => {
      if (error === null) this.#node?.receive(channel, message.data)
      else if (this.#pending.has(channel)) this.#pending.set(channel, error)
      else this.#endSubscriptions([channel], error)
    }
    this.#subscriptions.set(channel, this.#client.subscribe(this.#subjectOf(channel), { callback }))
  }

  #assertAllowed(channel: string): void {
    const error = this.#pending.get(channel)
    if (error !== undefined) throw error
  }

  #drop(channels: readonly string[]): void {
    for (const channel of channels) {
      if (!this.#client.isClosed()) this.#subscriptions.get(channel)?.unsubscribe()
      this.#subscriptions.delete(channel)
    }
  }

  /** Notes that the server has ended subscriptions, which `check` tries to restore. */
  #endSubscriptions(channels: readonly string[], error: Error): void {
    this.#drop(channels)
    for (const channel of channels) this.#ended.set(channel, error)
    this.#node?.lost(error)
  }

  async #watchStatus(): Promise<void> {
    this.#statuses = this.#client.status()
    for await (const { type, error } of this.#statuses) {
      if (type === 'error' && error !== undefined) this.#handleRefusal(error)
      if (type === 'reconnect') this.#isConnected = this.#isResubscribing = true
      if (type !== 'disconnect' && type !== 'close') continue
      this.#isConnected = false
      this.#node?.lost(new errors.BROKER_UNAVAILABLE('the connection to NATS was lost'))
    }
  }

  #handleRefusal(error: Error): void {
    const { operation, subject } = error as { operation?: unknown; subject?: unknown }
    if (operation === 'publish') this.#roundTrips.refuseSubject(String(subject), error)
    if (!TOO_MANY_SUBSCRIPTIONS.test(error.message)) return
    const wasAskedFor = this.#roundTrips.refuseSubscriptions(error)
    if (wasAskedFor && !this.#isResubscribing) return
    // The server does not say which subscriptions it has refused, so all that were in force may be among them.
    const inForce = [...this.#subscriptions.keys()].filter((channel) => !this.#pending.has(channel))
    this.#endSubscriptions(inForce, error)
  }

  /** In base64url, any channel is one token of a subject. */
  #subjectOf(channel: string): string {
    return `${this.#prefix}.${Buffer.from(channel).toString('base64url')}`
  }

  /** Without a connection, the client would keep messages and send them later. */
  #assertConnected(): void {
    if (this.#client.isClosed()) throw new errors.BROKER_UNAVAILABLE('the connection to NATS is closed')
    if (!this.#isConnected) throw new errors.BROKER_UNAVAILABLE('there is no connection to NATS')
  }
}
