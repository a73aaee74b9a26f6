import type { Duplex } from 'node:stream'
import type { Frame } from './frame.ts'
import { writeBatch } from './batch.ts'

/** How much a socket is given in one write, in bytes: what it has can no longer be dropped or replaced. */
const BATCH_BYTES = 64 * 1024
/** From how many sent frames on the rest of the queue is moved to its front. */
const COMPACT_FROM = 64
/** What a queue of so many messages may hold together: 16 KiB each, and never less than 4 MiB. */
const BYTES_PER_PLACE = 16 * 1024
const MIN_BYTES = 4 * 1024 * 1024

/** The frames of a connection that its socket does not have yet, in order, and what they hold. */
export class SendQueue {
  /** Those from `head` on are waiting; the ones before it are sent. */
  frames: Frame[] = []
  head = 0
  /** What the waiting frames hold, in bytes. */
  bytes = 0
  /** What the frames that `batch` counted last hold, in bytes. */
  batchBytes = 0
  /** Those at the front that do not count as waiting: what was written while the socket had no time to take it. */
  #burst = 0
  #burstBytes = 0

  get length(): number {
    return this.frames.length - this.head
  }

  /** True where there is no place for this one behind the burst, in a queue of `places` messages. */
  isFull({ size }: Frame, places: number): boolean {
    if (this.length - this.#burst >= places) return true
    const waiting = this.bytes - this.#burstBytes
    // The first comparison is the rule, and all that a broadcast to many pays for.
    if (waiting + size <= MIN_BYTES || waiting === 0) return false
    return waiting + size > places * BYTES_PER_PLACE
  }

  push(frame: Frame): void {
    this.frames.push(frame)
    this.bytes += frame.size
  }

  /** Writes a batch of frames to a socket; says how many. */
  writeBatch(socket: Duplex): number {
    const count = this.batch(BATCH_BYTES)
    if (count === 0) return 0
    writeBatch(socket, this.frames, this.head, count)
    this.shift(count)
    return count
  }

  /** How many frames, from the front, make up a batch of about `limit` bytes; one that is still being compressed ends it. */
  batch(limit: number): number {
    let bytes = 0
    let end = this.head
    while (end < this.frames.length && bytes < limit) {
      const frame = this.frames[end] as Frame
      if (frame.head === undefined) break
      bytes += frame.size
      end++
    }
    this.batchBytes = bytes
    return end - this.head
  }

  /** Takes the frames that `batch` has counted out: they are sent. */
  shift(count: number): void {
    this.bytes -= this.batchBytes
    if (this.#burst > 0) this.#shiftBurst(Math.min(count, this.#burst))
    this.head += count
    if (this.head === this.frames.length) {
      // A queue of one is the rule; unlike `length = 0`, `pop` leaves the array its memory for the next one.
      if (this.head === 1) this.frames.pop()
      else this.frames.length = 0
      this.head = 0
    } else if (this.head >= COMPACT_FROM && this.head * 2 >= this.frames.length) {
      this.frames.splice(0, this.head)
      this.head = 0
    }
  }

  /** The position, from the front, of the first frame behind the burst that `condition` holds for; -1 where there is none. */
  find(condition: (frame: Frame) => boolean): number {
    for (let i = this.head + this.#burst; i < this.frames.length; i++)
      if (condition(this.frames[i] as Frame)) return i - this.head
    return -1
  }

  /** The position of a frame, from the front; -1 where it is not there. */
  indexOf(frame: Frame): number {
    const index = this.frames.indexOf(frame, this.head)
    return index === -1 ? -1 : index - this.head
  }

  /** Takes out the frame at a position. */
  remove(position: number): void {
    const [{ size }] = this.frames.splice(this.head + position, 1) as [Frame]
    this.bytes -= size
    if (position >= this.#burst) return
    this.#burst--
    this.#burstBytes -= size
  }

  /** Takes everything out. */
  clear(): void {
    this.frames = []
    this.head = 0
    this.bytes = 0
    this.#burst = 0
    this.#burstBytes = 0
  }

  /** What is there now does not count as waiting. */
  excuseQueued(): void {
    this.#burst = this.length
    this.#burstBytes = this.bytes
  }

  #shiftBurst(count: number): void {
    for (let i = this.head; i < this.head + count; i++) this.#burstBytes -= (this.frames[i] as Frame).size
    this.#burst -= count
  }
}

/** Stands for the queue of every connection that has nothing to send. Nothing is ever put into it. */
export const NO_QUEUE = new SendQueue()

const MAX_SPARE = 1024
const spare: SendQueue[] = []

/** An empty queue. Connections have one only while something waits: the others, mostly all, hold no memory for it. */
export function takeQueue(): SendQueue {
  return spare.pop() ?? new SendQueue()
}

/** Takes back a queue that is empty again. */
export function giveBack(queue: SendQueue): void {
  if (queue.head > 0) queue.clear()
  if (spare.length < MAX_SPARE) spare.push(queue)
}
