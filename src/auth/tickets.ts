import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { errors } from '../internal/errors.ts'
import { jsonOf } from '../internal/payload.ts'
import { withTimeout } from '../internal/promises.ts'
import { type Checks, integer, nonEmptyString, objectWith, validateOptions } from '../internal/validate.ts'
import { memoryTicketStore, type TicketStore } from './ticket-store.ts'

/** The options of `webSocketTickets`. */
export interface TicketOptions {
  /** How long a ticket is valid, in milliseconds. @default 30000 */
  ttl?: number
  /** Where the tickets are kept. @default memoryTicketStore() */
  store?: TicketStore
  /** The name of the query parameter that carries the ticket. @default 'ticket' */
  parameter?: string
  /** How long the store may take to answer, in milliseconds, 60000 at most. @default 3000 */
  timeout?: number
}

/** Issues tickets on an authenticated route, and spends each of them once at the upgrade. */
export interface WebSocketTickets<Data> {
  /**
   * Issues a ticket for this data. The ticket needs no escaping in a URL.
   *
   * @param data any value that has a JSON form.
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT if the data has no JSON form.
   * @throws FST_BLAZE_WS_TICKET_STORE_UNAVAILABLE (503) if the store does not answer within `timeout`.
   */
  issue(data: Data): Promise<string>
  /**
   * Spends a ticket and returns its data.
   *
   * @param from the ticket, or a request with the ticket in its query string.
   * @throws FST_BLAZE_WS_INVALID_TICKET (401) if the ticket is missing, malformed, expired or already spent.
   * @throws FST_BLAZE_WS_TICKET_STORE_UNAVAILABLE (503) if the store does not answer within `timeout`.
   */
  spend(from: FastifyRequest | string): Promise<Data>
}

const ID_BYTES = 16
const SECRET_BYTES = 32
/** The id and the secret in base64url. */
const TICKET = /^([\w-]{22})\.([\w-]{43})$/

const CHECKS: Checks<TicketOptions> = {
  ttl: integer(1, undefined, ' (milliseconds)'),
  store: objectWith(['put', 'take'], 'must have put(id, record, ttl) and take(id)'),
  parameter: nonEmptyString,
  timeout: integer(1, 60_000, ' (milliseconds)')
}

/**
 * Tickets for browsers, which cannot send headers with a WebSocket. A page gets a ticket from a REST route, authenticated by its
 * session or token, and opens `/chat?ticket=…` at once. A ticket that ends up in a log or in the browser's history is useless: it
 * works once, and not for long.
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION for an unknown option or a value that is not allowed.
 */
export function webSocketTickets<Data = unknown>(options?: TicketOptions): WebSocketTickets<Data> {
  const resolved = validateOptions(options, 'tickets', CHECKS, { ttl: 30_000, parameter: 'ticket', timeout: 3_000 })
  const { ttl, parameter, timeout, store = memoryTicketStore() } = resolved
  // A late answer of the store is ignored. The ticket is not given out, though the store may have kept or forgotten it.
  const ask = <T>(call: () => Promise<T> | T): Promise<T> =>
    withTimeout((async () => call())(), timeout, (): never => {
      throw new errors.TICKET_STORE_UNAVAILABLE(timeout)
    })
  return {
    async issue(data) {
      const json = jsonOf(data, 'data')
      const id = randomBytes(ID_BYTES).toString('base64url')
      const secret = randomBytes(SECRET_BYTES).toString('base64url')
      const record = { hash: hashOf(secret).toString('base64url'), data: json, expiresAt: Date.now() + ttl }
      await ask(() => store.put(id, record, ttl))
      return `${id}.${secret}`
    },
    async spend(from) {
      const ticket = typeof from === 'string' ? from : (from.query as Record<string, unknown> | null)?.[parameter]
      const [, id, secret] = (typeof ticket === 'string' && TICKET.exec(ticket)) || []
      if (id === undefined || secret === undefined) throw new errors.INVALID_TICKET()
      const record = await ask(() => store.take(id))
      if (record === undefined || !hasHash(secret, record.hash) || Date.now() >= record.expiresAt)
        throw new errors.INVALID_TICKET()
      return JSON.parse(record.data) as Data
    }
  }
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

/** The comparison takes the same time for every secret, so its time tells nothing about the hash. */
function hasHash(secret: string, hash: unknown): boolean {
  const expected = Buffer.from(String(hash), 'base64url')
  const actual = hashOf(secret)
  return expected.length === actual.length && timingSafeEqual(expected, actual)
}
