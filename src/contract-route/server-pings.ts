import { now } from '../internal/clock.ts'
import type { Scheduled } from '../internal/scheduler.ts'
import { RpcMethod } from '../rpc/json-rpc.ts'
import { notificationText } from '../rpc/texts.ts'

/** The text of every ping. */
const PING = notificationText(RpcMethod.Ping, undefined)

/** What the pings need of their connection. */
export interface PingedConnection {
  /** How many messages were sent. */
  readonly messagesOut: number
  send(text: string): void
}

/**
 * Sends a ping to a client that has got nothing for half a heartbeat. A browser cannot see ping frames, and takes a connection
 * for dead that is silent for too long.
 */
export class ServerPings implements Scheduled {
  readonly #connection: PingedConnection
  readonly #interval: number
  #sentAt = now()
  #sent = 0

  constructor(connection: PingedConnection, heartbeat: number) {
    this.#connection = connection
    this.#interval = heartbeat / 2
  }

  check(time: number): void {
    const sent = this.#connection.messagesOut
    if (sent === this.#sent && time - this.#sentAt < this.#interval) return
    if (sent === this.#sent) this.#connection.send(PING)
    this.#sent = this.#connection.messagesOut
    this.#sentAt = time
  }

  /** The client could not be served meanwhile, and hears from us as soon as possible. */
  onLag(): void {}
}
