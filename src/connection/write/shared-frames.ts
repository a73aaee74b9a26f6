import type { Frame } from './frame.ts'

/** How much the frames of one group may hold, in bytes: one write of a connection. */
const LIMIT = 64 * 1024

/**
 * Frames that wait on many connections alike, kept once for all of them. They may grow for as long as they are the last thing
 * that any of these connections has to send; the first one that sends them, or has something to send behind them, closes them.
 */
export class SharedFrames {
  readonly frames: Frame[] = []
  /** What the frames hold, in bytes. */
  bytes = 0
  /** False where nothing more may be added. */
  isOpen = true
  #joined: Buffer | undefined

  /** True where a frame may be added: it is ready, short, and fits. */
  takes({ isCopied, size }: Frame): boolean {
    return this.isOpen && isCopied && this.bytes + size <= LIMIT
  }

  add(frame: Frame): void {
    this.frames.push(frame)
    this.bytes += frame.size
  }

  close(): void {
    this.isOpen = false
  }

  /** All frames in one buffer, made once for all connections. */
  joined(): Buffer {
    if (this.#joined === undefined) {
      const heads = this.frames.map(({ head }) => head as Buffer)
      this.#joined = heads.length === 1 ? (heads[0] as Buffer) : Buffer.concat(heads)
    }
    return this.#joined
  }
}
