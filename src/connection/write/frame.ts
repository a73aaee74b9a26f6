import { type DeflateParams, deflateLater, deflateNow } from '../compression/deflate.ts'

/** Up to this a payload is copied behind its header, because one buffer costs the socket less than two; in bytes. */
export const COPY_LIMIT = 4 * 1024

/** Up to this a payload is compressed at once: that costs less than the way to another thread and back; in bytes. */
const DEFLATE_AT_ONCE = 16 * 1024

const FIN = 0x80
const RSV1 = 0x40

/** A function that says which messages replace each other, by giving them the same key. */
export type Coalesce = (data: string | Uint8Array) => unknown

/** What a frame knows of the broadcast that it carries. */
export interface Broadcast {
  /** The key under which a `coalesce` policy knows the message. */
  keyFor(coalesce: Coalesce): unknown
}

/** A frame on its way to one socket, or to many (RFC 6455, 5.2). What a server sends is not masked. */
export class Frame {
  /** The header, with the payload behind it where that is short; undefined while the payload is being compressed. */
  head: Buffer | undefined
  /** A payload too long to be copied. */
  body: Buffer | undefined
  /** How many bytes go out, or, for one that was compressed later, would have: a frame counts the same from first to last. */
  size = 0
  /** The broadcast that this frame belongs to, and under which it may be dropped for a slow consumer. */
  readonly broadcast: Broadcast | undefined
  /** True for a ping or pong. */
  isControl = false
  #whenReady: (() => void)[] | undefined

  constructor(broadcast?: Broadcast) {
    this.broadcast = broadcast
  }

  /** True where the payload was copied: the caller may change its own bytes at once. */
  get isCopied(): boolean {
    return this.head !== undefined && this.body === undefined
  }

  /** Calls back once the frame can be sent; only for a frame without `head`. */
  whenReady(callback: () => void): void {
    ;(this.#whenReady ??= []).push(callback)
  }

  /** @internal */
  fill(opcode: number, payload: Buffer, firstBits = FIN): this {
    const length = payload.length
    const offset = headerSize(length)
    if (length <= COPY_LIMIT) {
      this.head = Buffer.allocUnsafe(offset + length)
      this.head.set(payload, offset)
    } else {
      this.head = Buffer.allocUnsafe(offset)
      this.body = payload
    }
    writeHeader(this.head, opcode | firstBits, length)
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
    return this
  }

  /** @internal */
  fillDeflated(opcode: number, payload: Buffer, params: DeflateParams): this {
    if (payload.length <= DEFLATE_AT_ONCE) return this.#fillShorter(opcode, payload, deflateNow(payload, params))
    this.size = payload.length
    deflateLater(payload, params, (_error, deflated) => {
      this.#fillShorter(opcode, payload, deflated)
      for (const callback of this.#whenReady ?? []) callback()
      this.#whenReady = undefined
    })
    return this
  }

  /** Compressing random bytes makes them longer; RFC 7692, 6 leaves the choice per message. */
  #fillShorter(opcode: number, payload: Buffer, deflated: Buffer): this {
    return deflated.length < payload.length ? this.fill(opcode, deflated, FIN | RSV1) : this.fill(opcode, payload)
  }
}

function headerSize(length: number): number {
  if (length < 126) return 2
  return length < 65_536 ? 4 : 10
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

/** A frame for one receiver, compressed where its connection has agreed to that and the payload is long enough. */
export function frameOf(opcode: number, data: string | Buffer, deflate?: DeflateParams): Frame {
  const frame = new Frame()
  if (opcode >= 8) frame.isControl = true
  const length = typeof data === 'string' ? Buffer.byteLength(data) : data.length
  if (deflate !== undefined && opcode < 8 && length >= deflate.threshold)
    return frame.fillDeflated(opcode, bufferOf(data), deflate)
  if (typeof data !== 'string') return frame.fill(opcode, data)
  return length <= COPY_LIMIT ? frame.fillText(opcode, data) : frame.fill(opcode, Buffer.from(data))
}

function bufferOf(data: string | Buffer): Buffer {
  return typeof data === 'string' ? Buffer.from(data) : data
}
