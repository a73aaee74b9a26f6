import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { jsonOf } from '../internal/payload.ts'
import { errors, invalidOption } from '../internal/errors.ts'
import { entriesOf, integer } from '../internal/validate.ts'
import { withinTime } from '../internal/promises.ts'

/** What a store keeps of a ticket: nothing that a ticket could be made from. */
export interface TicketRecord {
  /** SHA-256 of the ticket's secret, in base64url. */
  hash: string
  /** What the ticket was issued for, as JSON. */
  data: string
  /** When it runs out, in milliseconds since 1970. */
  expiresAt: number
}

/** Where tickets wait to be spent. Servers that share a store honour each other's tickets. */
export interface TicketStore {
  /** MUST keep the record under this id until it is taken; it MAY forget it after `ttl` milliseconds. */
  put(id: string, record: TicketRecord, ttl: number): Promise<void> | void
  /** MUST return the record under this id and forget it in one step, so that of two that take it at once only one gets it. */
  take(id: string): Promise<TicketRecord | undefined> | TicketRecord | undefined
}

/** The options of `webSocketTickets`. */
export interface TicketOptions {
  /** How long a ticket may be spent, in milliseconds. @default 30000 */
  ttl?: number
  /** Where they are kept. @default memoryTicketStore() */
  store?: TicketStore
  /** The parameter of the query string that carries a ticket. @default 'ticket' */
  parameter?: string
  /** How long the store may take to answer, in milliseconds. @default 3000 */
  timeout?: number
}

/** Issues one-shot tickets over an authenticated route and takes them back at the upgrade. */
export interface WebSocketTickets<Data> {
  /**
   * A new ticket, in characters that need no escaping in a URL, for data that JSON can hold.
   *
   * @throws FST_BLAZE_WS_TICKET_STORE_UNAVAILABLE (503) where the store does not answer within `timeout`.
   */
  issue(data: Data): Promise<string>
  /**
   * The data of a ticket, or of the one in a request's query string, which is spent by that.
   *
   * @throws FST_BLAZE_WS_INVALID_TICKET (401) where it is missing, malformed, expired or already spent.
   * @throws FST_BLAZE_WS_TICKET_STORE_UNAVAILABLE (503) where the store does not answer within `timeout`.
   */
  spend(from: FastifyRequest | string): Promise<Data>
}

const ID_BYTES = 16
const SECRET_BYTES = 32
const FORM = /^([\w-]{22})\.([\w-]{43})$/
const checkTtl = integer(1, undefined, ' (milliseconds)')
const checkTimeout = integer(1, 60_000, ' (milliseconds)')

/**
 * Tickets for browsers, which can send no header with a WebSocket: a page gets one over a REST route, with its session or its
 * token, and opens `/chat?ticket=…` with it at once. A ticket that stands in a log or a history is of no use to anyone: it
 * works once, and not for long.
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION for an unknown option or a value that is not allowed.
 */
export function webSocketTickets<Data = unknown>(options?: TicketOptions): WebSocketTickets<Data> {
  const { ttl, store, parameter, timeout } = resolve(options)
  const stored = <T>(act: () => Promise<T> | T): Promise<T> => answerOf(act, timeout)
  return {
    async issue(data) {
      const json = jsonOf(data, 'data')
      const id = randomBytes(ID_BYTES).toString('base64url')
      const secret = randomBytes(SECRET_BYTES).toString('base64url')
      const record = { hash: hashOf(secret).toString('base64url'), data: json, expiresAt: Date.now() + ttl }
      await stored(() => store.put(id, record, ttl))
      return `${id}.${secret}`
    },
    async spend(from) {
      const ticket = typeof from === 'string' ? from : (from.query as Record<string, unknown> | null)?.[parameter]
      const [, id, secret] = (typeof ticket === 'string' && FORM.exec(ticket)) || []
      if (id === undefined || secret === undefined) throw new errors.INVALID_TICKET()
      const record = await stored(() => store.take(id))
      if (record === undefined || !isSame(record.hash, secret) || Date.now() >= record.expiresAt)
        throw new errors.INVALID_TICKET()
      return JSON.parse(record.data) as Data
    }
  }
}

function resolve(options: unknown): Required<TicketOptions> {
  const resolved: Required<TicketOptions> = {
    ttl: 30_000,
    store: undefined as never,
    parameter: 'ticket',
    timeout: 3_000
  }
  for (const [key, value] of entriesOf(options, 'tickets')) {
    const name = `tickets.${key}`
    if (key === 'ttl') checkTtl(value, name)
    else if (key === 'store') checkStore(value, name)
    else if (key === 'timeout') checkTimeout(value, name)
    else if (key !== 'parameter') throw invalidOption(name, 'is unknown; allowed are ttl, store, parameter, timeout')
    else if (typeof value !== 'string' || value === '')
      throw invalidOption(name, 'must be a string that is not empty', value)
    Object.assign(resolved, { [key]: value })
  }
  resolved.store ??= memoryTicketStore()
  return resolved
}

/** The answer of a store. Where there is none in time, what has been asked may still be done later; the ticket is not given out. */
async function answerOf<T>(act: () => Promise<T> | T, timeout: number): Promise<T> {
  return withinTime(timeout, (async () => act())(), () => new errors.TICKET_STORE_UNAVAILABLE(timeout))
}

function checkStore(value: unknown, name: string): void {
  const { put, take } = (value ?? {}) as Partial<TicketStore>
  if (typeof put !== 'function' || typeof take !== 'function')
    throw invalidOption(name, 'must have put(id, record, ttl) and take(id)', value)
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

/** In the same time, whatever the secret is. */
function isSame(hash: unknown, secret: string): boolean {
  const expected = Buffer.from(String(hash), 'base64url')
  const given = hashOf(secret)
  return expected.length === given.length && timingSafeEqual(expected, given)
}

/**
 * Tickets in the memory of one process. Those that nobody spends are dropped when they run out, at the latest when there are
 * `max` newer ones.
 *
 * @param options.max how many tickets may wait. @default 100000
 */
export function memoryTicketStore({ max = 100_000 }: { max?: number } = {}): TicketStore {
  integer(1)(max, 'memoryTicketStore.max')
  // In the order they were issued, which is about the order in which they run out.
  const records = new Map<string, TicketRecord>()
  const dropOld = (): void => {
    for (const [id, { expiresAt }] of records) {
      if (records.size < max && Date.now() < expiresAt) return
      records.delete(id)
    }
  }
  return {
    put(id, record) {
      dropOld()
      records.set(id, record)
    },
    take(id) {
      const record = records.get(id)
      records.delete(id)
      return record
    }
  }
}
