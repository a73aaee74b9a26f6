import { invalidOption } from '../internal/errors.ts'
import { type Checks, string, validateOptions } from '../internal/validate.ts'
import type { TicketRecord, TicketStore } from './ticket-store.ts'

/** A connected client of ioredis (5 or 6) or node-redis (5 or 6), or a cluster client of either. */
export interface RedisTicketClient {
  set(key: string, value: string, ...rest: never[]): Promise<unknown>
}

/** The options of `redisTicketStore`. */
export interface RedisTicketStoreOptions {
  /** The client that the store sends its commands with. The store does not close it. */
  client: RedisTicketClient
  /** The start of every key. @default 'blaze:ticket:' */
  prefix?: string | undefined
}

interface IoRedis {
  set(key: string, value: string, unit: 'PX', ttl: number): Promise<unknown>
  getdel(key: string): Promise<string | null>
}

interface NodeRedis {
  set(key: string, value: string, options: { PX: number }): Promise<unknown>
  getDel(key: string): Promise<string | null>
}

/** The commands that the store needs, the same for both client libraries. `ttl` is in milliseconds. */
interface Commands {
  set(key: string, value: string, ttl: number): Promise<unknown>
  getAndDelete(key: string): Promise<string | null>
}

const CHECKS: Checks<{ client: Commands; prefix?: string }> = { client: commandsOf, prefix: string }

/**
 * Keeps tickets in Redis 6.2 or later, so that servers accept each other's tickets:
 * `webSocketTickets({ store: redisTicketStore({ client }) })`.
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION for an unknown option or a value that is not allowed.
 */
export function redisTicketStore(options: RedisTicketStoreOptions): TicketStore {
  const { prefix, client } = validateOptions(options, 'redisTicketStore', CHECKS, { prefix: 'blaze:ticket:' })
  const commands = client ?? commandsOf(undefined, 'redisTicketStore.client')
  return {
    put: async (id, record, ttl) => void (await commands.set(prefix + id, JSON.stringify(record), ttl)),
    // Redis runs GETDEL in one step: only one of two simultaneous calls gets the record.
    take: async (id) => parseRecord(await commands.getAndDelete(prefix + id))
  }
}

/** Checks the option `client`, and hides how the two client libraries differ. */
function commandsOf(client: unknown, name: string): Commands {
  const redis = (client ?? {}) as IoRedis & NodeRedis
  if (typeof redis.getdel === 'function')
    return { set: (key, value, ttl) => redis.set(key, value, 'PX', ttl), getAndDelete: (key) => redis.getdel(key) }
  if (typeof redis.getDel === 'function')
    return { set: (key, value, ttl) => redis.set(key, value, { PX: ttl }), getAndDelete: (key) => redis.getDel(key) }
  throw invalidOption(name, 'must be a client or cluster of ioredis or node-redis', client)
}

function parseRecord(json: string | null): TicketRecord | undefined {
  return json === null ? undefined : (JSON.parse(json) as TicketRecord)
}
