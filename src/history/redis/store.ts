// The store of histories over Redis. From the top down:
//
//   store.ts                what an application gets: it checks options and counts users
//   commands.ts             the calls of the store as calls of scripts, and their answers; position-batches.ts divides long lists
//   keys.ts                 the keys of a room, which have the slot of its channel
//   cluster.ts, server.ts   run scripts at the server that has a slot, or at the only one
//   script-calls.ts         calls scripts over one connection, in order
//   scripts.ts              what runs in Redis
//
// The connections are those of the Redis broker, in brokers/redis/: a library alone would append late, twice or in another order.

import type { Broker } from '../../brokers/broker.ts'
import { RedisBroker } from '../../brokers/redis/broker.ts'
import type { RedisLibrary } from '../../brokers/redis/driver.ts'
import { reasonOf } from '../../brokers/redis/errors.ts'
import { checkClient, libraryOf, type RedisClient } from '../../brokers/redis/library.ts'
import { errors, invalidOption } from '../../internal/errors.ts'
import { withTimeout } from '../../internal/promises.ts'
import { type Checks, nonEmptyString, validateOptions } from '../../internal/validate.ts'
import type { Position } from '../../rpc/position.ts'
import type { Appended, AppendOptions, HistoryStore, KnownRoom, NewMessage, ReadRange, StoredPart } from '../store.ts'
import { Cluster } from './cluster.ts'
import {
  appendCall,
  clearCall,
  type Over,
  positionsCall,
  readAppended,
  readCall,
  readPart,
  readPositions
} from './commands.ts'
import { keysOf, type RoomKeys } from './keys.ts'
import { batchesOf, type ListedRoom } from './position-batches.ts'
import type { ScriptCall } from './script-calls.ts'
import { type ScriptRunner, Server } from './server.ts'

/** The options of `redisHistory`. */
export interface RedisHistoryOptions {
  /**
   * The client whose options are used for the connections of the store: one for each server that it uses. The client itself is not used
   * and need not be connected. The application closes it.
   */
  client: RedisClient
  /** The beginning of the names of all rooms in Redis. Stores with the same prefix keep the same histories. @default 'blaze:' */
  prefix?: string | undefined
}

/** How long `close` waits for calls that are under way, in milliseconds. */
const CLOSE_TIMEOUT = 1_000
const CHECKS: Checks<RedisHistoryOptions> = { client: checkClient, prefix: nonEmptyString }

/**
 * Makes a store that keeps the histories of rooms in Redis 6.2 and up, Valkey, or a cluster of either, for all processes with the same
 * Redis and prefix. Give it the client of the broker: then a message is stored and published in one step.
 *
 * What Redis loses, for example if it restarts without `appendonly yes`, the rooms lose too. They notice it, and begin a new epoch. If its
 * memory is full, messages are rejected with `maxmemory-policy noeviction`; with any other policy, it may forget whole rooms.
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION if an option is unknown or has a wrong value, or if the client is not supported: a client of
 * node-redis 4, or a sentinel or pool of node-redis.
 */
export function redisHistory(options: RedisHistoryOptions): HistoryStore {
  const { client } = (options ?? {}) as Partial<RedisHistoryOptions>
  // Checked first: if the client was passed in place of the options, all its properties would be reported as unknown options.
  if (client === undefined)
    throw invalidOption(
      'redisHistory.client',
      'must be a client or cluster of ioredis or node-redis: redisHistory({ client })'
    )
  const { prefix } = validateOptions(options, 'redisHistory', CHECKS, { prefix: 'blaze:' })
  return new RedisHistory(client, prefix)
}

class RedisHistory implements HistoryStore {
  readonly #client: RedisClient
  readonly #prefix: string
  readonly #library: RedisLibrary
  readonly #isCluster: boolean
  /** Undefined while there is no connection. */
  #runner: ScriptRunner | undefined
  #users = 0
  readonly #underWay = new Set<Promise<unknown>>()

  constructor(client: RedisClient, prefix: string) {
    this.#client = client
    this.#prefix = prefix
    const [library, isCluster] = libraryOf(client, 'redisHistory.client')
    this.#library = library
    this.#isCluster = isCluster
  }

  open(): void {
    this.#users++
  }

  async close(): Promise<void> {
    this.#users = Math.max(this.#users - 1, 0)
    if (this.#users > 0) return
    await withTimeout(Promise.allSettled(this.#underWay), CLOSE_TIMEOUT, () => {})
    if (this.#users === 0) this.#release()
  }

  async append(room: string, messages: readonly NewMessage[], options: AppendOptions): Promise<readonly Appended[]> {
    const keys = this.#keysOf(room)
    return readAppended(await this.#run(keys.slot, appendCall(room, keys, messages, options)))
  }

  async read(room: string, range: ReadRange): Promise<StoredPart> {
    const keys = this.#keysOf(room)
    return readPart(await this.#run(keys.slot, readCall(keys, range)))
  }

  async positions(rooms: readonly KnownRoom[]): Promise<readonly Position[]> {
    const listed = rooms.map((room, index) => ({ room, index, keys: this.#keysOf(room.room) }))
    const positions: Position[] = []
    const ask = async (batch: [ListedRoom, ...ListedRoom[]]): Promise<void> => {
      const answer = readPositions(await this.#run(batch[0].keys.slot, positionsCall(batch)))
      for (const [i, { index }] of batch.entries()) positions[index] = answer[i] as Position
    }
    await Promise.all(batchesOf(listed, this.#isCluster).map(ask))
    return positions
  }

  async clear(room: string): Promise<void> {
    const keys = this.#keysOf(room)
    await this.#run(keys.slot, clearCall(keys))
  }

  publishesOver(broker: Broker): Over | undefined {
    if (!(broker instanceof RedisBroker) || broker.channels.client !== this.#client) return undefined
    const { prefix, isSharded } = broker.channels
    // In a cluster, a script can only publish on sharded channels that have the slot of its keys.
    if (isSharded && this.#isCluster && prefix !== this.#prefix) return undefined
    return { command: isSharded ? 'SPUBLISH' : 'PUBLISH', prefix }
  }

  #keysOf(room: string): RoomKeys {
    return keysOf(this.#prefix + room)
  }

  // Not async, so that calls are sent in their order.
  #run(slot: number, call: ScriptCall): Promise<unknown> {
    this.#runner ??= this.#connect()
    const answer = this.#runner.run(slot, call).catch(throwUnavailable)
    this.#underWay.add(answer)
    const onSettled = (): void => this.#onSettled(answer)
    answer.then(onSettled, onSettled)
    return answer
  }

  /** A call without a user, such as one that came after the last `close`, must not keep the process alive. */
  #onSettled(answer: Promise<unknown>): void {
    this.#underWay.delete(answer)
    if (this.#users === 0 && this.#underWay.size === 0) this.#release()
  }

  #connect(): ScriptRunner {
    if (this.#isCluster) return new Cluster(this.#library)
    return new Server(async (events) => this.#library.createStoreConnection(events), this.#library.hasFailover)
  }

  #release(): void {
    this.#runner?.close()
    this.#runner = undefined
  }
}

function throwUnavailable(error: Error): never {
  throw Object.assign(new errors.HISTORY_UNAVAILABLE(reasonOf(error)), { cause: error })
}
