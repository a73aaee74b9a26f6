import { BinaryMessage, CloseMessage, PongMessage, TextMessage } from '../../internal/message.ts'
import { type FrameError, protocolError } from './frame-error.ts'

/*
 * The header of a frame (RFC 6455, 5.2): a byte with FIN, three reserved bits and the opcode, a byte with the mask bit and the
 * length, up to eight more bytes of length, and four bytes of mask.
 */
export const FIN = 0x80
export const RSV1 = 0x40
const RESERVED = 0x70
export const MASKED = 0x80
const OPCODE = 0x0f

/** The opcode of a frame that continues a message. */
export const CONTINUATION = 0
/** The bytes of the shortest header: two, and four of mask. */
export const MIN_HEADER = 6

export const opcodeOf = (first: number): number => first & OPCODE
export const isControl = (opcode: number): boolean => opcode >= CloseMessage

/** How many bytes of length follow the first two bytes. */
export function extraLength(second: number): number {
  const length = second & ~MASKED
  return length < 126 ? 0 : length === 126 ? 2 : 8
}

/** The length of the payload. The bytes of it must be in the chunk. */
export function payloadLength(chunk: Buffer, at: number): number {
  const length = (chunk[at + 1] as number) & ~MASKED
  if (length < 126) return length
  if (length === 126) return chunk.readUInt16BE(at + 2)
  return chunk.readUInt32BE(at + 2) * 2 ** 32 + chunk.readUInt32BE(at + 6)
}

/**
 * What is wrong with the first two bytes of a frame of a client; undefined if they are right.
 *
 * @param isContinuing the frames before have begun a message.
 * @param allowsRsv1 compression was negotiated (RFC 7692, 6).
 */
export function flawOf(
  first: number,
  second: number,
  isContinuing: boolean,
  allowsRsv1: boolean
): FrameError | undefined {
  const opcode = first & OPCODE
  const isData = opcode === TextMessage || opcode === BinaryMessage
  const reserved = first & RESERVED
  if (reserved !== 0 && !(reserved === RSV1 && allowsRsv1 && isData)) return reservedBits(reserved)
  if (
    opcode > PongMessage ||
    (opcode > BinaryMessage && opcode < CloseMessage) ||
    (!isControl(opcode) && isData === isContinuing)
  )
    return protocolError('WS_ERR_INVALID_OPCODE', `opcode ${opcode} is not allowed here`)
  if (isControl(opcode)) {
    if ((first & FIN) === 0) return protocolError('WS_ERR_EXPECTED_FIN', 'FIN must be set')
    const length = second & ~MASKED
    if (length > 125 || (opcode === CloseMessage && length === 1))
      return protocolError('WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', `invalid payload length ${length}`)
  }
  return (second & MASKED) === 0 ? protocolError('WS_ERR_EXPECTED_MASK', 'MASK must be set') : undefined
}

function reservedBits(reserved: number): FrameError {
  return reserved === RSV1
    ? protocolError('WS_ERR_UNEXPECTED_RSV_1', 'RSV1 must be clear')
    : protocolError('WS_ERR_UNEXPECTED_RSV_2_3', 'RSV2 and RSV3 must be clear')
}
