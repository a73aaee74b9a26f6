import { type Checks, integer, validateOptions } from '../internal/validate.ts'

/** What a store keeps of a ticket. It is not enough to make the ticket. */
export interface TicketRecord {
  /** The SHA-256 hash of the ticket's secret, in base64url. */
  hash: string
  /** What the ticket was issued for, as JSON. */
  data: string
  /** When the ticket expires, in milliseconds since 1970. */
  expiresAt: number
}

/** Keeps tickets until they are spent. Servers that share a store accept each other's tickets. */
export interface TicketStore {
  /** MUST keep the record under this id until it is taken. MAY forget it after `ttl` milliseconds. */
  put(id: string, record: TicketRecord, ttl: number): Promise<void> | void
  /** MUST return the record and forget it in one step, so that only one of two simultaneous calls gets it. */
  take(id: string): Promise<TicketRecord | undefined> | TicketRecord | undefined
}

const CHECKS: Checks<{ max?: number }> = { max: integer(1) }

/**
 * Keeps tickets in the memory of this process. An unspent ticket is dropped some time after it has expired. If the store is full,
 * the oldest ticket is dropped.
 *
 * @param options.max the most tickets that the store keeps. @default 100000
 * @throws FST_BLAZE_WS_INVALID_OPTION for an unknown option or a value that is not allowed.
 */
export function memoryTicketStore(options?: { max?: number }): TicketStore {
  const { max } = validateOptions(options, 'memoryTicketStore', CHECKS, { max: 100_000 })
  // A Map keeps the order in which tickets were issued. That is about the order in which they expire.
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
