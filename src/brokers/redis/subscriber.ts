import { Connection, type ConnectionOptions } from './connection.ts'
import type { RedisSession } from './driver.ts'

/** A connection that is subscribed to channels, and to the same ones again after it has broken. */
export class Subscriber {
  /** What the server has confirmed. What it has refused is not asked again. */
  readonly #channels = new Set<string>()
  readonly connection: Connection

  constructor(options: Omit<ConnectionOptions, 'prepare'>) {
    this.connection = new Connection({ ...options, prepare: (session) => this.#restore(session) })
  }

  get channels(): ReadonlySet<string> {
    return this.#channels
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    await this.connection.run((session) => session.subscribe(channels))
    for (const channel of channels) this.#channels.add(channel)
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    await this.connection.run((session) => session.unsubscribe(channels))
    // Not before: where it fails, the node goes on to believe that it gets them.
    this.forget(channels)
  }

  /** The server no longer has them. */
  forget(channels: readonly string[]): void {
    for (const channel of channels) this.#channels.delete(channel)
  }

  /** Subscribes again to everything. */
  async #restore(session: RedisSession): Promise<unknown> {
    return this.#channels.size === 0 ? undefined : session.subscribe([...this.#channels])
  }
}
