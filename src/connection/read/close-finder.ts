import { CloseMessage } from '../../internal/message.ts'
import { extraLength, FIN, MASKED, MIN_HEADER, payloadLength } from './frame-header.ts'

/**
 * Looks for the client's close frame after a message that was refused. It skips payloads without keeping them, and gives up at
 * data that cannot be a frame.
 */
export class CloseFinder {
  /** True once the close frame has come. */
  isFound = false
  /** How many bytes to skip before the next frame begins. */
  #skip: number
  /** The bytes of a header that is not complete yet. */
  #header: number[] = []

  /** @param skip how many bytes of the refused frame are still to come. */
  constructor(skip: number) {
    this.#skip = skip
  }

  read(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && !this.isFound;) {
      const skipped = Math.min(this.#skip, chunk.length - at)
      this.#skip -= skipped
      at += skipped
      if (at < chunk.length) this.#addToHeader(chunk[at++] as number)
    }
  }

  #addToHeader(byte: number): void {
    const header = this.#header
    header.push(byte)
    if (header.length < 2 || header.length < MIN_HEADER + extraLength(header[1] as number)) return
    this.#header = []
    const isMasked = ((header[1] as number) & MASKED) !== 0
    this.isFound = isMasked && header[0] === (FIN | CloseMessage)
    this.#skip = isMasked ? payloadLength(Buffer.from(header), 0) : Infinity
  }
}
