import { setImmediate as turn } from 'node:timers/promises'
import { errors, invalidOption } from '../internal/errors.ts'
import { check, type Checks, objectWith, validateOptions } from '../internal/validate.ts'
import type { Broker, BrokerNode } from './broker.ts'

interface NatsSubscription {
  unsubscribe(): void
}

/** What is used of a connection of `@nats-io/transport-node`, as `connect()` gives it. */
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
   * A connection, which stays the application's. Connect with `maxReconnectAttempts: -1`, so that it outlives an outage,
   * `ignoreAuthErrorAbort: true`, so that it outlives refused credentials, and a short `reconnectTimeWait`.
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
/** What a server says where a connection or an account has too many subscriptions. */
const EXCESS = /maximum (account )?(active )?subscriptions exceeded/i
const CHECKS: Checks<NatsBrokerOptions> = {
  client: objectWith(METHODS, 'must be a connection of @nats-io/transport-node'),
  prefix: check((value) => typeof value === 'string' && PREFIX.test(value), "must be a subject such as 'my-app.blaze'")
}

/**
 * Joins hubs through NATS.
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION for an unknown option or a wrong value.
 */
export function natsBroker(options: NatsBrokerOptions): Broker {
  const { client } = (options ?? {}) as Partial<NatsBrokerOptions>
  // Before the other options: a client passed in place of the options would look like many unknown ones.
  if (client === undefined)
    throw invalidOption('natsBroker.client', 'must be a connection of @nats-io/transport-node: natsBroker({ client })')
  const { prefix } = validateOptions(options, 'natsBroker', CHECKS, { prefix: 'blaze' })
  return new NatsBroker(client, prefix)
}

/** What is sent in one tick, up to the answer of the server, and what the server has refused of it. */
interface Round {
  answered: Promise<void>
  /** Subjects that may not be published to. */
  readonly refused: Map<string, Error>
  /** How many subscriptions are asked for. */
  subscribing: number
  /** There are too many subscriptions; the server does not say which ones it has refused. */
  excess: Error | undefined
}

class NatsBroker implements Broker {
  readonly #client: NatsClient
  readonly #prefix: string
  readonly #subscriptions = new Map<string, NatsSubscription>()
  /** Channels that are being subscribed to, and why they cannot be. */
  readonly #asking = new Map<string, Error | undefined>()
  /** Channels whose subscription the server has ended, and why. */
  readonly #ended = new Map<string, Error>()
  readonly #rounds = new Set<Round>()
  #round: Round | undefined
  #node: BrokerNode | undefined
  #statuses: ReturnType<NatsClient['status']> | undefined
  #isConnected = true
  /** The client has subscribed again after an outage, and the server has not answered yet. */
  #isResubscribing = false

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
    const subject = this.#subjectOf(channel)
    this.#client.publish(subject, message)
    const round = this.#currentRound()
    await round.answered
    const refusal = round.refused.get(subject)
    if (refusal !== undefined) throw refusal
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    this.#assertConnected()
    const added = channels.filter((channel) => !this.#subscriptions.has(channel))
    for (const channel of added) this.#subscribe(channel)
    const round = this.#currentRound()
    round.subscribing += added.length
    try {
      await round.answered
      if (added.length > 0 && round.excess !== undefined) throw round.excess
      for (const channel of added) this.#assertAllowed(channel)
    } catch (error) {
      this.#drop(added)
      throw error
    } finally {
      for (const channel of added) this.#asking.delete(channel)
    }
    for (const channel of channels) this.#ended.delete(channel)
  }

  #subscribe(channel: string): void {
    this.#asking.set(channel, undefined)
    const callback = (error: Error | null, message: { data: Uint8Array }): void => {
      if (error === null) this.#node?.receive(channel, message.data)
      else if (this.#asking.has(channel)) this.#asking.set(channel, error)
      else this.#end([channel], error)
    }
    this.#subscriptions.set(channel, this.#client.subscribe(this.#subjectOf(channel), { callback }))
  }

  /** The client forgets it at once, whether the server hears of it now or knows nothing of it when it is back. */
  async unsubscribe(channels: readonly string[]): Promise<void> {
    this.#drop(channels)
    for (const channel of channels) this.#ended.delete(channel)
  }

  #drop(channels: readonly string[]): void {
    for (const channel of channels) {
      if (!this.#client.isClosed()) this.#subscriptions.get(channel)?.unsubscribe()
      this.#subscriptions.delete(channel)
    }
  }

  /** The server says that something is not allowed before it answers what was asked behind it. */
  #assertAllowed(channel: string): void {
    const error = this.#asking.get(channel)
    if (error !== undefined) throw error
  }

  /** The server has ended subscriptions that were in force. */
  #end(channels: readonly string[], error: Error): void {
    this.#drop(channels)
    for (const channel of channels) this.#ended.set(channel, error)
    this.#node?.lost(error)
  }

  async check(): Promise<void> {
    this.#assertConnected()
    if (this.#ended.size > 0) await this.subscribe([...this.#ended.keys()])
    else await this.#currentRound().answered
    this.#isResubscribing = false
    for (const error of this.#ended.values()) throw error
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

  /** There is one answer of the server for all that is sent in a tick. */
  #currentRound(): Round {
    if (this.#round !== undefined) return this.#round
    const round: Round = { answered: Promise.resolve(), refused: new Map(), subscribing: 0, excess: undefined }
    this.#rounds.add(round)
    this.#round = round
    round.answered = this.#flush(round)
    return round
  }

  async #flush(round: Round): Promise<void> {
    try {
      await Promise.resolve()
      this.#round = undefined
      await this.#client.flush()
      // What the server has refused before its answer is reported as a status, which takes a moment longer.
      await turn()
    } finally {
      this.#rounds.delete(round)
    }
  }

  /** The server has refused something. It does not say which message, or for which of the answers that are awaited. */
  #refused(error: Error): void {
    const { operation, subject } = error as { operation?: unknown; subject?: unknown }
    if (operation === 'publish') for (const { refused } of this.#rounds) refused.set(String(subject), error)
    if (!EXCESS.test(error.message)) return
    const asking = [...this.#rounds].filter(({ subscribing }) => subscribing > 0)
    for (const round of asking) round.excess = error
    if (asking.length === 0 || this.#isResubscribing)
      this.#end(
        [...this.#subscriptions.keys()].filter((channel) => !this.#asking.has(channel)),
        error
      )
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
    for await (const { type, error } of this.#statuses) {
      if (type === 'error' && error !== undefined) this.#refused(error)
      if (type === 'reconnect') this.#isConnected = this.#isResubscribing = true
      if (type !== 'disconnect' && type !== 'close') continue
      this.#isConnected = false
      this.#node?.lost(new errors.BROKER_UNAVAILABLE('the connection to NATS is lost'))
    }
  }
}
