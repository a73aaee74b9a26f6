import { type Session } from '../connection/session.ts'
import { frameOf } from '../connection/write/frame.ts'
import { violation } from '../internal/close-codes.ts'
import { describe, errors } from '../internal/errors.ts'
import { TextMessage } from '../internal/message.ts'
import { assertKeys } from '../internal/validate.ts'
import { RpcMethod, SUBPROTOCOL } from '../rpc/json-rpc.ts'
import { isPosition, MAX_LAST, type Position } from '../rpc/position.ts'
import { notificationText } from '../rpc/texts.ts'

/** Which past of a room a connection gets when it joins. */
export interface JoinOptions {
  /** Everything after this position. @default the position that the client has sent when it connected, if it can be recovered */
  since?: Position | undefined
  /** If there is no such position: the last so many messages, 0 to 1000000. @default 0 */
  last?: number | undefined
  /** Whether the position counts that the client has sent. @default true */
  resume?: boolean | undefined
}

const KEYS = ['since', 'last', 'resume']

/** True for options with which a connection gets nothing of the past, unless its client has sent a position. */
export function isPlain({ since, last = 0 }: JoinOptions): boolean {
  return since === undefined && last === 0
}

/** @throws FST_BLAZE_WS_INVALID_ARGUMENT or FST_BLAZE_WS_OUT_OF_RANGE */
export function assertJoinOptions(options: JoinOptions): void {
  assertKeys('options', options, KEYS)
  const { since, last, resume } = options
  assertSince(since)
  assertLast(last)
  if (resume !== undefined && typeof resume !== 'boolean')
    throw new errors.INVALID_ARGUMENT('resume', `must be a boolean, got ${describe(resume)}`)
}

export function assertSince(since: unknown): asserts since is Position | undefined {
  if (since !== undefined && !isPosition(since))
    // It often comes from a client.
    throw violation(
      new errors.INVALID_ARGUMENT('since', `must be a position, { epoch, offset }, got ${describe(since)}`),
      'invalid position'
    )
}

export function assertLast(last: unknown): asserts last is number | undefined {
  if (last !== undefined) assertCount('last', last, 0, MAX_LAST)
}

export function assertCount(name: string, value: unknown, min: number, max: number): asserts value is number {
  if (!Number.isInteger(value)) throw new errors.INVALID_ARGUMENT(name, `must be an integer, got ${describe(value)}`)
  if ((value as number) < min || (value as number) > max)
    throw new errors.OUT_OF_RANGE(name, `must be ${min} to ${max}, got ${describe(value)}`)
}

/** Why a client has missed messages: the store has lost the stream, or they are no longer in the history. */
export type GapReason = 'epoch' | 'trimmed'

/** What a client is told about its past, besides its position. */
export interface Recovery {
  /** True if it misses nothing, false if it does; undefined if it asked for nothing. */
  readonly recovered?: boolean
  readonly reason?: GapReason
}

/** Whether a client takes the notifications of this package. */
export function takesNotices({ contract, protocol }: Session): boolean {
  return contract !== undefined && protocol === SUBPROTOCOL
}

export function joinedText(room: string, { epoch, offset }: Position, recovery: Recovery): string {
  return notificationText(RpcMethod.Joined, JSON.stringify({ room, epoch, offset, ...recovery }))
}

export function leftText(room: string): string {
  return notificationText(RpcMethod.Left, JSON.stringify({ room }))
}

/** Sends a notification of this package, after everything that was sent before. */
export function sendNotice(session: Session, text: string): void {
  void session.write(frameOf(TextMessage, text, session.deflate))
}
