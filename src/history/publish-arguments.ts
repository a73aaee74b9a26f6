import { randomBytes } from 'node:crypto'
import { isContract } from '../contract/definition.ts'
import type { Contract } from '../contract/types.ts'
import { DELIVERY_KEYS } from '../internal/delivery.ts'
import { describe, errors } from '../internal/errors.ts'
import { type MessageType, TextMessage } from '../internal/message.ts'
import { assertDataType, ownCopy, payloadOf } from '../internal/payload.ts'
import { assertRoomName } from '../internal/room-name.ts'
import { assertKeys } from '../internal/validate.ts'
import type { CompiledContract } from '../schemas/compiled-contract.ts'
import { eventText } from '../schemas/event-text.ts'
import type { Content } from './content.ts'

/** The options of `publish`. */
export interface StreamOptions {
  /** `TextMessage` or `BinaryMessage`; not for events of a contract, which are text. @default TextMessage */
  type?: MessageType
  /**
   * 1 to 128 characters without control characters. What is published under an id is not stored again while it is in the history: so it is
   * safe to repeat a call that was rejected. @default a new one for each call
   */
  id?: string
}

/** What is to be published. */
export interface StreamPublication {
  readonly room: string
  readonly id: string
  readonly content: Content
}

const MAX_ID = 128
const ID = /^[^\p{Cc}\p{Cs}]+$/u

/**
 * Reads the arguments of `publish`: data and options, or a contract, an event, its data and options.
 *
 * @param to the target of `to()`; if it is undefined, the options must have it.
 * @throws TypeError or RangeError if an argument is wrong, or if the data does not fit.
 */
export function publicationOf(
  args: readonly unknown[],
  to: { to: unknown } | undefined,
  compile: (contract: Contract) => CompiledContract
): StreamPublication {
  const [contract] = args
  const isEvent = isContract(contract)
  const options = (args[isEvent ? 3 : 1] ?? {}) as StreamOptions & { to?: unknown }
  assertIsStored(options)
  assertKeys('options', options, keysOf(isEvent, to === undefined))
  const room = roomOf(to === undefined ? options.to : to.to)
  const content = isEvent ? eventContent(compile(contract), args[1], args[2]) : rawContent(args[0], options)
  return { room, id: idOf(options.id), content }
}

/** What is stored arrives whole: it is neither replaced nor dropped on its way to a client. */
function assertIsStored(options: object | null): void {
  for (const key of DELIVERY_KEYS)
    if (options !== null && typeof options === 'object' && key in options)
      throw new errors.INVALID_ARGUMENT(
        `options.${key}`,
        'is for broadcasts: what is published must arrive; use broadcast for values that may be missed'
      )
}

function keysOf(isEvent: boolean, hasTo: boolean): string[] {
  return ['id', ...(isEvent ? [] : ['type']), ...(hasTo ? ['to'] : [])]
}

/** A stream belongs to one room. */
function roomOf(to: unknown): string {
  const targets: unknown[] = Array.isArray(to) ? to : [to]
  if (targets.length !== 1)
    throw new errors.INVALID_ARGUMENT('to', `publish takes one room, got ${targets.length}; call it for each`)
  const [room] = targets
  if (room === undefined) throw new errors.INVALID_ARGUMENT('to', 'publish needs a room')
  assertRoomName(room)
  return room
}

function rawContent(data: unknown, { type = TextMessage }: StreamOptions): Content {
  assertDataType(type)
  return { type: type, payload: ownCopy(payloadOf(type, data)), audience: undefined }
}

function eventContent(compiled: CompiledContract, event: unknown, data: unknown): Content {
  const text = eventText(compiled, event as string, data)
  const audience = { contract: compiled.definition.name, event: event as string }
  return { type: TextMessage, payload: Buffer.from(text), audience }
}

const PREFIX = randomBytes(9).toString('base64url')
let count = 0

function idOf(id: unknown): string {
  if (id === undefined) return PREFIX + (count++).toString(36)
  if (typeof id !== 'string' || id.length > MAX_ID || !ID.test(id))
    throw new errors.INVALID_ARGUMENT(
      'id',
      `must be a string of 1 to ${MAX_ID} characters without control characters, got ${describe(id)}`
    )
  return id
}
