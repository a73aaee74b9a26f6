import { allocateWithRoom } from '../../internal/header-room.ts'
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
  // The current frame: how many bytes of its payload are missing, the mask for them, and in how many chunks the others came.
  missing = 0
  mask = 0
  chunks = 0
  /** True if the current frame is the last one. */
  isFinal = false
  /** Compressed text can only be checked once it is inflated. */
  readonly #utf8: Utf8Checker | undefined

  constructor(type: DataType, isCompressed: boolean) {
    this.type = type
    this.isCompressed = isCompressed
    this.#utf8 = type === TextMessage && !isCompressed ? new Utf8Checker() : undefined
  }

  /** The next frame begins, with a payload of this length. */
  begin(length: number, isFinal: boolean): void {
    this.bytes += length
    this.frames++
    this.missing = length
    this.chunks = 0
    this.isFinal = isFinal
  }

  /** Adds a part of the payload. False if it is text that cannot become UTF-8. */
  add(part: Buffer): boolean {
    this.missing -= part.length
    if (part.length > 0) {
      this.parts.push(part)
      this.chunks++
    }
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
    const data = allocateWithRoom(this.bytes)
    let at = 0
    for (const part of this.parts) {
      data.set(part, at)
      at += part.length
    }
    return data
  }
}
