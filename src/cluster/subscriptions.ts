import type { Broker } from '../brokers/broker.ts'
import { atEndOfTick, type EndOfTick } from '../internal/end-of-turn.ts'

/** How long a channel that nobody needs stays subscribed to, in milliseconds: who reconnects needs it again. */
const LINGER = 2_000

interface Channel {
  readonly name: string
  /** How many things here need it. */
  users: number
  /** The engine has confirmed it, and has not been told otherwise. */
  isOn: boolean
  /** The engine has been asked, and has not answered. */
  isBusy: boolean
  /** Since when nobody needs it, at a time of `now()`. */
  idleSince: number
}

interface Waiter {
  /** For everything that was missing up to this turn. */
  readonly turn: number
  resolve: (isReady: boolean) => void
}

/**
 * Which channels a node gets: those that something here needs, and for a while those that something has needed. What the engine
 * refuses is as it was before, and is tried again at the next look.
 */
export class Subscriptions implements EndOfTick {
  readonly #broker: Broker
  readonly #isAway: () => boolean
  readonly #failed: (error: Error) => void
  readonly #left: (channel: string) => void
  readonly #channels = new Map<string, Channel>()
  /** Needed, and not in force, since which turn; in this order. */
  readonly #missing = new Map<string, number>()
  /** In the order of their turns. */
  readonly #waiters = new Set<Waiter>()
  readonly #waitersFor = new Map<string, Set<Waiter>>()
  #turn = 0
  #isScheduled = false
  #isClosed = false

  /**
   * `isAway` is true while the engine does not answer: then it is not asked for anything. `failed` is told of the engine's errors,
   * `left` of channels that are no longer subscribed to.
   */
  constructor(broker: Broker, isAway: () => boolean, failed: (error: Error) => void, left: (channel: string) => void) {
    this.#broker = broker
    this.#isAway = isAway
    this.#failed = failed
    this.#left = left
  }

  /** Something needs this channel, until `release`. */
  need(name: string): void {
    let channel = this.#channels.get(name)
    if (channel === undefined) {
      channel = { name, users: 0, isOn: false, isBusy: false, idleSince: 0 }
      this.#channels.set(name, channel)
    }
    channel.users++
    this.#note(channel)
  }

  /** Takes one `need` back, at a time of `now()`. */
  release(name: string, time: number): void {
    const channel = this.#channels.get(name)
    if (channel === undefined) return
    channel.users--
    channel.idleSince = time
    this.#note(channel)
    if (channel.users > 0) return
    this.#settle()
    this.#drop(channel)
  }

  /** True where a channel is needed here, or was a moment ago. */
  has(name: string): boolean {
    return this.#channels.has(name)
  }

  /**
   * Resolves to true once everything that is needed now, or this channel, is in force or no longer needed; to false after
   * `timeout` milliseconds. Nothing is kept of a waiter that has given up.
   */
  ready(name?: string, timeout?: number): Promise<boolean> {
    if (name === undefined ? this.#missing.size === 0 : !this.#missing.has(name)) return Promise.resolve(true)
    return new Promise((resolve) =>
      this.#wait(name === undefined ? this.#waiters : this.#waitersOf(name), resolve, timeout)
    )
  }

  #waitersOf(name: string): Set<Waiter> {
    let waiters = this.#waitersFor.get(name)
    if (waiters === undefined) this.#waitersFor.set(name, (waiters = new Set()))
    return waiters
  }

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

  endOfTick(): void {
    this.#isScheduled = false
    this.#subscribe()
  }

  /** Subscribes to what is missing and leaves what has not been needed for a while, at a time of `now()`. */
  check(time: number): void {
    this.#subscribe()
    this.#unsubscribe(
      [...this.#channels.values()].filter(
        ({ users, isBusy, idleSince }) => users === 0 && !isBusy && time - idleSince >= LINGER
      )
    )
  }

  close(): void {
    this.#isClosed = true
    for (const name of this.#missing.keys()) this.#found(name)
    this.#settle()
  }

  /** A channel has changed. */
  #note(channel: Channel): void {
    if (this.#isClosed) return
    if (channel.users === 0 || channel.isOn) return this.#found(channel.name)
    if (!this.#missing.has(channel.name)) this.#missing.set(channel.name, ++this.#turn)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    atEndOfTick(this)
  }

  #subscribe(): void {
    // An engine that is frozen would be asked for every room that comes and goes meanwhile.
    if (this.#isAway()) return
    const channels: Channel[] = []
    for (const name of this.#missing.keys()) {
      const channel = this.#channels.get(name) as Channel
      if (!channel.isBusy) channels.push(channel)
    }
    this.#ask(channels, true)
  }

  #unsubscribe(channels: Channel[]): void {
    // From the first moment on, nobody may rely on it, or on what was learned from it.
    for (const channel of channels) {
      channel.isOn = false
      this.#left(channel.name)
    }
    this.#ask(channels, false)
  }

  #ask(channels: Channel[], isOn: boolean): void {
    if (channels.length === 0 || this.#isClosed) return
    for (const channel of channels) channel.isBusy = true
    const names = channels.map(({ name }) => name)
    const answered = (result: boolean): void => {
      for (const channel of channels) {
        channel.isBusy = false
        channel.isOn = result
        if (!result && channel.users === 0) this.#channels.delete(channel.name)
        else this.#note(channel)
      }
      this.#settle()
    }
    const asked = isOn ? this.#broker.subscribe(names) : this.#broker.unsubscribe(names)
    asked.then(
      () => answered(isOn),
      (error: Error) => {
        for (const channel of channels) channel.isBusy = false
        if (!isOn) answered(true)
        else for (const channel of channels) this.#drop(channel)
        this.#failed(error)
      }
    )
  }

  /**
   * A channel that nobody needs and that is not in force is forgotten at once, since only an engine that is there could be told to
   * leave it: while it is away, rooms that come and go must not pile up.
   */
  #drop(channel: Channel): void {
    if (channel.users > 0 || channel.isOn || this.#channels.get(channel.name) !== channel) return
    this.#left(channel.name)
    if (!channel.isBusy) this.#channels.delete(channel.name)
  }

  /** It is in force, or no longer needed. */
  #found(name: string): void {
    this.#missing.delete(name)
    for (const { resolve } of this.#waitersFor.get(name) ?? []) resolve(true)
    this.#waitersFor.delete(name)
  }

  /** Lets go on who waits for what is no longer missing. */
  #settle(): void {
    const [oldest = Infinity] = this.#missing.values()
    for (const waiter of this.#waiters) {
      if (waiter.turn >= oldest) return
      this.#waiters.delete(waiter)
      waiter.resolve(true)
    }
  }
}
