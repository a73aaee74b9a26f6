import { invalidOption } from '../internal/errors.ts'
import { entriesOf } from '../internal/validate.ts'
import type { TicketRecord, TicketStore } from './tickets.ts'

/** A client of ioredis (5 or 6) or node-redis (5 or 6), or a cluster of either, connected by the application. */
export interface RedisTicketClient {
  set(key: string, value: string, ...rest: never[]): Promise<unknown>
}

/** The options of `redisTicketStore`. */
export interface RedisTicketStoreOptions {
  client: RedisTicketClient
  /** What the keys begin with. @default 'blaze:ticket:' */
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

/**
 * Tickets in Redis 6.2 and up, for servers that honour each other's: `webSocketTickets({ store: redisTicketStore({ client }) })`.
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION for an unknown option or a wrong value.
 */
export function redisTicketStore(options: RedisTicketStoreOptions): TicketStore {
  for (const [key] of entriesOf(options, 'redisTicketStore')) {
    if (key !== 'client' && key !== 'prefix')
      throw invalidOption(`redisTicketStore.${key}`, 'is unknown; allowed are client, prefix')
  }
  const { client, prefix = 'blaze:ticket:' } = options
  if (typeof prefix !== 'string') throw invalidOption('redisTicketStore.prefix', 'must be a string', prefix)
  const commands = commandsOf(client)
  return {
    put: async (id, record, ttl) => void (await commands.put(prefix + id, JSON.stringify(record), ttl)),
    // GETDEL gives a key to one caller only.
    take: async (id) => recordOf(await commands.take(prefix + id))
  }
}

interface Commands {
  put(key: string, value: string, ttl: number): Promise<unknown>
  take(key: string): Promise<string | null>
}

function commandsOf(client: unknown): Commands {
  const one = (client ?? {}) as IoRedis & NodeRedis
  if (typeof one.getdel === 'function')
    return { put: (key, value, ttl) => one.set(key, value, 'PX', ttl), take: (key) => one.getdel(key) }
  if (typeof one.getDel === 'function')
    return { put: (key, value, ttl) => one.set(key, value, { PX: ttl }), take: (key) => one.getDel(key) }
  throw invalidOption('redisTicketStore.client', 'must be a client or cluster of ioredis or node-redis', client)
}

function recordOf(json: string | null): TicketRecord | undefined {
  return json === null ? undefined : (JSON.parse(json) as TicketRecord)
}
