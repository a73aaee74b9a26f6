import { Buffer } from 'node:buffer'
import { COPY_LIMIT, headerSize, takeRoom } from '../../internal/header-room.ts'
import { type DeflateParams, deflateLater, deflateNow } from '../compression/deflate.ts'

/** Payloads of up to this many bytes are compressed at once: that costs less than a trip to another thread and back. */
const DEFLATE_AT_ONCE = 16 * 1024

const FIN = 0x80
const RSV1 = 0x40

/** The `coalesce` function of a slow-consumer policy: a newer message replaces a waiting one with the same key. */
export type Coalesce = (data: string | Uint8Array) => unknown

/** The part of a broadcast message that its frames use. An interface, because the message imports the frame. */
export interface Broadcast {
  /** The key that its sender gave it: it replaces a waiting message with the same key. */
  readonly key: string | undefined
  /** The key of the message, by this `coalesce` function. */
  keyFor(coalesce: Coalesce): unknown
  /** True if it may not be dropped for a slow consumer. */
  readonly mustArrive: boolean
}

/** A frame to send to one or many clients (RFC 6455, 5.2). A server does not mask its frames. */
export class Frame {
  /** The header, usually followed by the payload. Undefined while the payload is being compressed. */
  head: Buffer | undefined
  /** The payload, if it does not follow the header. */
  body: Buffer | undefined
  /** True if the frame has a copy of the payload, so that the caller may change its own bytes. */
  isCopied = false
  /**
   * How many bytes the frame has. If it is compressed in another thread, this stays the size of the uncompressed payload, so
   * that a frame counts the same all the time.
   */
  size = 0
  /** The broadcast that the frame belongs to. Only frames of broadcasts are dropped for slow consumers. */
  readonly broadcast: Broadcast | undefined
  /** True for a ping or pong. */
  isControl = false
  #onReady: (() => void)[] | undefined

  constructor(broadcast?: Broadcast) {
    this.broadcast = broadcast
  }

  /** True if all bytes of the frame are in `head`. */
  get isWhole(): boolean {
    return this.head !== undefined && this.body === undefined
  }

  /** Calls back once the payload is compressed. Only for a frame without `head`. */
  onReady(callback: () => void): void {
    ;(this.#onReady ??= []).push(callback)
  }

  /** @internal */
  fill(opcode: number, payload: Buffer, firstBits = FIN): this {
    const length = payload.length
    const offset = headerSize(length)
    let head = length > COPY_LIMIT ? takeRoom(payload, offset) : undefined
    if (head === undefined) {
      this.isCopied = length <= COPY_LIMIT
      head = Buffer.allocUnsafe(this.isCopied ? offset + length : offset)
      if (this.isCopied) head.set(payload, offset)
      else this.body = payload
    }
    this.head = head
    writeHeader(head, opcode | firstBits, length)
    if (this.size === 0) this.size = offset + length
    return this
  }

  /** @internal */
  fillText(opcode: number, text: string): this {
    const length = Buffer.byteLength(text)
    const offset = headerSize(length)
    this.head = Buffer.allocUnsafe(offset + length)
    this.head.write(text, offset, 'utf8')
    writeHeader(this.head, opcode | FIN, length)
    this.size = offset + length
    this.isCopied = true
    return this
  }

  /** @internal */
  fillDeflated(opcode: number, payload: Buffer, params: DeflateParams): this {
    if (payload.length <= DEFLATE_AT_ONCE) return this.#fillShorter(opcode, payload, deflateNow(payload, params))
    this.size = payload.length
    deflateLater(payload, params, (_error, deflated) => {
      this.#fillShorter(opcode, payload, deflated)
      for (const callback of this.#onReady ?? []) callback()
      this.#onReady = undefined
    })
    return this
  }

  /** Compression can make a payload longer. RFC 7692, 6 allows to decide for each message. */
  #fillShorter(opcode: number, payload: Buffer, deflated: Buffer): this {
    return deflated.length < payload.length ? this.fill(opcode, deflated, FIN | RSV1) : this.fill(opcode, payload)
  }
}

function writeHeader(target: Buffer, firstByte: number, length: number): void {
  target[0] = firstByte
  if (length < 126) {
    target[1] = length
  } else if (length < 65_536) {
    target[1] = 126
    target.writeUInt16BE(length, 2)
  } else {
    target[1] = 127
    target.writeUInt16BE(0, 2)
    target.writeUIntBE(length, 4, 6)
  }
}

/** A frame for one client. Compressed if `deflate` is given and the payload is long enough. */
export function frameOf(opcode: number, data: string | Buffer, deflate?: DeflateParams): Frame {
  const frame = new Frame()
  if (opcode >= 8) frame.isControl = true
  if (deflate !== undefined && opcode < 8) {
    const length = typeof data === 'string' ? Buffer.byteLength(data) : data.length
    if (length >= deflate.threshold) return frame.fillDeflated(opcode, bufferOf(data), deflate)
  }
  return typeof data === 'string' ? frame.fillText(opcode, data) : frame.fill(opcode, data)
}

function bufferOf(data: string | Buffer): Buffer {
  return typeof data === 'string' ? Buffer.from(data) : data
}
