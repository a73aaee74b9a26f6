import type { Frame } from './frame.ts'

/** How many bytes the frames of one group may have: one write of a connection. */
const MAX_BYTES = 64 * 1024

/**
 * Frames that many connections send, kept once for all of them. Frames can be added until the first of these connections sends
 * them, or has another frame to send after them.
 */
export class SharedFrames {
  readonly frames: Frame[] = []
  bytes = 0
  /** True while frames can be added. */
  isOpen = true
  #joined: Buffer | undefined

  /** True if this frame can be added: it is ready, and there is room. */
  takes({ isWhole, size }: Frame): boolean {
    return this.isOpen && isWhole && this.bytes + size <= MAX_BYTES
  }

  add(frame: Frame): void {
    this.frames.push(frame)
    this.bytes += frame.size
  }

  close(): void {
    this.isOpen = false
  }

  /** All frames in one buffer, which all connections share. */
  joined(): Buffer {
    if (this.#joined === undefined) {
      const heads = this.frames.map(({ head }) => head as Buffer)
      this.#joined = heads.length === 1 ? (heads[0] as Buffer) : Buffer.concat(heads)
    }
    return this.#joined
  }
}
