import type { Broker } from '../brokers/broker.ts'
import { atEndOfTick, type EndOfTick } from '../internal/end-of-turn.ts'

/** How long the subscription to a channel that nobody needs is kept, in milliseconds: a client that reconnects needs it again. */
const LINGER = 2_000

interface Channel {
  readonly name: string
  /** How often it was needed and not released. */
  users: number
  /** The engine has confirmed the subscription. */
  isSubscribed: boolean
  /** The engine has been asked to subscribe or unsubscribe, and has not answered. */
  isPending: boolean
  /** Since when nobody needs it, by `now()`. */
  idleSince: number
}

interface Waiter {
  /** Waits for every channel that was missing up to this turn. */
  readonly turn: number
  resolve: (isReady: boolean) => void
}

export interface SubscriptionsListener {
  /** Whether the engine does not answer. Then it is not asked for anything. */
  isAway(): boolean
  /** The node gets from now on what is sent on these channels. */
  onSubscribed(channels: readonly string[]): void
  /** The engine has refused to subscribe or unsubscribe. */
  onFailed(error: Error): void
  /** The node no longer gets what is sent on a channel. */
  onUnsubscribed(channel: string): void
}

/**
 * The channels that a node subscribes to: those that it needs, and for a while those that it has needed. Subscriptions that were
 * needed in one tick are one request to the engine. If the engine refuses, the request is repeated at the next check.
 */
export class Subscriptions implements EndOfTick {
  readonly #broker: Broker
  readonly #listener: SubscriptionsListener
  readonly #channels = new Map<string, Channel>()
  /** The channels that are needed and not subscribed to, in the order of the turns in which that began. */
  readonly #missing = new Map<string, number>()
  /** In the order of their turns. */
  readonly #waiters = new Set<Waiter>()
  readonly #waitersForChannel = new Map<string, Set<Waiter>>()
  #turn = 0
  #isScheduled = false
  #isClosed = false

  constructor(broker: Broker, listener: SubscriptionsListener) {
    this.#broker = broker
    this.#listener = listener
  }

  /** The channel is needed, until `release`. */
  need(name: string): void {
    let channel = this.#channels.get(name)
    if (channel === undefined) {
      channel = { name, users: 0, isSubscribed: false, isPending: false, idleSince: 0 }
      this.#channels.set(name, channel)
    }
    channel.users++
    this.#update(channel)
  }

  /** Takes back one `need`, at a time of `now()`. */
  release(name: string, time: number): void {
    const channel = this.#channels.get(name)
    if (channel === undefined) return
    channel.users--
    channel.idleSince = time
    this.#update(channel)
    if (channel.users > 0) return
    this.#resolveWaiters()
    this.#forgetIfUnused(channel)
  }

  /** Whether a channel is needed, or was needed a moment ago. */
  has(name: string): boolean {
    return this.#channels.has(name)
  }

  /** Whether the node gets what is sent on a channel. */
  isSubscribed(name: string): boolean {
    return this.#channels.get(name)?.isSubscribed === true
  }

  /**
   * Resolves to true once every channel that is needed now, or this one, is subscribed to or no longer needed. Resolves to false
   * after `timeout` milliseconds.
   */
  ready(name?: string, timeout?: number): Promise<boolean> {
    const isReady = name === undefined ? this.#missing.size === 0 : !this.#missing.has(name)
    if (isReady) return Promise.resolve(true)
    const waiters = name === undefined ? this.#waiters : this.#waitersFor(name)
    return new Promise((resolve) => this.#wait(waiters, resolve, timeout))
  }

  endOfTick(): void {
    this.#isScheduled = false
    this.#subscribe()
  }

  /** Subscribes to what is missing, and unsubscribes from what has not been needed for a while, at a time of `now()`. */
  check(time: number): void {
    this.#subscribe()
    const isUnused = ({ users, isPending, idleSince }: Channel): boolean =>
      users === 0 && !isPending && time - idleSince >= LINGER
    this.#unsubscribe([...this.#channels.values()].filter(isUnused))
  }

  close(): void {
    this.#isClosed = true
    for (const name of this.#missing.keys()) this.#notMissing(name)
    this.#resolveWaiters()
  }

  /** Notes whether a channel is missing. */
  #update(channel: Channel): void {
    if (this.#isClosed) return
    if (channel.users === 0 || channel.isSubscribed) return this.#notMissing(channel.name)
    if (!this.#missing.has(channel.name)) this.#missing.set(channel.name, ++this.#turn)
    if (this.#isScheduled) return
    this.#isScheduled = true
    atEndOfTick(this)
  }

  #subscribe(): void {
    // An engine that is frozen would be asked for every room that comes and goes meanwhile.
    if (this.#listener.isAway()) return
    const channels: Channel[] = []
    for (const name of this.#missing.keys()) {
      const channel = this.#channels.get(name) as Channel
      if (!channel.isPending) channels.push(channel)
    }
    this.#request(channels, true)
  }

  #unsubscribe(channels: Channel[]): void {
    // From now on nobody may rely on the subscription, or on what was learned from it.
    for (const channel of channels) {
      channel.isSubscribed = false
      this.#listener.onUnsubscribed(channel.name)
    }
    this.#request(channels, false)
  }

  #request(channels: Channel[], isSubscribe: boolean): void {
    if (channels.length === 0 || this.#isClosed) return
    for (const channel of channels) channel.isPending = true
    const names = channels.map(({ name }) => name)
    const answer = isSubscribe ? this.#broker.subscribe(names) : this.#broker.unsubscribe(names)
    answer.then(
      () => this.#onAnswer(channels, isSubscribe),
      (error: Error) => this.#onRefusal(channels, isSubscribe, error)
    )
  }

  #onAnswer(channels: readonly Channel[], isSubscribed: boolean): void {
    for (const channel of channels) {
      channel.isPending = false
      channel.isSubscribed = isSubscribed
      if (!isSubscribed && channel.users === 0) this.#forget(channel)
      else this.#update(channel)
    }
    this.#resolveWaiters()
    if (isSubscribed) this.#listener.onSubscribed(channels.map(({ name }) => name))
  }

  #onRefusal(channels: readonly Channel[], wasSubscribe: boolean, error: Error): void {
    for (const channel of channels) channel.isPending = false
    // A refused unsubscribe changes nothing: the channels are still subscribed to.
    if (!wasSubscribe) this.#onAnswer(channels, true)
    else for (const channel of channels) this.#forgetIfUnused(channel)
    this.#listener.onFailed(error)
  }

  /** The engine no longer sends anything on this channel, but may have done so since it was asked. */
  #forget(channel: Channel): void {
    this.#channels.delete(channel.name)
    this.#listener.onUnsubscribed(channel.name)
  }

  /**
   * Forgets a channel that is neither needed nor subscribed to. While the engine is away, it cannot be told to unsubscribe, and
   * rooms that come and go must not pile up.
   */
  #forgetIfUnused(channel: Channel): void {
    if (channel.users > 0 || channel.isSubscribed || this.#channels.get(channel.name) !== channel) return
    this.#listener.onUnsubscribed(channel.name)
    if (!channel.isPending) this.#channels.delete(channel.name)
  }

  #waitersFor(name: string): Set<Waiter> {
    let waiters = this.#waitersForChannel.get(name)
    if (waiters === undefined) this.#waitersForChannel.set(name, (waiters = new Set()))
    return waiters
  }

  /** Nothing is kept of a waiter whose time is over. */
  #wait(waiters: Set<Waiter>, resolve: (isReady: boolean) => void, timeout: number | undefined): void {
    const waiter: Waiter = { turn: this.#turn, resolve }
    waiters.add(waiter)
    if (timeout === undefined) return
    const timer = setTimeout(() => {
      waiters.delete(waiter)
      resolve(false)
    }, timeout).unref()
    waiter.resolve = (isReady) => {
      clearTimeout(timer)
      resolve(isReady)
    }
  }

  /** A channel is subscribed to, or no longer needed. */
  #notMissing(name: string): void {
    this.#missing.delete(name)
    for (const { resolve } of this.#waitersForChannel.get(name) ?? []) resolve(true)
    this.#waitersForChannel.delete(name)
  }

  /** Resolves the waiters whose channels are no longer missing. */
  #resolveWaiters(): void {
    const [oldest = Infinity] = this.#missing.values()
    for (const waiter of this.#waiters) {
      if (waiter.turn >= oldest) return
      this.#waiters.delete(waiter)
      waiter.resolve(true)
    }
  }
}
