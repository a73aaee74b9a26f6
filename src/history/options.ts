import { invalidOption } from '../internal/errors.ts'
import { MAX_ROOM_NAME } from '../internal/room-name.ts'
import { callback, type Checks, entriesOf, integer, objectWith, validateOptions } from '../internal/validate.ts'
import type { HistoryStore, Retention } from './store.ts'

/** How much of a room a history keeps. */
export interface RoomRetention {
  /** The most messages of a room, 1 to 1000000. The oldest are dropped. @default 1000 */
  size?: number | undefined
  /** The age at which a message is dropped, in milliseconds, from 1. @default 600000 */
  ttl?: number | undefined
}

/** What a hub keeps of published messages. */
export interface HistoryOptions extends RoomRetention {
  /** Keeps the messages. @default without a broker `memoryHistory()`, with a broker none: then `publish` rejects */
  store?: HistoryStore | undefined
  /**
   * Other values for some rooms, by name: `{ 'orders:*': { size: 10_000 } }`. A `*` stands for any characters. The first name that
   * fits counts. @default none
   */
  rooms?: Readonly<Record<string, RoomRetention>> | undefined
  /**
   * The name of a room that clients see, if they must not see the one that the server uses. Rooms that one client is in need
   * different labels. @default the name of the room
   */
  label?: ((room: string) => string) | undefined
}

export interface ResolvedHistoryOptions {
  readonly store: HistoryStore | undefined
  readonly label: (room: string) => string
  readonly retentionOf: (room: string) => Retention
}

const RETENTION = { size: 1_000, ttl: 600_000 }

const RETENTION_CHECKS: Checks<RoomRetention> = {
  size: integer(1, 1_000_000, ' (messages)'),
  ttl: integer(1, undefined, ' (milliseconds)')
}

type Pattern = readonly [name: RegExp, retention: Partial<Retention>]

const CHECKS: Checks<Omit<HistoryOptions, 'rooms'> & { rooms?: Pattern[] }> = {
  ...RETENTION_CHECKS,
  store: objectWith(
    ['append', 'read', 'positions', 'clear'],
    'must be a HistoryStore, as memoryHistory() or redisHistory({ client }) makes one'
  ),
  rooms: (value, name) =>
    entriesOf(value, name).map(([room, retention]) => [
      patternOf(room, name),
      validateOptions(retention, `${name}["${room}"]`, RETENTION_CHECKS, {}) as Partial<Retention>
    ]),
  label: callback
}

/** Checks the option `history` of a hub or a publisher. @throws FST_BLAZE_WS_INVALID_OPTION */
export function resolveHistoryOptions(options: unknown, name: string): ResolvedHistoryOptions {
  const { size, ttl, store, rooms, label } = validateOptions(options, name, CHECKS, RETENTION)
  const retention = { size, ttl }
  return {
    store,
    label: label === undefined ? (room) => room : (room) => checkedLabel(label(room), `${name}.label`),
    retentionOf: (room) => {
      const pattern = rooms?.find((one) => one[0].test(room))
      return pattern === undefined ? retention : { ...retention, ...pattern[1] }
    }
  }
}

/** Clients send labels back in their positions. */
function checkedLabel(label: unknown, name: string): string {
  if (typeof label === 'string' && label !== '' && label.length <= MAX_ROOM_NAME && label !== '__proto__') return label
  throw invalidOption(name, `must return a string of 1 to ${MAX_ROOM_NAME} characters`, label)
}

function patternOf(room: string, name: string): RegExp {
  if (room === '') throw invalidOption(name, 'must have names of rooms as keys, in which * stands for any characters')
  const parts = room.split('*').map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`))
  return new RegExp(`^${parts.join('.*')}$`, 's')
}
