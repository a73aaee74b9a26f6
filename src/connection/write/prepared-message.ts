import { type DataType, TextMessage } from '../../internal/message.ts'
import type { DeflateParams } from '../compression/deflate.ts'
import { type Broadcast, type Coalesce, Frame } from './frame.ts'

/** A message for many receivers: encoded once, and framed once for each distinct form on the wire. */
export class PreparedMessage implements Broadcast {
  readonly type: DataType
  readonly #source: string | Uint8Array | undefined
  readonly payload: Buffer
  #plain: Frame | undefined
  #deflated: Map<number, Frame> | undefined
  #keys: Map<Coalesce, unknown> | undefined

  /**
   * @param payload must not be the caller's own bytes: they may change before the last receiver has got them.
   * @param source what the caller gave, for `coalesce`. @default the payload, a text as a string
   */
  constructor(type: DataType, payload: Buffer, source?: string | Uint8Array) {
    this.type = type
    this.payload = payload
    this.#source = source
  }

  /** The frame for a connection that has agreed on `deflate`, or on no compression. */
  frameFor(deflate: DeflateParams | undefined): Frame {
    if (deflate === undefined || this.payload.length < deflate.threshold) {
      return (this.#plain ??= new Frame(this).fill(this.type, this.payload))
    }
    const form = deflate.level * 16 + deflate.windowBits
    let frame = this.#deflated?.get(form)
    if (frame === undefined) {
      frame = new Frame(this).fillDeflated(this.type, this.payload, deflate)
      ;(this.#deflated ??= new Map()).set(form, frame)
    }
    return frame
  }

  /** The key under which a `coalesce` policy knows this message; computed once for all receivers. */
  keyFor(coalesce: Coalesce): unknown {
    this.#keys ??= new Map()
    if (!this.#keys.has(coalesce)) {
      // Where it throws, the message stays under a key of its own: it replaces nothing, and the error comes once.
      this.#keys.set(coalesce, this)
      this.#keys.set(
        coalesce,
        coalesce(this.#source ?? (this.type === TextMessage ? this.payload.toString() : this.payload))
      )
    }
    return this.#keys.get(coalesce)
  }
}
