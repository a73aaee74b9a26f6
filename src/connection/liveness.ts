import type { Inbound } from './inbound.ts'
import type { Outbound } from './outbound.ts'
import type { Watched } from './watchdog.ts'

/** How long we wait for the peer's close frame, and for the end of its side of the TCP connection, in milliseconds. */
export const CLOSE_TIMEOUT = 5_000

/** What of a route's configuration concerns time, in milliseconds. */
export interface LivenessLimits {
  readTimeout: number
  writeTimeout: number
  pingInterval: number
  pongTimeout: number
}

/** What the deadlines of a connection lead to. */
export interface LivenessActions {
  ping(): void
  /** Nothing was read for `readTimeout`. */
  idle(): void
  /** The peer is gone: no handshake is of use. */
  dead(reason: string): void
}

/** The deadlines and pings of one connection, looked after by the shared watchdog. */
export class Liveness implements Watched {
  /** When the last complete message, ping or pong was noticed, by `performance.now()`. */
  #lastReadAt = performance.now()
  /** True where one has come since: looking at the clock for each of them would cost more than it tells. */
  #hasHeard = false
  readonly #limits: LivenessLimits
  readonly #inbound: Inbound
  readonly #outbound: Outbound
  readonly #actions: LivenessActions
  #nextPingAt: number
  /** When the oldest unanswered ping was sent; 0 where all are answered. */
  #pingedAt = 0
  #closingSince = 0

  constructor(limits: LivenessLimits, inbound: Inbound, outbound: Outbound, actions: LivenessActions) {
    this.#limits = limits
    this.#inbound = inbound
    this.#outbound = outbound
    this.#actions = actions
    // The first ping comes anywhere in the second half of an interval: connections opened together do not beat together.
    this.#nextPingAt = limits.pingInterval === 0 ? Infinity : this.#lastReadAt + limits.pingInterval * (1 - Math.random() / 2)
  }

  /** A pong, also one that nobody asked for, shows that the peer lives. */
  ponged(): void {
    this.#hasHeard = true
    this.#pingedAt = 0
  }

  /** A complete message or a ping has come. */
  heard(): void {
    this.#hasHeard = true
  }

  /** From now on only the rest of the closing handshake is waited for. */
  closing(): void {
    this.#closingSince = performance.now()
  }

  forgive(time: number): void {
    this.#lastReadAt += time
    if (this.#pingedAt > 0) this.#pingedAt += time
    if (this.#closingSince > 0) this.#closingSince += time
    if (this.#outbound.stall.since > 0) this.#outbound.stall.since += time
  }

  check(now: number): void {
    const isClosing = this.#closingSince > 0
    // Where writes may take for ever, a close still may not.
    const writeTimeout = this.#limits.writeTimeout || (isClosing ? CLOSE_TIMEOUT : Infinity)
    const { since } = this.#outbound.stall
    if (since > 0 && now - since >= writeTimeout) return this.#actions.dead('write timeout')
    if (isClosing) return this.#checkClosing(now)
    if (this.#hasHeard) this.#lastReadAt = now
    this.#hasHeard = false
    if (this.#inbound.isPaused) this.#excuse(now)
    else if (this.#checkReads(now)) return
    if (now >= this.#nextPingAt) this.#ping(now)
  }

  #checkClosing(now: number): void {
    // What was written before goes out first; how long that may take is the write timeout's matter.
    if (this.#outbound.unsent > 0) this.#closingSince = now
    if (now - this.#closingSince >= CLOSE_TIMEOUT) this.#actions.dead('close timeout')
  }

  /** While we do not read, the peer cannot be blamed for what we do not see. */
  #excuse(now: number): void {
    this.#lastReadAt = now
    if (this.#pingedAt > 0) this.#pingedAt = now
  }

  #checkReads(now: number): boolean {
    const { readTimeout, pongTimeout } = this.#limits
    if (pongTimeout > 0 && this.#pingedAt > 0 && now - this.#pingedAt >= pongTimeout) {
      this.#actions.dead('pong timeout')
      return true
    }
    if (readTimeout > 0 && now - this.#lastReadAt >= readTimeout) {
      this.#actions.idle()
      return true
    }
    return false
  }

  #ping(now: number): void {
    this.#nextPingAt = Math.max(this.#nextPingAt + this.#limits.pingInterval, now)
    // One that is still on its way asks the same question.
    if (this.#pingedAt > 0 && this.#outbound.isBlocked) return
    if (this.#pingedAt === 0) this.#pingedAt = now
    this.#actions.ping()
  }
}
