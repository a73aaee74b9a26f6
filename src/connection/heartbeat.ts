import type { CloseState } from './close-state.ts'
import type { Writer } from './write/writer.ts'
import { now, type Scheduled } from '../internal/scheduler.ts'

/** What of a route's configuration concerns time, in milliseconds. */
export interface HeartbeatConfig {
  readTimeout: number
  writeTimeout: number
  pingInterval: number
  pongTimeout: number
  closeTimeout: number
}

/** A connection as its deadlines know it. */
export interface HeartbeatSession {
  readonly config: HeartbeatConfig
  readonly writer: Writer
  readonly closeState: CloseState
  /** True while nothing is read from the peer. */
  readonly isPaused: boolean
  ping(): void
  /** Nothing was read for `readTimeout`. */
  idle(): void
  /** The handler has not answered in time what came before the peer's close frame. */
  overdue(): void
  /** The peer is gone: no handshake is of use. */
  dead(reason: string): void
}

/** The deadlines and pings of one connection, looked after by the shared watchdog. */
export class Heartbeat implements Scheduled {
  /** When the last complete message, ping or pong was noticed, by `now()`. */
  #lastReadAt = now()
  /** True where one has come since: looking at the clock for each of them would cost more than it tells. */
  #hasHeard = false
  readonly #subject: HeartbeatSession
  #nextPingAt: number
  /** When the oldest unanswered ping was sent; 0 where all are answered. */
  #pingedAt = 0
  #closingSince = 0

  constructor(subject: HeartbeatSession) {
    this.#subject = subject
    const { pingInterval } = subject.config
    // The first ping comes anywhere in the second half of an interval: connections opened together do not beat together.
    this.#nextPingAt =
      pingInterval === 0 ? Infinity : this.#lastReadAt + Math.round(pingInterval * (1 - Math.random() / 2))
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

  /** From now on only the closing handshake is waited for: for the handler while the end is held, then for the peer. */
  closing(): void {
    this.#closingSince = now()
  }

  onLag(time: number): void {
    this.#lastReadAt += time
    if (this.#pingedAt > 0) this.#pingedAt += time
    if (this.#closingSince > 0) this.#closingSince += time
    this.#subject.writer.stall?.forgive(time)
  }

  check(time: number): void {
    const isClosing = this.#closingSince > 0
    // Where writes may take for ever, a close still may not.
    const writeTimeout = this.#subject.config.writeTimeout || (isClosing ? this.#subject.config.closeTimeout : Infinity)
    const since = this.#subject.writer.stall?.since ?? 0
    if (since > 0 && time - since >= writeTimeout) return this.#subject.dead('write timeout')
    if (isClosing) return this.#checkClosing(time)
    if (this.#hasHeard) this.#lastReadAt = time
    this.#hasHeard = false
    if (this.#subject.isPaused) this.#excuse(time)
    else if (this.#checkReads(time)) return
    if (time >= this.#nextPingAt) this.#ping(time)
  }

  #checkClosing(time: number): void {
    const { closeState, writer, config } = this.#subject
    // What was written before our close frame goes out first; how long that may take is the write timeout's matter.
    if (!closeState.isHeld && writer.unsent > 0) this.#closingSince = time
    if (time - this.#closingSince < config.closeTimeout) return
    if (closeState.isHeld) this.#subject.overdue()
    else this.#subject.dead('close timeout')
  }

  /** While we do not read, the peer cannot be blamed for what we do not see. */
  #excuse(time: number): void {
    this.#lastReadAt = time
    if (this.#pingedAt > 0) this.#pingedAt = time
  }

  #checkReads(time: number): boolean {
    const { readTimeout, pongTimeout } = this.#subject.config
    if (pongTimeout > 0 && this.#pingedAt > 0 && time - this.#pingedAt >= pongTimeout) {
      this.#subject.dead('pong timeout')
      return true
    }
    if (readTimeout > 0 && time - this.#lastReadAt >= readTimeout) {
      this.#subject.idle()
      return true
    }
    return false
  }

  #ping(time: number): void {
    this.#nextPingAt = Math.max(this.#nextPingAt + this.#subject.config.pingInterval, time)
    // One that is still on its way asks the same question.
    if (this.#pingedAt > 0 && this.#subject.writer.isBlocked) return
    if (this.#pingedAt === 0) this.#pingedAt = time
    this.#subject.ping()
  }
}
