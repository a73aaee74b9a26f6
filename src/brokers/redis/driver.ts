// What the Redis broker is made of, from the top down:
//
//   broker.ts                  the broker: checks options, and adds the prefix to the names of channels
//   single.ts, sharded.ts      the two drivers: all channels over one path, or a path for each server of a cluster
//   path.ts                    a path: one connection to publish and one to subscribe
//   subscriber.ts              the connection to subscribe, which restores its subscriptions
//   persistent-connection.ts   a connection that is made again whenever it breaks; pending-commands.ts notices that it is dead
//   ioredis.ts, node-redis.ts  one connection to one server, through either client library
//   cluster-map.ts             which server of a cluster has which slot; slot.ts gives the slot of a channel
//   slot-moves.ts              which slots have just moved to another server
//   library.ts                 chooses the library by the client of the application
//   errors.ts                  what the errors of Redis mean
//
// The client libraries can reconnect and follow a cluster too, but they queue, resend or redirect commands on the way. Then messages
// arrive late, twice or in another order, which a broker must not allow. So the libraries only make single connections here.

/** What a driver reports to its broker. */
export interface RedisEvents {
  onMessage(channel: string, message: Buffer): void
  /** A connection was lost or could not be made, or some subscriptions are no longer in force. */
  onLost(error: Error): void
}

/** Publishes and subscribes. Commands wait for the first connection; without a connection after that they are refused at once. */
export interface RedisDriver {
  publish(channel: string, message: Buffer): Promise<unknown>
  subscribe(channels: readonly string[]): Promise<unknown>
  unsubscribe(channels: readonly string[]): Promise<unknown>
  /** Resolves when all connections answer and all subscriptions are in force. */
  check(): Promise<unknown>
  close(): void
}

/** A client library. All connections are made with the options of the application's client. */
export interface RedisLibrary {
  /** True if another server can take the place of one that fails: in a cluster, or with sentinels. */
  readonly hasFailover: boolean
  /** Makes a connection, without connecting it: to the only server, or to this master of the last topology. */
  createConnection(events: ConnectionEvents, isSharded: boolean, server?: string): RedisConnection
  /** Makes a connection for the keys of a history: in the database of the application's client, if there is only one server. */
  createStoreConnection(events: ConnectionEvents, server?: string): RedisConnection
  /** Asks the cluster for its servers. */
  discover(): Promise<Topology>
}

/** One connection to one server. After it has ended, it is replaced and not used again. */
export interface RedisConnection {
  /** Resolves when commands can be sent. */
  connect(): Promise<unknown>
  publish(channel: string, message: Buffer): Promise<unknown>
  subscribe(channels: readonly string[]): Promise<unknown>
  unsubscribe(channels: readonly string[]): Promise<unknown>
  ping(): Promise<unknown>
  /** Sends any command. Strings in its answer are Buffers. */
  command(args: readonly (string | Buffer)[]): Promise<unknown>
  close(): void
}

/** What a connection reports. */
export interface ConnectionEvents {
  onMessage(channel: string, message: Buffer): void
  /** The connection has ended. It may be reported several times. */
  onEnd(error: Error): void
  /** The server has ended subscriptions because their slot has moved to another server. */
  onSlotsMoved(): void
}

/** The servers of a cluster. */
export interface Topology {
  /** The addresses of the masters. */
  readonly masters: readonly string[]
  /** The address of the master that has a slot; undefined if none has it. */
  masterOf(slot: number): string | undefined
}

/** How long connecting to a server may take, in milliseconds. */
export const CONNECT_TIMEOUT = 5_000
/** A connection is dead if commands wait and nothing was answered for so long, in milliseconds. */
export const ANSWER_TIMEOUT = 15_000

/** How long to wait before the next attempt after so many failures in a row, in milliseconds. */
export function retryDelay(failures: number): number {
  return Math.min(failures * 50, 500)
}

/** The most channels in one command: a JavaScript function takes no more than some ten thousand arguments. */
const MAX_CHANNELS = 1_000

/** Sends a command for many channels in batches. */
export function inBatches(channels: readonly string[], send: (batch: string[]) => Promise<unknown>): Promise<unknown> {
  const commands: Promise<unknown>[] = []
  for (let i = 0; i < channels.length; i += MAX_CHANNELS) commands.push(send(channels.slice(i, i + MAX_CHANNELS)))
  return allSettled(commands)
}

/** Waits for all commands, also if one fails, so that none is still under way after it. Then rejects with the first error. */
export async function allSettled(commands: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(commands)
  const failed = results.find(({ status }) => status === 'rejected')
  if (failed !== undefined) throw (failed as PromiseRejectedResult).reason
}
