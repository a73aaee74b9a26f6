import { errors } from '../internal/errors.ts'
import { type Checks, integer, validateOptions } from '../internal/validate.ts'
import type { Position } from '../rpc/position.ts'
import { MemoryRoom, sizeOfMessage, sizeOfRoom } from './memory-room.ts'
import { RecencyList } from './recency-list.ts'
import {
  type Appended,
  type AppendOptions,
  type HistoryStore,
  isBehind,
  type KnownRoom,
  newEpoch,
  type NewMessage,
  type ReadRange,
  type StoredPart
} from './store.ts'

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024
/** A room with a name of 300 characters fits. */
const MIN_MAX_BYTES = 1024
/** A call adds at most one room, so two are enough to catch up. */
const SWEPT_PER_CALL = 2

const CHECKS: Checks<{ maxBytes?: number | undefined }> = {
  maxBytes: integer(MIN_MAX_BYTES, Number.MAX_SAFE_INTEGER, ' (bytes)')
}

/**
 * Makes a store that keeps the latest messages of rooms in the memory of this process. What it keeps ends with the process.
 *
 * @param options.maxBytes about how much memory all rooms together may take. If they take more, the room that was not used for the
 *   longest time is forgotten; if there is only one, it loses its oldest messages. A message that is larger is rejected with
 *   FST_BLAZE_WS_OUT_OF_RANGE. @default 67108864
 * @throws FST_BLAZE_WS_INVALID_OPTION for an unknown option or a value that is not allowed.
 */
export function memoryHistory(options?: { maxBytes?: number | undefined }): HistoryStore {
  const { maxBytes } = validateOptions(options, 'memoryHistory', CHECKS, { maxBytes: DEFAULT_MAX_BYTES })
  return new MemoryHistory(maxBytes)
}

class MemoryHistory implements HistoryStore {
  readonly #maxBytes: number
  readonly #rooms = new Map<string, MemoryRoom>()
  readonly #recent = new RecencyList<MemoryRoom>()
  #bytes = 0
  /** The latest epoch of a room that was forgotten. The next epoch of that room must sort after it. */
  #forgotten: string | undefined

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  async append(
    name: string,
    messages: readonly NewMessage[],
    { known, size, ttl }: AppendOptions
  ): Promise<readonly Appended[]> {
    for (const message of messages) this.#assertFits(name, message)
    return this.#use(name, ttl, known, (room) => {
      room.dropBefore(Date.now() - ttl)
      const appended = messages.map((message) => room.add(message))
      room.dropTo(size)
      return appended
    })
  }

  async read(name: string, range: ReadRange): Promise<StoredPart> {
    return this.#use(name, range.ttl, undefined, (room) => ({ position: room.position, messages: room.read(range) }))
  }

  async positions(rooms: readonly KnownRoom[]): Promise<readonly Position[]> {
    return rooms.map(({ room, known, ttl }) => this.#use(room, ttl, known, ({ position }) => position))
  }

  async clear(name: string): Promise<void> {
    if (this.#rooms.has(name)) this.#use(name, undefined, undefined, (room) => room.clear())
  }

  #assertFits(name: string, message: NewMessage): void {
    const bytes = sizeOfRoom(name) + sizeOfMessage(message)
    if (bytes <= this.#maxBytes) return
    throw new errors.OUT_OF_RANGE('message', `takes ${bytes} bytes, and the history has at most ${this.#maxBytes}`)
  }

  /** Calls a function with the room, which begins an epoch if that is due. Afterwards the rooms fit into the memory again. */
  #use<Result>(
    name: string,
    ttl: number | undefined,
    known: Position | undefined,
    action: (room: MemoryRoom) => Result
  ): Result {
    const now = Date.now()
    this.#sweep(now)
    const room = this.#rooms.get(name) ?? this.#add(name)
    this.#recent.use(room)
    room.keep(now, ttl)
    const before = room.bytes
    if (known !== undefined && isBehind(room, known)) room.begin(newEpoch(known.epoch))
    try {
      return action(room)
    } finally {
      this.#bytes += room.bytes - before
      this.#shrink()
    }
  }

  #add(name: string): MemoryRoom {
    const room = new MemoryRoom(name, newEpoch(this.#forgotten))
    this.#rooms.set(name, room)
    this.#bytes += room.bytes
    return room
  }

  #forget(room: MemoryRoom): void {
    this.#rooms.delete(room.name)
    this.#recent.delete(room)
    this.#bytes -= room.bytes
    if (this.#forgotten === undefined || this.#forgotten < room.epoch) this.#forgotten = room.epoch
  }

  /** Forgets a few rooms that nobody has asked for. The store has no timer. */
  #sweep(now: number): void {
    for (let i = 0; i < SWEPT_PER_CALL; i++) {
      const room = this.#recent.oldest
      if (room === undefined || now <= room.keptUntil) return
      this.#forget(room)
    }
  }

  /** Forgets the rooms that were not used for the longest time, or the oldest messages of the only one. */
  #shrink(): void {
    while (this.#bytes > this.#maxBytes) {
      const room = this.#recent.oldest as MemoryRoom
      const { bytes } = room
      if (this.#rooms.size > 1 || room.count === 0) this.#forget(room)
      else {
        room.dropOldest()
        this.#bytes += room.bytes - bytes
      }
    }
  }
}
