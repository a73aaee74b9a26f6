import type { Broker } from '../brokers/broker.ts'
import type { Position } from '../rpc/position.ts'

/** A message that is to be stored. */
export interface NewMessage {
  /** Unique in its room, 1 to 128 characters: what is stored under an id is not stored again. */
  readonly id: string
  /** The message. A store does not look into it. Its bytes do not change before `append` has settled, and may change then. */
  readonly body: Uint8Array
  /** A store that publishes may begin this message with it, instead of the `head` of the `Publication`. It is not stored. */
  readonly head?: Uint8Array | undefined
}

/** What became of a message that was appended. */
export interface Appended extends Position {
  /** False if a message with this id was in the history already. Then this is its position. */
  readonly isNew: boolean
}

/** A message of a history. Nobody changes the bytes of its body: a store may return them again. */
export interface StoredMessage extends Omit<NewMessage, 'head'> {
  readonly offset: number
  /** When it was stored, in milliseconds since 1970. */
  readonly time: number
}

/** A part of a history. */
export interface StoredPart {
  /** The position of the room: its epoch, and the offset of the last message that was stored there. */
  readonly position: Position
  /** In the order of their offsets, which have no holes. */
  readonly messages: readonly StoredMessage[]
}

/** How much of a room is kept, and for how long. */
export interface Retention {
  /** The most messages. */
  readonly size: number
  /** The age at which a message is dropped, in milliseconds. */
  readonly ttl: number
}

export interface AppendOptions extends Retention {
  /** The highest position that the caller knows; undefined if it knows none. */
  readonly known: Position | undefined
  /** Has the store publish what it has appended. Only if `publishesOver` has returned this for the broker. */
  readonly publish?: Publication | undefined
}

/** How a store that shares its engine with a broker publishes what it appends. */
export interface Publication {
  /** What `publishesOver` has returned. */
  readonly over: unknown
  /** The beginning of each message that is published. It says less than the `head` of a message that has one. */
  readonly head: Uint8Array
}

/** A room whose position is asked for. */
export interface KnownRoom {
  readonly room: string
  /** The highest position that the caller knows; undefined if it knows none. */
  readonly known: Position | undefined
  readonly ttl: number
}

/** Which part of a history to read. */
export interface ReadRange {
  /** Reads the messages after this offset. */
  readonly after: number
  /** Reads at most so many messages. */
  readonly limit: number
  /** Reads no further message once their bodies have so many bytes. The first one may be of any size. */
  readonly maxBytes: number
  /** Reads no message that is older, in milliseconds. */
  readonly ttl: number
}

/**
 * Keeps the latest messages of rooms, and numbers them. It knows nothing of clients: a message is opaque bytes, and a room is any
 * well-formed string of up to 300 characters. Several hubs, of one process or of many, MAY use the same store at the same time.
 * `historyConformance` of `fastify-blaze-ws/testing` tests this contract.
 *
 * The numbers of a room count from 1 without holes within an epoch. An epoch is a string of 1 to 64 characters, and a later epoch of a
 * room MUST sort after all earlier ones. `newEpoch` makes one. A new epoch begins with no messages and the offset 0:
 *
 * - if the store does not know the room, because it is new or because the store has lost it, and
 * - if the store is behind the caller: the known epoch sorts after that of the store, or it is the same and the known offset is higher.
 *   Then the store has lost messages, and MUST NOT give their numbers to others.
 *
 * Calls for one room that are made by one process MUST take effect in the order in which they are made. Every promise MUST settle. It
 * MUST reject if it is not certain that the call has taken effect; the call may take effect nevertheless, or later. No method throws.
 */
export interface HistoryStore {
  /**
   * Numbers messages and stores them, in their order and in one step. A message whose id is that of a message in the history MUST NOT be
   * stored again. Afterwards the room MUST have at most `size` messages, and none that is older than `ttl`: the oldest are dropped. Resolves
   * to what became of each message.
   */
  append(room: string, messages: readonly NewMessage[], options: AppendOptions): Promise<readonly Appended[]>

  /**
   * Reads messages in order, as they were appended. It MUST return at least one if there is any in the range. If the oldest messages of the
   * range are gone, it returns those that are left. If the store does not know the room, it begins an epoch.
   */
  read(room: string, range: ReadRange): Promise<StoredPart>

  /**
   * Tells where rooms are, in the order of the list, after beginning new epochs where that is due. A position MUST outlive the messages: it
   * MUST be kept for twice the `ttl` after the last call that names the room.
   */
  positions(rooms: readonly KnownRoom[]): Promise<readonly Position[]>

  /** Drops the messages of a room. Its position MUST stay. */
  clear(room: string): Promise<void>

  /** A hub or a publisher begins to use the store. It MUST NOT wait for the engine. */
  open?(): void

  /** A hub or a publisher no longer uses the store. After the last of them, nothing may keep the process alive. MUST NOT reject. */
  close?(): Promise<void>

  /**
   * Whether the store can publish over the engine of this broker in the same step in which it appends. Then it returns something that
   * `append` gets as `publish.over`: the broker's nodes MUST get a message on the channel with the name of the room, for each appended
   * message, new or not. It begins with `publish.head`, or with its own `head`, and goes on with the line `<epoch> <offset> <id>\n` and the body. Otherwise it
   * returns undefined.
   */
  publishesOver?(broker: Broker): unknown
}

/** How many characters the time in an epoch has. They suffice until the year 5188. */
const TIME_DIGITS = 9

/** A new epoch, which sorts after those that began earlier, and after this one even if the clock of another machine was ahead. */
export function newEpoch(after?: string): string {
  const last = after === undefined ? 0 : Number.parseInt(after.slice(0, TIME_DIGITS), 36) || 0
  const time = Math.max(Date.now(), last + 1)
  const random = Math.floor(Math.random() * 36 ** 6)
  return `${digits(time, TIME_DIGITS)}-${digits(random, 6)}`
}

function digits(value: number, length: number): string {
  return value.toString(36).padStart(length, '0')
}

/** Whether a position, such as that of a store, is behind another one, such as that which its caller knows. */
export function isBehind(stored: Position, known: Position | undefined): boolean {
  if (known === undefined) return false
  return stored.epoch === known.epoch ? stored.offset < known.offset : stored.epoch < known.epoch
}
