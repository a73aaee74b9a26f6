import { CloseCode } from '../../internal/close-codes.ts'

/** Why a frame was not accepted, with the close code and the close reason for the client. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
  /** One of the codes that `ws` documents for the same mistakes, because listeners of `ws.socket` may know them. */
  readonly code: string
  readonly closeCode: number
  readonly reason: string

  constructor(code: string, message: string, closeCode: number, reason: string) {
    super(message)
    this.code = code
    this.closeCode = closeCode
    this.reason = reason
  }
}

export const protocolError = (code: string, message: string): FrameError =>
  new FrameError(code, `Invalid WebSocket frame: ${message}`, CloseCode.ProtocolError, 'protocol error')

export const invalidUtf8 = (): FrameError =>
  new FrameError(
    'WS_ERR_INVALID_UTF8',
    'Invalid WebSocket frame: the text is not UTF-8',
    CloseCode.InvalidFramePayloadData,
    'invalid UTF-8'
  )

export const tooLarge = (): FrameError =>
  new FrameError(
    'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
    'The message exceeds maxMessageSize',
    CloseCode.MessageTooBig,
    'message too big'
  )

export const tooManyParts = (what: string): FrameError =>
  new FrameError(
    'WS_ERR_TOO_MANY_BUFFERED_PARTS',
    `The message exceeds ${what}`,
    CloseCode.PolicyViolation,
    'too many fragments'
  )

export const invalidDeflate = (detail: string): FrameError =>
  new FrameError(
    'WS_ERR_INVALID_COMPRESSED_DATA',
    `The compressed message cannot be inflated: ${detail}`,
    CloseCode.InvalidFramePayloadData,
    'invalid compressed data'
  )
