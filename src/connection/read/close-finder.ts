const CLOSE = 8
const MASKED = 0x80
/** The two bytes that every frame begins with, and the four of a client's mask (RFC 6455, 5.2). */
const SHORT_HEAD = 6

/**
 * Looks for the peer's close frame behind a message that was refused: `ws` reads nothing behind an error. Payloads are passed
 * over, nothing of them is kept. It takes what it sees for frames and gives up at what cannot be one.
 */
export class CloseFinder {
  /** True once the close frame has come. */
  isFound = false
  /** How many bytes are to be passed over before the next frame begins. */
  #skip: number
  /** The beginning of a frame. */
  #head: number[] = []

  /** @param skip how much is still to come of the frame that was refused, in bytes. */
  constructor(skip: number) {
    this.#skip = skip
  }

  read(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && !this.isFound;) {
      const skipped = Math.min(this.#skip, chunk.length - at)
      this.#skip -= skipped
      at += skipped
      if (at < chunk.length) this.#addToHead(chunk[at++] as number)
    }
  }

  #addToHead(byte: number): void {
    const head = this.#head
    head.push(byte)
    if (head.length < 2 || head.length < SHORT_HEAD + extraLength(head[1] as number)) return
    this.#head = []
    const isMasked = ((head[1] as number) & MASKED) !== 0
    this.isFound = isMasked && head[0] === (MASKED | CLOSE)
    this.#skip = isMasked ? payloadLength(head) : Infinity
  }
}

/** How many bytes the length takes beside the seven bits that it always has. */
function extraLength(second: number): number {
  const length = second & 0x7f
  return length < 126 ? 0 : length === 126 ? 2 : 8
}

function payloadLength(head: number[]): number {
  const second = head[1] as number
  const extra = extraLength(second)
  if (extra === 0) return second & 0x7f
  return head.slice(2, 2 + extra).reduce((length, byte) => length * 256 + byte, 0)
}
