import { isUtf8 } from 'node:buffer'

/**
 * Checks text that arrives in parts. It fails at the first byte that makes it impossible for the text to become UTF-8, whatever
 * follows (RFC 6455, 8.1), and not only at the end of the message.
 */
export class Utf8Checker {
  /** How many bytes of the last character are missing. */
  #missing = 0
  // What the next byte of the last character may be: some second bytes would make it too long, a surrogate, or too large.
  #lowest = 0x80
  #highest = 0xbf

  /** True if the text does not end in the middle of a character. */
  get isComplete(): boolean {
    return this.#missing === 0
  }

  /** Takes the next part. False if the text cannot become UTF-8. */
  take(part: Buffer): boolean {
    let start = 0
    while (this.#missing > 0 && start < part.length) if (!this.#takeByte(part[start++] as number)) return false
    const end = lastCharacter(part, start)
    if (!isUtf8(part.subarray(start, end))) return false
    for (let i = end; i < part.length; i++) if (!this.#takeByte(part[i] as number)) return false
    return true
  }

  #takeByte(byte: number): boolean {
    if (this.#missing === 0) return this.#begin(byte)
    if (byte < this.#lowest || byte > this.#highest) return false
    this.#missing--
    this.#lowest = 0x80
    this.#highest = 0xbf
    return true
  }

  /** Takes the first byte of a character (The Unicode Standard, table 3-7). */
  #begin(byte: number): boolean {
    if (byte < 0x80) return true
    if (byte < 0xc2 || byte > 0xf4) return false
    this.#missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3
    if (byte === 0xe0) this.#lowest = 0xa0
    else if (byte === 0xed) this.#highest = 0x9f
    else if (byte === 0xf0) this.#lowest = 0x90
    else if (byte === 0xf4) this.#highest = 0x8f
    return true
  }
}

/** Where the last character begins, if it is not complete; otherwise the length. Looks at nothing before `start`. */
function lastCharacter(bytes: Buffer, start: number): number {
  for (let i = bytes.length - 1; i >= Math.max(start, bytes.length - 3); i--) {
    const byte = bytes[i] as number
    if (byte < 0x80) return bytes.length
    if (byte >= 0xc0) return i + (byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4) > bytes.length ? i : bytes.length
  }
  return bytes.length
}
