import { CloseCode } from '../internal/close-codes.ts'
import type { CloseState } from './close-state.ts'
import type { WebSocketConfig } from '../config/route-config.ts'
import { now } from '../internal/clock.ts'
import { PingMessage } from '../internal/message.ts'
import type { Scheduled } from '../internal/scheduler.ts'
import { frameOf } from './write/frame.ts'
import type { Writer } from './write/writer.ts'

const EMPTY_PING = frameOf(PingMessage, '')

/** The part of a session that its heartbeat uses. An interface, because the session imports the heartbeat. */
export interface HeartbeatSession {
  readonly config: WebSocketConfig
  readonly writer: Writer
  readonly closeState: CloseState
  /** How many messages came and were sent, apart from those that only keep the connection alive. */
  readonly traffic: number
  /** True while nothing is read from the socket. */
  readonly isPaused: boolean
  close(code: number, reason: string): void
  /** Sends the close frame that waits for the handler. */
  closeDeferred(): void
  terminate(reason: string): void
}

/** The pings and deadlines of one connection. The shared scheduler checks them. */
export class Heartbeat implements Scheduled {
  /** When a check last noticed a complete message, ping or pong, by `now()`. */
  #lastReadAt = now()
  /** True if one has come since then. To read the clock for each of them would cost too much. */
  #hasRead = false
  readonly #session: HeartbeatSession
  #nextPingAt: number
  /** When the oldest unanswered ping was sent; 0 if all are answered. */
  #pingedAt = 0
  /** The traffic at the last check, and when a check last noticed more of it, by `now()`. */
  #traffic = 0
  #activeAt = this.#lastReadAt
  /** Since when the connection has been closing; 0 if it is open. */
  #closingSince = 0

  constructor(session: HeartbeatSession) {
    this.#session = session
    const { pingInterval } = session.config
    // The first ping comes at a random time in the second half of the interval: connections that opened together should not be
    // pinged together.
    this.#nextPingAt =
      pingInterval === 0 ? Infinity : this.#lastReadAt + Math.round(pingInterval * (1 - Math.random() / 2))
  }

  /** When a message, ping or pong last came, as exactly as the scheduler checks. */
  get lastReadAt(): number {
    return this.#lastReadAt
  }

  /** A complete message or a ping has come. */
  onRead(): void {
    this.#hasRead = true
  }

  /** A pong has come. Even an unsolicited one shows that the client is alive. */
  onPong(): void {
    this.#hasRead = true
    this.#pingedAt = 0
  }

  /** From now on only `closeTimeout` and `writeTimeout` apply. */
  onClosing(): void {
    this.#closingSince = now()
  }

  onLag(time: number): void {
    this.#lastReadAt += time
    if (this.#pingedAt > 0) this.#pingedAt += time
    if (this.#closingSince > 0) this.#closingSince += time
    this.#session.writer.stallTimer?.postpone(time)
  }

  /** When a message last came or was sent, by `now()`. */
  activeAt(time: number): number {
    this.#noteTraffic(time)
    return this.#activeAt
  }

  #noteTraffic(time: number): void {
    const { traffic } = this.#session
    if (traffic === this.#traffic) return
    this.#traffic = traffic
    this.#activeAt = time
  }

  check(time: number): void {
    this.#noteTraffic(time)
    const isClosing = this.#closingSince > 0
    // Without a write timeout writes may take forever, but closing may not.
    const writeTimeout = this.#session.config.writeTimeout || (isClosing ? this.#session.config.closeTimeout : Infinity)
    const since = this.#session.writer.stallTimer?.since ?? 0
    if (since > 0 && time - since >= writeTimeout) return this.#session.terminate('write timeout')
    if (isClosing) return this.#checkClosing(time)
    if (this.#hasRead) this.#lastReadAt = time
    this.#hasRead = false
    if (this.#session.isPaused) this.#restartReadDeadlines(time)
    else if (this.#checkReads(time)) return
    if (time >= this.#nextPingAt) this.#ping(time)
  }

  /** First the handler has `closeTimeout` to answer earlier messages, then the client has it to answer our close frame. */
  #checkClosing(time: number): void {
    const { closeState, writer, config } = this.#session
    // Earlier frames go out before our close frame; `writeTimeout` limits how long they may take.
    if (!closeState.isDeferred && writer.unsentBytes > 0) this.#closingSince = time
    if (time - this.#closingSince < config.closeTimeout) return
    if (closeState.isDeferred) this.#session.closeDeferred()
    else this.#session.terminate('close timeout')
  }

  /** While the socket is paused we cannot see what the client sends. */
  #restartReadDeadlines(time: number): void {
    this.#lastReadAt = time
    if (this.#pingedAt > 0) this.#pingedAt = time
  }

  /** Ends the connection if nothing was read in time. True if it did. */
  #checkReads(time: number): boolean {
    const { readTimeout, pongTimeout } = this.#session.config
    if (pongTimeout > 0 && this.#pingedAt > 0 && time - this.#pingedAt >= pongTimeout) {
      this.#session.terminate('pong timeout')
      return true
    }
    if (readTimeout > 0 && time - this.#lastReadAt >= readTimeout) {
      this.#session.close(CloseCode.PolicyViolation, 'read timeout')
      return true
    }
    return false
  }

  #ping(time: number): void {
    this.#nextPingAt = Math.max(this.#nextPingAt + this.#session.config.pingInterval, time)
    // An earlier ping still waits to be sent. A second one would tell us nothing more.
    if (this.#pingedAt > 0 && this.#session.writer.isBlocked) return
    if (this.#pingedAt === 0) this.#pingedAt = time
    void this.#session.writer.write(EMPTY_PING)
  }
}
