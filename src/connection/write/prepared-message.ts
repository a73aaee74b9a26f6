import { type DataType, TextMessage } from '../../internal/message.ts'
import type { DeflateParams } from '../compression/deflate.ts'
import { type Broadcast, type Coalesce, Frame } from './frame.ts'

/** What a message does at a connection that something else is still waiting for. */
export interface Delivery {
  /** It replaces a waiting message with this key. */
  readonly key: string | undefined
  /** It is dropped. */
  readonly isVolatile: boolean
}

/** A message for many recipients. It is encoded once, and framed once for each kind of compression. */
export class PreparedMessage implements Broadcast {
  readonly type: DataType
  readonly #source: string | Uint8Array | undefined
  readonly payload: Buffer
  readonly key: string | undefined
  readonly isVolatile: boolean
  #plain: Frame | undefined
  #deflated: Map<number, Frame> | undefined
  #keys: Map<Coalesce, unknown> | undefined

  /**
   * @param payload must not be the caller's own bytes, which could change before they are sent.
   * @param source the argument for `coalesce` functions. @default the payload; as a string if it is text
   * @param delivery @default it waits like any other message
   */
  constructor(type: DataType, payload: Buffer, source?: string | Uint8Array, delivery?: Delivery) {
    this.type = type
    this.payload = payload
    this.#source = source
    this.key = delivery?.key
    this.isVolatile = delivery?.isVolatile ?? false
  }

  get mustArrive(): boolean {
    return false
  }

  /** The frame for connections with this compression; undefined stands for none. */
  frameFor(deflate: DeflateParams | undefined): Frame {
    if (deflate === undefined || this.payload.length < deflate.threshold) {
      return (this.#plain ??= new Frame(this).fill(this.type, this.payload))
    }
    const key = deflate.level * 16 + deflate.windowBits
    let frame = this.#deflated?.get(key)
    if (frame === undefined) {
      frame = new Frame(this).fillDeflated(this.type, this.payload, deflate)
      ;(this.#deflated ??= new Map()).set(key, frame)
    }
    return frame
  }

  /** The key of this message, by this `coalesce` function. Computed once for all recipients. */
  keyFor(coalesce: Coalesce): unknown {
    // Its sender has said what it replaces, so no function is asked.
    if (this.key !== undefined) return this
    this.#keys ??= new Map()
    if (!this.#keys.has(coalesce)) {
      // If `coalesce` throws, the message is its own key: it replaces no other message, and the error is thrown only once.
      this.#keys.set(coalesce, this)
      this.#keys.set(
        coalesce,
        coalesce(this.#source ?? (this.type === TextMessage ? this.payload.toString() : this.payload))
      )
    }
    return this.#keys.get(coalesce)
  }
}
