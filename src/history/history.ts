import { TextMessage } from '../internal/message.ts'
import { assertRoomName } from '../internal/room-name.ts'
import { assertKeys } from '../internal/validate.ts'
import type { Position } from '../rpc/position.ts'
import { contentOf } from './content.ts'
import { assertCount, assertLast, assertSince } from './join.ts'
import type { StoredMessage } from './store.ts'
import type { StoreLink } from './store-link.ts'

/** Which messages to read. */
export interface ReadOptions {
  /** Those after this position. @default from the beginning */
  since?: Position | undefined
  /** The last so many, 0 to 1000000, if there is no `since`. @default all */
  last?: number | undefined
  /** At most so many, the oldest first, 1 to 1000000. @default all */
  limit?: number | undefined
}

/** A published message. */
export interface HistoryEntry {
  readonly offset: number
  /** The name of the event, or the type of a raw message: `TextMessage` or `BinaryMessage`. */
  readonly type: string | number
  /** The data of an event as it was sent, a string, or bytes. */
  readonly data: unknown
  /** When it was stored, in milliseconds since 1970. */
  readonly time: number
}

/** Messages of a room. */
export interface HistoryEntries extends Position {
  /** In the order in which they were published. */
  readonly entries: HistoryEntry[]
  /** False if something that was asked for is missing: it is no longer in the history, or there was a limit. */
  readonly isComplete: boolean
}

/** The part of a hub that its history uses. */
export interface HistoryHub {
  /** @throws an error if there is no store. */
  readonly link: StoreLink
  /** The highest position that this node knows. */
  knownOf(room: string): Position | undefined
  /** The history of a room was cleared. */
  onCleared(room: string): void
}

const KEYS = ['since', 'last', 'limit']
const MAX_LIMIT = 1_000_000
/** How many messages are read in one call. */
const PART_SIZE = 1_000

/** The published messages of the rooms of a hub. Whoever may call it may read all rooms. */
export class History {
  readonly #hub: HistoryHub

  /** @internal */
  constructor(hub: HistoryHub) {
    this.#hub = hub
  }

  /**
   * Reads messages of a room. The result has the position after the last of them: pass it as `since` to read on, or to a client.
   *
   * @throws FST_BLAZE_WS_NO_HISTORY if the hub has a broker and no store, and the error of the store if that is away.
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT or FST_BLAZE_WS_OUT_OF_RANGE for a wrong argument. All errors are rejections.
   */
  async read(room: string, options: ReadOptions = {}): Promise<HistoryEntries> {
    assertRoomName(room)
    assertKeys('options', options, KEYS)
    const { since, last, limit = MAX_LIMIT } = options
    assertSince(since)
    assertLast(last)
    assertCount('limit', limit, 1, MAX_LIMIT)
    const position = await this.position(room)
    const isKnown = since === undefined || (since.epoch === position.epoch && since.offset <= position.offset)
    const start = isKnown ? (since?.offset ?? Math.max(0, position.offset - (last ?? Infinity))) : 0
    const messages = await this.#readAll(room, start, position, limit)
    if (messages === undefined) return this.read(room, options)
    const isWhole = messages.length === position.offset - start
    const offset = isWhole ? position.offset : (messages.at(-1)?.offset ?? position.offset)
    return { entries: messages.flatMap(entryOf), epoch: position.epoch, offset, isComplete: isKnown && isWhole }
  }

  /** The position of a room: that of its last message. Begins the stream of a room that has none. Rejects like `read`. */
  async position(room: string): Promise<Position> {
    assertRoomName(room)
    const [position] = (await this.#hub.link.positions([{ room, known: this.#hub.knownOf(room) }])) as [Position]
    return { epoch: position.epoch, offset: position.offset }
  }

  /** Drops the messages of a room. Its offsets go on, so its members miss nothing. Rejects like `read`. */
  async clear(room: string): Promise<void> {
    assertRoomName(room)
    await this.#hub.link.clear(room)
    this.#hub.onCleared(room)
  }

  /** Messages between two positions; undefined if a new epoch has begun meanwhile. */
  async #readAll(room: string, start: number, end: Position, limit: number): Promise<StoredMessage[] | undefined> {
    const all: StoredMessage[] = []
    for (let after = start; after < end.offset && all.length < limit;) {
      const part = await this.#hub.link.read(room, after, Math.min(PART_SIZE, limit - all.length))
      if (part.position.epoch !== end.epoch) return undefined
      all.push(...part.messages.filter(({ offset }) => offset <= end.offset))
      after = part.messages.at(-1)?.offset ?? Infinity
    }
    return all
  }
}

/** A message of another program has no entry. */
function entryOf({ offset, time, body }: StoredMessage): HistoryEntry[] {
  const content = contentOf(body)
  if (content === undefined) return []
  const { type, payload, audience } = content
  if (audience !== undefined) return [{ offset, type: audience.event, data: paramsOf(payload), time }]
  return [{ offset, type, data: type === TextMessage ? payload.toString() : Buffer.from(payload), time }]
}

function paramsOf(text: Buffer): unknown {
  try {
    return (JSON.parse(text.toString()) as { params?: unknown }).params
  } catch {
    // Another program has written it.
    return undefined
  }
}
