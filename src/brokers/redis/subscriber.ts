// Subscriptions that outlive their connection.

import type { RedisConnection } from './driver.ts'
import { PersistentConnection, type PersistentConnectionOptions } from './persistent-connection.ts'

/** A persistent connection that subscribes again to all channels after it has broken. */
export class Subscriber {
  /** The channels that the server has confirmed. A channel that it has refused is not asked for again. */
  readonly #channels = new Set<string>()
  readonly connection: PersistentConnection

  constructor(options: Omit<PersistentConnectionOptions, 'prepare'>) {
    this.connection = new PersistentConnection({ ...options, prepare: (connection) => this.#restore(connection) })
  }

  get channels(): ReadonlySet<string> {
    return this.#channels
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    await this.connection.run((connection) => connection.subscribe(channels))
    for (const channel of channels) this.#channels.add(channel)
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    await this.connection.run((connection) => connection.unsubscribe(channels))
    // Only now: if the command fails, the node still counts on these subscriptions.
    this.forget(channels)
  }

  /** Drops channels that the server no longer has. */
  forget(channels: readonly string[]): void {
    for (const channel of channels) this.#channels.delete(channel)
  }

  async #restore(connection: RedisConnection): Promise<unknown> {
    return this.#channels.size === 0 ? undefined : connection.subscribe([...this.#channels])
  }
}
