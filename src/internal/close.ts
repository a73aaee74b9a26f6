import { describe, errors } from './errors.ts'

/** Close codes by name (RFC 6455, 7.4.1 and the IANA registry). */
export const CloseCode = {
  NormalClosure: 1000,
  GoingAway: 1001,
  ProtocolError: 1002,
  UnsupportedData: 1003,
  /** Never sent: stands for a close frame without a code. */
  NoStatusReceived: 1005,
  /** Never sent: stands for a connection that ended without a close frame. */
  AbnormalClosure: 1006,
  InvalidFramePayloadData: 1007,
  PolicyViolation: 1008,
  MessageTooBig: 1009,
  MandatoryExtension: 1010,
  InternalServerError: 1011,
  ServiceRestart: 1012,
  TryAgainLater: 1013,
  BadGateway: 1014,
  /** Never sent: stands for a failed TLS handshake. */
  TLSHandshake: 1015
} as const

/** One of the named close codes. An application's own are 3000 to 4999. */
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode]

/** How a connection ended. */
export interface CloseInfo {
  /** The close code: of the side that closed first, 1005 where its frame had none, 1006 where there was no close frame. */
  code: number
  /** The reason that came with it, `''` where there was none. */
  reason: string
  /** True where both sides have sent a close frame (RFC 6455, 7.1.4). */
  wasClean: boolean
}

/** What reads and writes reject with once the connection is closed. Its `code` is `FST_BLAZE_WS_CLOSED`. */
export class CloseError extends errors.CLOSED {
  override readonly name: string = 'CloseError'
  readonly closeCode: number
  readonly reason: string
  readonly wasClean: boolean

  constructor(info: CloseInfo) {
    super(String(info.code), info.reason === '' ? '' : `: ${info.reason}`)
    this.closeCode = info.code
    this.reason = info.reason
    this.wasClean = info.wasClean
  }
}

/** True for a `CloseError`; with codes, only for one with one of them. Works across copies of this package. */
export function isCloseError<Code extends number>(
  error: unknown,
  ...codes: Code[]
): error is CloseError & { readonly closeCode: Code } {
  const { code, closeCode } = (error ?? {}) as Partial<CloseError>
  return (
    code === 'FST_BLAZE_WS_CLOSED' &&
    typeof closeCode === 'number' &&
    (codes.length === 0 || (codes as number[]).includes(closeCode))
  )
}

/** True for a `CloseError` whose code is none of those given. False for any other error. */
export function isUnexpectedCloseError(error: unknown, ...expectedCodes: number[]): error is CloseError {
  return isCloseError(error) && !expectedCodes.includes(error.closeCode)
}

/** True for a code that may stand in a close frame (RFC 6455, 7.4). */
export function isSendableCloseCode(code: unknown): code is number {
  if (typeof code !== 'number' || !Number.isInteger(code)) return false
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999)
  )
}

/** Throws where `code` and `reason` cannot stand in a close frame. */
export function assertSendable(code: unknown, reason: unknown): asserts code is number {
  if (typeof code !== 'number') throw new errors.INVALID_ARGUMENT('code', `must be a number, got ${typeof code}`)
  if (!isSendableCloseCode(code)) {
    throw new errors.OUT_OF_RANGE(
      'code',
      `${describe(code)} cannot be sent; use 1000 to 1003, 1007 to 1014 or 3000 to 4999`
    )
  }
  if (typeof reason !== 'string') throw new errors.INVALID_ARGUMENT('reason', `must be a string, got ${typeof reason}`)
}

/** Throws where a value is no time, in milliseconds, that a timer of Node can keep. */
export function assertTimeout(timeout: unknown): asserts timeout is number {
  if (typeof timeout !== 'number')
    throw new errors.INVALID_ARGUMENT('timeout', `must be a number, got ${typeof timeout}`)
  if (!(timeout >= 0 && timeout < 2 ** 31))
    throw new errors.OUT_OF_RANGE('timeout', `must be 0 to 2147483647 milliseconds, got ${timeout}`)
}

/** The most a reason may take in a close frame, in bytes: 125 of a control frame less the two of the code. */
const MAX_REASON_BYTES = 123

/** Cuts a reason to what fits in a close frame, in bytes and never in the middle of a character. */
export function fitReason(reason: string): string {
  const bytes = Buffer.from(reason)
  if (bytes.length <= MAX_REASON_BYTES) return reason
  let end = MAX_REASON_BYTES
  while (((bytes[end] as number) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}

/** An error that closes the connection with 1008 and this reason where nobody catches it: what is wrong often comes from the client. */
export function violation(error: Error, reason: string): Error {
  return Object.assign(error, { closeCode: CloseCode.PolicyViolation, reason })
}
