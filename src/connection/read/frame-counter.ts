import { now } from '../../internal/scheduler.ts'

/** How many frames of a closing connection are read before the rest is left to the kernel. */
const MAX_LATE_FRAMES = 100_000

/** Counts the frames of a connection that no reader waits for. */
export class FrameCounter {
  /** The second of the last control frame, by `now()`, and how many came in it. */
  #second = 0
  #control = 0
  #late = 0

  /** Counts a ping or pong; true where it is over this many in a second. */
  isOver(limit: number): boolean {
    const time = now()
    if (time - this.#second >= 1000) {
      this.#second = time
      this.#control = 0
    }
    return ++this.#control > limit
  }

  /** Counts a frame that came while the connection was closing; true for the last one that is read. */
  isLastLate(): boolean {
    return ++this.#late === MAX_LATE_FRAMES
  }
}
