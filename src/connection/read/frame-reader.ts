import { Buffer, isUtf8 } from 'node:buffer'
import { CloseCode, isSendableCloseCode } from '../../internal/close-codes.ts'
import { CloseMessage, type DataType, PingMessage, TextMessage, type WebSocketMessage } from '../../internal/message.ts'
import { inflate } from '../compression/inflate.ts'
import { CloseFinder } from './close-finder.ts'
import { type FrameError, invalidDeflate, invalidUtf8, protocolError, tooLarge, tooManyParts } from './frame-error.ts'
import { extraLength, FIN, flawOf, isControl, MIN_HEADER, opcodeOf, payloadLength, RSV1 } from './frame-header.ts'
import { maskAfter, restoreMask, setMask } from './masking.ts'
import { PartialMessage } from './partial-message.ts'
import { unmaskedBytes } from './payload-bytes.ts'

/**
 * How many inflated bytes a client may leave unread when it disconnects. More than this, which a slow handler would have to
 * read later, is treated as an attack.
 */
const MAX_UNREAD_AFTER_CLOSE = 16 * 1024 * 1024

/** Gets what a frame reader reads. An interface, because the session imports the reader. */
export interface FrameReceiver {
  /** True while it takes no more. It calls `resume` when it does. */
  readonly isFull: boolean
  /** How many bytes of messages it has and nobody has read. */
  readonly unreadBytes: number
  onMessage(message: WebSocketMessage): void
  onPing(payload: Buffer): void
  onPong(payload: Buffer): void
  /** The client's close frame. Nothing follows. */
  onCloseFrame(code: number, reason: string): void
  /** A frame that is not accepted. Nothing follows. */
  onBadFrame(error: FrameError): void
  /** The reader had to wait, and no longer does. */
  onReaderReady(): void
}

/** The limits of a route that the reader enforces. */
export interface ReadLimits {
  readonly maxMessageSize: number
  readonly maxFragments: number
  readonly maxBufferedChunks: number
}

type State = 'reading' | 'inflating' | 'ended'

/**
 * Reads the frames of a client (RFC 6455, 5) from chunks of its stream, and puts messages together. It walks over all frames of
 * a chunk in one loop, and stops in the middle of the chunk when the receiver is full: nothing is read ahead of a handler that
 * does not read.
 */
export class FrameReader {
  readonly #receiver: FrameReceiver
  readonly #limits: ReadLimits
  readonly #isCompressed: boolean
  #state: State = 'reading'
  #isParsing = false
  /** Bytes that were not read: an incomplete header or control frame, or what follows when the reader has to wait. */
  #rest: Buffer | undefined
  #message: PartialMessage | undefined
  /** Exists after a bad frame, if it is known where the next one begins. */
  #closeFinder: CloseFinder | undefined
  #onFinished: (() => void) | undefined

  /** @param isCompressed permessage-deflate was negotiated. */
  constructor(receiver: FrameReceiver, limits: ReadLimits, isCompressed: boolean) {
    this.#receiver = receiver
    this.#limits = limits
    this.#isCompressed = isCompressed
  }

  /** True while a message is inflated in another thread. Further bytes have to wait. */
  get isInflating(): boolean {
    return this.#state === 'inflating'
  }

  /** True if the client's close frame has come after a bad frame. */
  get hasFoundClose(): boolean {
    return this.#closeFinder !== undefined && this.#closeFinder.isFound
  }

  /** Reads a chunk as far as possible, and keeps the rest. The bytes of the chunk belong to the reader from now on. */
  read(chunk: Buffer): void {
    if (this.#state === 'ended') this.#closeFinder?.read(chunk)
    else this.#parse(this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]))
  }

  /** Goes on after the receiver was full. */
  resume(): void {
    const rest = this.#rest
    if (rest !== undefined && !this.#isParsing) this.#parse(rest)
  }

  /** The stream has ended. Reads what is left, even if the receiver is full, and calls back after that. */
  finish(onFinished: () => void): void {
    this.#onFinished = onFinished
    this.resume()
    if (this.#state !== 'inflating') onFinished()
  }

  get #canRead(): boolean {
    return this.#state === 'reading' && (!this.#receiver.isFull || this.#onFinished !== undefined)
  }

  #parse(chunk: Buffer): void {
    this.#isParsing = true
    let at = 0
    while (at < chunk.length && this.#canRead) {
      const message = this.#message
      const next =
        message !== undefined && message.missing > 0 ? this.#readMore(message, chunk, at) : this.#readFrame(chunk, at)
      if (next === at) break
      at = next
    }
    this.#isParsing = false
    if (at === chunk.length) this.#rest = undefined
    else this.#keep(at === 0 ? chunk : chunk.subarray(at))
  }

  #keep(rest: Buffer): void {
    this.#rest = undefined
    if (this.#state === 'ended') this.#closeFinder?.read(rest)
    // The beginning of a frame is copied, because it can wait for long, and must not keep the chunk in memory.
    else if (rest.length > 0) this.#rest = this.#canRead ? Buffer.from(rest) : rest
  }

  /** Reads the frame at this position, and returns the position after it; the same position if it needs more bytes. */
  #readFrame(chunk: Buffer, at: number): number {
    const left = chunk.length - at
    if (left < 2) return at
    const first = chunk[at] as number
    const second = chunk[at + 1] as number
    const flaw = flawOf(first, second, this.#message !== undefined, this.#isCompressed)
    if (flaw !== undefined) return this.#fail(flaw, at)
    const extra = extraLength(second)
    if (left < 2 + extra) return at
    const length = payloadLength(chunk, at)
    const start = at + MIN_HEADER + extra
    const opcode = opcodeOf(first)
    if (isControl(opcode)) {
      if (start + length > chunk.length) return at
      setMask(chunk, start - 4)
      return this.#readControl(opcode, unmaskedBytes(chunk, start, length), start + length)
    }
    if (this.#isTooLarge(length)) return this.#fail(tooLarge(), start - 4, 4 + length)
    if (start > chunk.length) return at
    setMask(chunk, start - 4)
    const isWhole = (first & (FIN | RSV1)) === FIN && this.#message === undefined && start + length <= chunk.length
    return isWhole
      ? this.#readWhole(opcode as DataType, chunk, start, start + length)
      : this.#readPart(first, chunk, start, length)
  }

  #isTooLarge(length: number): boolean {
    return (this.#message === undefined ? 0 : this.#message.bytes) + length > this.#limits.maxMessageSize
  }

  /** Reads a message that is one frame in one chunk, as most are. */
  #readWhole(type: DataType, chunk: Buffer, start: number, end: number): number {
    const data = unmaskedBytes(chunk, start, end - start)
    if (type === TextMessage && !isUtf8(data)) return this.#fail(invalidUtf8(), end, 0)
    this.#receiver.onMessage({ type, data })
    return end
  }

  #readPart(first: number, chunk: Buffer, start: number, length: number): number {
    const message = (this.#message ??= new PartialMessage(opcodeOf(first) as DataType, (first & RSV1) !== 0))
    message.begin(length, (first & FIN) !== 0)
    if (message.frames > this.#limits.maxFragments) return this.#fail(tooManyParts('maxFragments'), start, length)
    return this.#readPayload(message, chunk, start)
  }

  #readMore(message: PartialMessage, chunk: Buffer, at: number): number {
    if (message.chunks >= this.#limits.maxBufferedChunks)
      return this.#fail(tooManyParts('maxBufferedChunks'), at, message.missing)
    restoreMask(message.mask)
    return this.#readPayload(message, chunk, at)
  }

  #readPayload(message: PartialMessage, chunk: Buffer, start: number): number {
    const part = unmaskedBytes(chunk, start, Math.min(message.missing, chunk.length - start))
    const end = start + part.length
    if (!message.add(part)) return this.#fail(invalidUtf8(), end, message.missing)
    if (message.missing > 0) message.mask = maskAfter(part.length)
    else if (message.isFinal) this.#complete(message)
    return end
  }

  #complete(message: PartialMessage): void {
    this.#message = undefined
    if (message.isCompressed) this.#inflate(message)
    else if (!message.isWholeText) this.#fail(invalidUtf8(), 0, 0)
    else this.#receiver.onMessage({ type: message.type, data: message.join() })
  }

  #inflate({ type, parts }: PartialMessage): void {
    if (this.#onFinished !== undefined && this.#receiver.unreadBytes > MAX_UNREAD_AFTER_CLOSE) {
      this.#fail(invalidDeflate('the client disconnected and left too many unread bytes'), 0, 0)
      return
    }
    this.#state = 'inflating'
    inflate(parts, this.#limits.maxMessageSize, (error, data) => {
      this.#state = 'reading'
      if (error !== null) this.#fail(inflateError(error), 0, 0)
      else if (type === TextMessage && !isUtf8(data)) this.#fail(invalidUtf8(), 0, 0)
      else this.#receiver.onMessage({ type, data })
      if (!this.#isParsing) this.#afterInflating()
    })
  }

  #afterInflating(): void {
    if (this.#state === 'ended') this.#keep(this.#rest ?? NO_BYTES)
    else this.resume()
    if (this.isInflating) return
    this.#receiver.onReaderReady()
    this.#onFinished?.()
  }

  #readControl(opcode: number, payload: Buffer, end: number): number {
    if (opcode === CloseMessage) return this.#readClose(payload, end)
    if (opcode === PingMessage) this.#receiver.onPing(payload)
    else this.#receiver.onPong(payload)
    return end
  }

  #readClose(payload: Buffer, end: number): number {
    const code = payload.length === 0 ? CloseCode.NoStatusReceived : payload.readUInt16BE(0)
    const reason = payload.subarray(2)
    if (payload.length > 0 && !isSendableCloseCode(code))
      return this.#fail(protocolError('WS_ERR_INVALID_CLOSE_CODE', `invalid status code ${String(code)}`), end)
    if (!isUtf8(reason)) return this.#fail(invalidUtf8(), end)
    this.#end()
    this.#receiver.onCloseFrame(code, reason.toString())
    return end
  }

  /**
   * Reads no further message.
   *
   * @param at is returned: the position that was reached.
   * @param skip after this many more bytes the next frame begins; undefined if that is not known.
   */
  #fail(error: FrameError, at: number, skip?: number): number {
    this.#end()
    if (skip !== undefined) this.#closeFinder = new CloseFinder(skip)
    this.#receiver.onBadFrame(error)
    return at
  }

  #end(): void {
    this.#state = 'ended'
    this.#message = undefined
  }
}

const NO_BYTES = Buffer.alloc(0)

function inflateError(error: Error): FrameError {
  return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? tooLarge() : invalidDeflate(error.message)
}
