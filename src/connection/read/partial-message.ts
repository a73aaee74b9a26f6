import { type DataType, TextMessage } from '../../internal/message.ts'
import { Utf8Checker } from './utf8.ts'

/** A message that has not arrived completely. */
export class PartialMessage {
  readonly type: DataType
  readonly isCompressed: boolean
  readonly parts: Buffer[] = []
  /** How many bytes the payloads of its frames have, including those that are still to come. */
  bytes = 0
  /** How many frames it has so far. */
  frames = 0
  /** Compressed text can only be checked once it is inflated. */
  readonly #utf8: Utf8Checker | undefined

  constructor(type: DataType, isCompressed: boolean) {
    this.type = type
    this.isCompressed = isCompressed
    this.#utf8 = type === TextMessage && !isCompressed ? new Utf8Checker() : undefined
  }

  /** Adds a part of the payload. False if it is text that cannot become UTF-8. */
  add(part: Buffer): boolean {
    if (part.length > 0) this.parts.push(part)
    return this.#utf8 === undefined || this.#utf8.take(part)
  }

  /** False if the text ends in the middle of a character. */
  get isWholeText(): boolean {
    return this.#utf8 === undefined || this.#utf8.isComplete
  }

  /** The message in one buffer. */
  join(): Buffer {
    const [first, second] = this.parts
    if (second === undefined && first !== undefined) return first
    // Not pooled: the message must not keep a pool in memory.
    const data = Buffer.allocUnsafeSlow(this.bytes)
    let at = 0
    for (const part of this.parts) {
      data.set(part, at)
      at += part.length
    }
    return data
  }
}
