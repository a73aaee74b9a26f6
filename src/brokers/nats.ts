import { originOf } from './envelope.ts'
import { errors, invalidOption } from '../errors.ts'
import { entriesOf } from '../options.ts'
import type { Broker, BrokerNode } from './broker.ts'

interface NatsSubscription {
  unsubscribe(): void
}

/** What is used of a connection of `@nats-io/transport-node`, as `connect()` gives it. */
export interface NatsClient {
  readonly info?: { max_payload: number } | undefined
  publish(subject: string, payload?: Uint8Array): void
  subscribe(subject: string, options: { callback: (error: Error | null, message: { data: Uint8Array }) => void }): NatsSubscription
  flush(): Promise<void>
  status(): AsyncIterable<{ type: string }> & { stop?(error?: Error): void }
  isClosed(): boolean
}

/** The options of `natsBroker`. */
export interface NatsBrokerOptions {
  /**
   * A connection, which stays the application's. Connect with `maxReconnectAttempts: -1`, so that it outlives an outage, and with
   * a short `reconnectTimeWait`.
   */
  client: NatsClient
  /** What all subjects begin with: nodes with the same prefix are one cluster. @default 'blaze' */
  prefix?: string | undefined
}

const METHODS = ['publish', 'subscribe', 'flush', 'status', 'isClosed'] as const
/** Tokens of a subject without what has a meaning in it. */
const PREFIX = /^[\w-]+(\.[\w-]+)*$/
/** What a server takes that has not said it, in bytes. */
const MAX_PAYLOAD = 1024 * 1024
const CLOSE_TIMEOUT = 1_000

/**
 * Joins hubs through NATS.
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION for an unknown option or a wrong value.
 */
export function natsBroker(options: NatsBrokerOptions): Broker {
  const { client, prefix = 'blaze' } = (options ?? {}) as Partial<NatsBrokerOptions>
  if (client === undefined) throw invalidOption('natsBroker.client', 'must be a connection of @nats-io/transport-node: natsBroker({ client })')
  for (const [key] of entriesOf(options, 'natsBroker')) {
    if (key !== 'client' && key !== 'prefix') throw invalidOption(`natsBroker.${key}`, 'is unknown; allowed are client, prefix')
  }
  const methods = client as Partial<NatsClient>
  if (!METHODS.every((method) => typeof methods[method] === 'function')) {
    throw invalidOption('natsBroker.client', 'must be a connection of @nats-io/transport-node', client)
  }
  if (typeof prefix !== 'string' || !PREFIX.test(prefix)) throw invalidOption('natsBroker.prefix', "must be a subject such as 'my-app.blaze'", prefix)
  return new NatsBroker(client, prefix)
}

class NatsBroker implements Broker {
  readonly #client: NatsClient
  readonly #prefix: string
  readonly #subscriptions = new Map<string, NatsSubscription>()
  readonly #denied = new Map<string, Error>()
  #node: BrokerNode | undefined
  #statuses: ReturnType<NatsClient['status']> | undefined
  #isConnected = true
  /** One answer of the server for all that is published in a tick. */
  #flushed: Promise<void> | undefined

  constructor(client: NatsClient, prefix: string) {
    this.#client = client
    this.#prefix = prefix
    void this.#watch()
  }

  get maxMessage(): number {
    return this.#client.info?.max_payload ?? MAX_PAYLOAD
  }

  open(node: BrokerNode): void {
    if (this.#node !== undefined) throw new errors.BROKER_IN_USE()
    this.#node = node
  }

  async publish(channel: string, message: Uint8Array): Promise<void> {
    this.#assertConnected()
    this.#client.publish(this.#subjectOf(channel), message)
    await this.#flush()
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    this.#assertConnected()
    for (const channel of channels) {
      if (this.#subscriptions.has(channel)) continue
      const callback = (error: Error | null, message: { data: Uint8Array }): void => {
        if (error === null) this.#receive(channel, message.data)
        else this.#denied.set(channel, error)
      }
      this.#subscriptions.set(channel, this.#client.subscribe(this.#subjectOf(channel), { callback }))
    }
    await this.#flush()
    for (const channel of channels) this.#assertAllowed(channel)
  }

  /** The client forgets it at once, whether the server hears of it now or knows nothing of it when it is back. */
  async unsubscribe(channels: readonly string[]): Promise<void> {
    for (const channel of channels) {
      if (!this.#client.isClosed()) this.#subscriptions.get(channel)?.unsubscribe()
      this.#subscriptions.delete(channel)
    }
  }

  /** The server says that something is not allowed before it answers what was asked behind it. */
  #assertAllowed(channel: string): void {
    const error = this.#denied.get(channel)
    if (error === undefined) return
    this.#denied.delete(channel)
    this.#subscriptions.delete(channel)
    throw error
  }

  async check(): Promise<void> {
    this.#assertConnected()
    await this.#client.flush()
  }

  async close(): Promise<void> {
    this.#statuses?.stop?.()
    if (this.#client.isClosed()) return
    for (const subscription of this.#subscriptions.values()) subscription.unsubscribe()
    this.#subscriptions.clear()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_TIMEOUT)
    })
    await Promise.race([this.#isConnected ? this.#client.flush().catch(() => {}) : undefined, late])
    clearTimeout(timer)
  }

  /** A node may have said to the server that it wants no echo, and another not. */
  #receive(channel: string, message: Uint8Array): void {
    if (originOf(message) !== this.#node?.id) this.#node?.receive(channel, message)
  }

  #flush(): Promise<void> {
    this.#flushed ??= Promise.resolve().then(() => {
      this.#flushed = undefined
      return this.#client.flush()
    })
    return this.#flushed
  }

  /** Any string is a channel, and not any is a token of a subject. */
  #subjectOf(channel: string): string {
    return `${this.#prefix}.${Buffer.from(channel).toString('base64url')}`
  }

  /** The client would keep what is published now until it is connected again. */
  #assertConnected(): void {
    if (this.#client.isClosed()) throw new errors.BROKER_UNAVAILABLE('the connection to NATS is closed')
    if (!this.#isConnected) throw new errors.BROKER_UNAVAILABLE('there is no connection')
  }

  async #watch(): Promise<void> {
    this.#statuses = this.#client.status()
    for await (const { type } of this.#statuses) {
      if (type === 'reconnect') this.#isConnected = true
      if (type !== 'disconnect' && type !== 'close') continue
      this.#isConnected = false
      this.#node?.lost(new errors.BROKER_UNAVAILABLE('the connection to NATS is lost'))
    }
  }
}
