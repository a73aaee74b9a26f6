// One server that keeps histories.

import type { ConnectionEvents, RedisConnection } from '../../brokers/redis/driver.ts'
import { isReadOnly } from '../../brokers/redis/errors.ts'
import { PersistentConnection } from '../../brokers/redis/persistent-connection.ts'
import { type ScriptCall, ScriptCalls } from './script-calls.ts'

/** What runs scripts: one server, or a cluster. */
export interface ScriptRunner {
  /** Runs a script at the server that has this slot. Calls for the same slot take effect in their order. */
  run(slot: number, call: ScriptCall): Promise<unknown>
  close(): void
}

/** After so long without an answer, another server may have taken the place of this one, in milliseconds. */
const FAILOVER_TIMEOUT = 5_000

/** Makes the next connection after so many failures in a row. */
export type Connect = (events: ConnectionEvents, failures: number) => Promise<RedisConnection>

/** Runs scripts at one server, over one connection, which is made again whenever it breaks. */
export class Server implements ScriptRunner {
  readonly #connection: PersistentConnection
  /** The calls over the connection in use. */
  #calls: ScriptCalls | undefined

  /** @param hasFailover whether another server can take the place of one that does not answer. */
  constructor(connect: Connect, hasFailover: boolean) {
    this.#connection = new PersistentConnection({
      create: connect,
      prepare: (connection) => this.#prepare(connection),
      // The callers learn it.
      onLost: () => {},
      ...(hasFailover && { answerTimeout: FAILOVER_TIMEOUT })
    })
  }

  async run(_slot: number, call: ScriptCall): Promise<unknown> {
    try {
      return await this.#connection.run(() => (this.#calls as ScriptCalls).run(call))
    } catch (error) {
      // A former master. The application's address, or the sentinels, may lead to the new one.
      if (isReadOnly(error)) this.#connection.restart(error as Error)
      throw error
    }
  }

  close(): void {
    this.#connection.close()
  }

  #prepare(connection: RedisConnection): Promise<void> {
    this.#calls = new ScriptCalls(connection)
    return this.#calls.load()
  }
}
