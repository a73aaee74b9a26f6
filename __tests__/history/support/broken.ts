import type { HistoryStore, KnownRoom, Position } from '../../../src/index.ts'

/** What a broken store does in its own way; what it does not define works. */
type Fault = (store: HistoryStore) => Partial<HistoryStore>

const shift = <At extends Position>(at: At, by: (offset: number) => number): At => ({ ...at, offset: by(at.offset) })
const skip = (offset: number): number => (offset > 2 ? offset + 1 : offset)
const unskip = (offset: number): number => (offset > 2 ? offset - 1 : offset)
const reversed = (text: string): string => text.split('').toReversed().join('')
const reversedEpoch = <At extends Position>(at: At): At => ({ ...at, epoch: reversed(at.epoch) })
const forget = <Options extends { known: Position | undefined }>(options: Options): Options => ({
  ...options,
  known: undefined
})

async function positionOf(store: HistoryStore, room: string): Promise<Position> {
  const [position] = await store.positions([{ room, known: undefined, ttl: 60_000 }])
  return position as Position
}

async function renew(store: HistoryStore, room: string): Promise<void> {
  const { epoch, offset } = await positionOf(store, room)
  await store.positions([{ room, known: { epoch, offset: offset + 1 }, ttl: 60_000 }])
}

/** Begins an epoch whenever the caller knows another one. */
async function renewUnknown(store: HistoryStore, { room, known }: KnownRoom): Promise<void> {
  if (known !== undefined && known.epoch !== (await positionOf(store, room)).epoch) await renew(store, room)
}

/** Stores with one fault each, and the test that finds it. */
export const FAULTS: readonly [what: string, test: string, fault: Fault][] = [
  [
    'skips a number',
    'messages are numbered from 1 without holes, in one call or in many',
    (store) => ({
      append: async (...call) => (await store.append(...call)).map((at) => shift(at, skip)),
      positions: async (rooms) => (await store.positions(rooms)).map((at) => shift(at, skip)),
      async read(room, range) {
        const { position, messages } = await store.read(room, { ...range, after: unskip(range.after) })
        const shifted = messages.map((one) => Object.assign({}, one, { offset: skip(one.offset) }))
        return { position: shift(position, skip), messages: shifted }
      }
    })
  ],
  [
    'gives numbers to others after a loss (append)',
    'append: an epoch begins if the caller knows a higher offset',
    (store) => ({ append: (room, messages, options) => store.append(room, messages, forget(options)) })
  ],
  [
    'gives numbers to others after a loss (positions)',
    'positions: an epoch begins if the caller knows a higher offset',
    (store) => ({ positions: (rooms) => store.positions(rooms.map(forget)) })
  ],
  [
    'begins an epoch for a caller that knows an earlier one',
    'positions: what the caller knows changes nothing if the store has it',
    (store) => ({
      async positions(rooms) {
        for (const one of rooms) await renewUnknown(store, one)
        return store.positions(rooms.map(forget))
      }
    })
  ],
  [
    'begins epochs that do not sort',
    'each epoch of a room has 1 to 64 characters, and sorts after those before it',
    (store) => ({
      async positions(rooms) {
        const known = rooms.map((one) => ({ ...one, known: one.known && reversedEpoch(one.known) }))
        return (await store.positions(known)).map(reversedEpoch)
      }
    })
  ],
  [
    'stores duplicates',
    'a message is not stored again while its id is in the history, and its position is told',
    (store) => ({
      append: (room, messages, options) =>
        store.append(
          room,
          messages.map(({ id, body }, i) => ({ id: `${id}\0${Date.now()}${i}`, body })),
          options
        )
    })
  ],
  [
    'stores the messages of one call in several steps',
    'two stores that append at the same time leave no hole, and keep the order of each',
    (store) => ({
      async append(room, messages, options) {
        const appended = []
        for (const one of messages) {
          appended.push(...(await store.append(room, [one], options)))
          await new Promise(setImmediate)
        }
        return appended
      }
    })
  ],
  [
    'returns messages out of order',
    'messages are numbered from 1 without holes, in one call or in many',
    (store) => ({
      async read(room, range) {
        const { position, messages } = await store.read(room, range)
        return { position, messages: messages.toReversed() }
      }
    })
  ],
  [
    'lets short messages overtake long ones',
    'many appends that do not wait for each other are numbered in their order',
    (store) => ({
      async append(room, messages, options) {
        if (messages.some(({ body }) => body.length > 1_000)) await new Promise(setImmediate)
        return store.append(room, messages, options)
      }
    })
  ],
  [
    'forgets the position when it drops the messages',
    'clear drops the messages with their ids, and the position stays',
    (store) => ({ clear: (room) => renew(store, room) })
  ],
  [
    'forgets the position too early',
    'a position outlives the messages, for twice the `ttl` after the last call that names the room',
    (store) => ({
      append: (room, messages, options) => store.append(room, messages, { ...options, ttl: options.ttl / 2 }),
      read: (room, range) => store.read(room, { ...range, ttl: range.ttl / 2 }),
      positions: (rooms) => store.positions(rooms.map(({ room, known, ttl }) => ({ room, known, ttl: ttl / 2 })))
    })
  ],
  [
    'reads nothing if the first message is too large',
    'no further message is read once there are enough bytes, but at least one',
    (store) => ({
      async read(room, range) {
        const { position, messages } = await store.read(room, range)
        return { position, messages: (messages[0]?.body.length ?? 0) > range.maxBytes ? [] : messages }
      }
    })
  ],
  [
    'reads more bytes than asked for',
    'no further message is read once there are enough bytes, but at least one',
    (store) => ({ read: (room, range) => store.read(room, { ...range, maxBytes: 1e9 }) })
  ],
  [
    'reads more messages than asked for',
    'the messages after an offset are read, at most as many as asked for',
    (store) => ({ read: (room, range) => store.read(room, { ...range, limit: 1e9 }) })
  ],
  [
    'keeps more messages than it may',
    'after an append, a room has at most `size` messages: the newest',
    (store) => ({
      append: (room, messages, options) => store.append(room, messages, { ...options, size: options.size * 1.1 })
    })
  ],
  [
    'keeps messages longer than it may',
    'messages that are too old are not read, and are dropped by the next append',
    (store) => ({ append: (room, messages, options) => store.append(room, messages, { ...options, ttl: 1e9 }) })
  ],
  [
    'reads messages that are too old',
    'messages that are too old are not read, and are dropped by the next append',
    (store) => ({ read: (room, range) => store.read(room, { ...range, ttl: 1e9 }) })
  ],
  [
    'takes bytes for text',
    'bodies are returned as they were appended, and so is the time',
    (store) => ({
      append: (room, messages, options) =>
        store.append(
          room,
          messages.map(({ id, body }) => ({ id, body: Buffer.from(Buffer.from(body).toString()) })),
          options
        )
    })
  ],
  [
    'takes different rooms for one',
    'any string of up to 300 characters is a room, and different strings are different rooms',
    (store) => ({
      append: (room, messages, options) => store.append(room.toLowerCase(), messages, options),
      read: (room, range) => store.read(room.toLowerCase(), range)
    })
  ],
  [
    'tells positions in an order of its own',
    'the positions of many rooms are told in the order of the list',
    (store) => ({
      positions: (rooms) => store.positions(rooms.toSorted((a, b) => a.room.localeCompare(b.room)))
    })
  ]
]
