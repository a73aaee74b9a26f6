import type { Notes } from '../cluster/wire/notes.ts'
import type { Channels } from '../cluster/wire/channels.ts'
import { isPosition, type Position } from '../rpc/position.ts'
import type { ResolvedHistoryOptions } from './options.ts'
import type { Appended, HistoryStore, KnownRoom, NewMessage, Publication, StoredMessage, StoredPart } from './store.ts'

/** A part that is read has at most about so many bytes. */
const PART_BYTES = 256 * 1024
/**
 * Positions are kept for at least twice as long, in milliseconds: the store is asked for them every few seconds, and messages may be kept
 * for less than that.
 */
const MIN_POSITION_TTL = 30_000

export interface StoreListener {
  /** A call has failed or takes too long, and the last one had not. */
  onAway(error: Error): void
  /** A call has succeeded, and the last one had not. */
  onBack(): void
}

/** A store, as one hub or publisher uses it: with the retention of its rooms, and apart from the rooms of other hubs. */
export class StoreLink {
  readonly #store: HistoryStore
  readonly #options: ResolvedHistoryOptions
  readonly #channels: Channels
  readonly #listener: StoreListener
  #publication: Publication | undefined
  #headOf: ((notes?: Notes) => Uint8Array) | undefined
  #isAway = false
  #isClosed = false

  constructor(store: HistoryStore, options: ResolvedHistoryOptions, channels: Channels, listener: StoreListener) {
    this.#store = store
    this.#options = options
    this.#channels = channels
    this.#listener = listener
    store.open?.()
  }

  get store(): HistoryStore {
    return this.#store
  }

  /** True if the store publishes what it appends. Otherwise the broker has to. */
  get publishes(): boolean {
    return this.#publication !== undefined
  }

  /** Has the store publish what it appends. `headOf` makes the beginning of a message with these notes. */
  publishOver(over: unknown, headOf: (notes?: Notes) => Uint8Array): void {
    this.#publication = { over, head: headOf() }
    this.#headOf = headOf
  }

  /** The beginning of a message that belongs to a trace, if the store publishes it; undefined for that of all others. */
  headOf(traceparent: string | undefined): Uint8Array | undefined {
    return traceparent === undefined ? undefined : this.#headOf?.({ traceparent })
  }

  append(room: string, messages: readonly NewMessage[], known: Position | undefined): Promise<readonly Appended[]> {
    const options = { ...this.#options.retentionOf(room), known, publish: this.#publication }
    return this.#watch(
      () => this.#store.append(this.#channels.ofRoom(room), messages, options),
      (appended) => appended.length === messages.length && appended.every(isPosition)
    )
  }

  read(room: string, after: number, limit: number): Promise<StoredPart> {
    const { ttl } = this.#options.retentionOf(room)
    return this.#watch(
      () => this.#store.read(this.#channels.ofRoom(room), { after, limit, maxBytes: PART_BYTES, ttl }),
      ({ position, messages }) => isPosition(position) && areInOrder(messages, after)
    )
  }

  positions(rooms: readonly { room: string; known: Position | undefined }[]): Promise<readonly Position[]> {
    const known: KnownRoom[] = rooms.map((one) => ({
      room: this.#channels.ofRoom(one.room),
      known: one.known,
      ttl: Math.max(this.#options.retentionOf(one.room).ttl, MIN_POSITION_TTL)
    }))
    return this.#watch(
      () => this.#store.positions(known),
      // One that is wrong among many is the matter of its room.
      (positions) => positions.length === rooms.length && (rooms.length > 1 || positions.every(isPosition))
    )
  }

  clear(room: string): Promise<void> {
    return this.#watch(
      () => this.#store.clear(this.#channels.ofRoom(room)),
      () => true
    )
  }

  /** A call has failed, or a caller has given up: a store that does not answer is away, too. */
  reportAway(error: Error): void {
    if (!this.#isAway) this.#listener.onAway(error)
    this.#isAway = true
  }

  async close(): Promise<void> {
    // The store counts its users.
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#store.close?.()
  }

  /** An answer that breaks the contract of a store is an error of the store: further inside, it could end the process. */
  async #watch<T>(call: () => Promise<T>, isValid: (result: T) => boolean): Promise<T> {
    try {
      const result = await call()
      if (!isValid(result)) throw new Error('the store has given a wrong answer')
      if (this.#isAway) this.#listener.onBack()
      this.#isAway = false
      return result
    } catch (reason) {
      const error = reason instanceof Error ? reason : new Error(String(reason))
      this.reportAway(error)
      throw error
    }
  }
}

function areInOrder(messages: readonly StoredMessage[], after: number): boolean {
  let last = after
  return messages.every(({ offset }) => {
    const isLater = Number.isSafeInteger(offset) && offset > last
    last = offset
    return isLater
  })
}
