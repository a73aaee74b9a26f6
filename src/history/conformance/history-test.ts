import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Broker } from '../../brokers/broker.ts'
import { until } from '../../brokers/conformance/test-node.ts'
import type { Position } from '../../rpc/position.ts'
import type {
  Appended,
  AppendOptions,
  HistoryStore,
  NewMessage,
  ReadRange,
  StoredMessage,
  StoredPart
} from '../store.ts'

/** Makes the stores to test. Each optional function adds the tests that need it. */
export interface HistoryUnderTest {
  /** Makes a store. It is called once for each process that a test has, and all stores keep the same rooms. */
  create(): HistoryStore | Promise<HistoryStore>
  /** Stops the engine and starts it again, without a loss. */
  restart?: () => Promise<void>
  /** Makes the engine lose everything, or what was stored last. */
  lose?: () => Promise<void>
  /** Stops the engine. Resolves to a function that starts it again. The engine may lose something. */
  interrupt?: () => Promise<() => Promise<void>>
  /** Makes a broker that the stores can publish over. */
  createBroker?: () => Broker | Promise<Broker>
}

/** Makes a store that is closed after the test. */
export type MakeStore = () => Promise<HistoryStore>

/** One test of the contract. */
export type HistoryTest = [name: string, run: (makeStore: MakeStore) => Promise<void>]

/** Long enough that nothing is dropped during a test. */
const KEPT = { size: 10_000, ttl: 600_000 }
/** How long a store may need until its engine is back, in milliseconds. */
const RECOVERY = 10_000

/** A room that no other test uses. */
export function newRoom(): string {
  return `room ${randomUUID()}`
}

export function message(id: string, body: Uint8Array | string = `body of ${id}`): NewMessage {
  return { id, body: Buffer.from(body as string) }
}

/** The texts of the numbers from `first` to `last`. */
export function texts(first: number, last: number): string[] {
  return numbers(first, last).map(String)
}

export function numbers(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

/** Appends messages with these ids in one call. */
export async function append(
  store: HistoryStore,
  room: string,
  messages: readonly (string | NewMessage)[],
  options: Partial<AppendOptions> = {}
): Promise<Appended[]> {
  const appended = await store.append(
    room,
    messages.map((one) => (typeof one === 'string' ? message(one) : one)),
    { ...KEPT, known: undefined, ...options }
  )
  return appended.map(({ epoch, offset, isNew }) => ({ epoch, offset, isNew }))
}

/** Reads a part of a room, and everything if `range` is left out. */
export function read(store: HistoryStore, room: string, range: Partial<ReadRange> = {}): Promise<StoredPart> {
  return store.read(room, { after: 0, limit: 100_000, maxBytes: 2 ** 30, ttl: KEPT.ttl, ...range })
}

export async function messagesOf(
  store: HistoryStore,
  room: string,
  range?: Partial<ReadRange>
): Promise<readonly StoredMessage[]> {
  return (await read(store, room, range)).messages
}

export async function idsOf(store: HistoryStore, room: string, range?: Partial<ReadRange>): Promise<string[]> {
  return (await messagesOf(store, room, range)).map(({ id }) => id)
}

export async function offsetsOf(store: HistoryStore, room: string, range?: Partial<ReadRange>): Promise<number[]> {
  return (await messagesOf(store, room, range)).map(({ offset }) => offset)
}

export async function positionOf(
  store: HistoryStore,
  room: string,
  known?: Position,
  ttl = KEPT.ttl
): Promise<Position> {
  const [position] = await store.positions([{ room, known, ttl }])
  return plain(position as Position)
}

/** A position alone, without what a store may have added to it. */
export function plain({ epoch, offset }: Position): Position {
  return { epoch, offset }
}

/** Makes a room begin a new epoch: its caller knows a message that the store does not have. */
export async function renew(store: HistoryStore, room: string): Promise<Position> {
  const { epoch, offset } = await positionOf(store, room)
  return positionOf(store, room, { epoch, offset: offset + 1 })
}

/** Waits until calls are settled. */
export async function settled<Result>(
  calls: readonly Promise<Result>[],
  what: string
): Promise<PromiseSettledResult<Result>[]> {
  let results: PromiseSettledResult<Result>[] | undefined
  void Promise.allSettled(calls).then((all) => (results = all))
  await until(() => results !== undefined, what)
  return results as unknown as PromiseSettledResult<Result>[]
}

/** Repeats a call until it is fulfilled. */
export async function eventually<Result>(call: () => Promise<Result>): Promise<Result> {
  for (const end = Date.now() + RECOVERY; ; await sleep(50)) {
    try {
      return await call()
    } catch (error) {
      if (Date.now() > end) throw error
    }
  }
}
