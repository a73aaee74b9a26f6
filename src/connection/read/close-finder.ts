const CLOSE = 8
const MASKED = 0x80
/** The bytes of the shortest frame header: two, and four for the client's mask (RFC 6455, 5.2). */
const MIN_HEADER = 6

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
    this.isFound = isMasked && header[0] === (MASKED | CLOSE)
    this.#skip = isMasked ? payloadLength(header) : Infinity
  }
}

/** How many bytes of extended length follow the second byte of a header. */
function extraLength(second: number): number {
  const length = second & 0x7f
  return length < 126 ? 0 : length === 126 ? 2 : 8
}

function payloadLength(header: number[]): number {
  const second = header[1] as number
  const extra = extraLength(second)
  if (extra === 0) return second & 0x7f
  return header.slice(2, 2 + extra).reduce((length, byte) => length * 256 + byte, 0)
}
