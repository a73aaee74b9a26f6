import { isUtf8 } from 'node:buffer'
import { describe, errors } from './errors.ts'

/** Close codes by name (RFC 6455, 7.4.1 and the IANA registry). */
export const CloseCode = {
  NormalClosure: 1000,
  GoingAway: 1001,
  ProtocolError: 1002,
  UnsupportedData: 1003,
  /** Never sent. It stands for a close frame without a code. */
  NoStatusReceived: 1005,
  /** Never sent. It stands for a connection that ended without a close frame. */
  AbnormalClosure: 1006,
  InvalidFramePayloadData: 1007,
  PolicyViolation: 1008,
  MessageTooBig: 1009,
  MandatoryExtension: 1010,
  InternalServerError: 1011,
  ServiceRestart: 1012,
  TryAgainLater: 1013,
  BadGateway: 1014,
  /** Never sent. It stands for a failed TLS handshake. */
  TLSHandshake: 1015
} as const

/** One of the named close codes. Applications can use their own codes from 3000 to 4999. */
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode]

/** How a connection ended. */
export interface CloseInfo {
  /** The close code of the side that closed first. 1005 if its close frame had no code, 1006 if there was no close frame. */
  code: number
  /** The reason of the close frame, or `''`. */
  reason: string
  /** True if both sides have sent a close frame (RFC 6455, 7.1.4). */
  wasClean: boolean
}

/** Reads and writes reject with this error after the connection has closed. Its `code` is `FST_BLAZE_WS_CLOSED`. */
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

/** True for a `CloseError`. If codes are given, it must have one of them. Recognizes errors of other copies of this package. */
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

/** True for a `CloseError` with none of the given codes. False for any other error. */
export function isUnexpectedCloseError(error: unknown, ...expectedCodes: number[]): error is CloseError {
  return isCloseError(error) && !expectedCodes.includes(error.closeCode)
}

/** True for a code that may be sent in a close frame (RFC 6455, 7.4). */
export function isSendableCloseCode(code: unknown): code is number {
  if (typeof code !== 'number' || !Number.isInteger(code)) return false
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999)
  )
}

/** Throws if `code` and `reason` cannot be sent in a close frame. */
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

/** Throws if a value is not a time in milliseconds that Node's timers support. */
export function assertTimeout(timeout: unknown): asserts timeout is number {
  if (typeof timeout !== 'number')
    throw new errors.INVALID_ARGUMENT('timeout', `must be a number, got ${typeof timeout}`)
  if (!(timeout >= 0 && timeout < 2 ** 31))
    throw new errors.OUT_OF_RANGE('timeout', `must be 0 to 2147483647 milliseconds, got ${timeout}`)
}

/** The longest reason in bytes: a control frame has up to 125, and the code takes two of them. */
const MAX_REASON_BYTES = 123

/** Cuts a reason so that it fits in a close frame, and not in the middle of a character. */
export function fitReason(reason: string): string {
  const bytes = Buffer.from(reason)
  if (bytes.length <= MAX_REASON_BYTES) return reason
  let end = MAX_REASON_BYTES
  while (((bytes[end] as number) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}

/** The payload of a close frame (RFC 6455, 5.5.1). */
export function closePayload(code: number, reason: string): Buffer {
  const bytes = Buffer.allocUnsafe(2 + Buffer.byteLength(reason))
  bytes.write(reason, bytes.writeUInt16BE(code, 0))
  return bytes
}

/** The code and reason in the payload of a close frame; undefined if it may not be sent. */
export function closeOf(payload: Buffer): { code: number; reason: string } | undefined {
  if (payload.length < 2 || payload.length > 2 + MAX_REASON_BYTES || !isUtf8(payload.subarray(2))) return undefined
  const code = payload.readUInt16BE(0)
  return isSendableCloseCode(code) ? { code, reason: payload.toString('utf8', 2) } : undefined
}

/**
 * Makes an error close the connection with 1008 and this reason if the handler does not catch it. It is for errors that bad input
 * from the client can cause.
 */
export function violation(error: Error, reason: string): Error {
  return Object.assign(error, { closeCode: CloseCode.PolicyViolation, reason })
}
