import type { Duplex } from 'node:stream'
import type { Frame } from './frame.ts'
import { writeBatch } from './batch.ts'

/** About how many bytes are written at once. Frames that were written can no longer be dropped or replaced. */
const BATCH_BYTES = 64 * 1024
/** After this many sent frames the rest of the queue is moved to the front of its array. */
const COMPACT_FROM = 64
/** How many bytes a queue may hold: 16 KiB for each of its places, and at least 4 MiB. */
const BYTES_PER_PLACE = 16 * 1024
const MIN_BYTES = 4 * 1024 * 1024

/**
 * The frames of a connection that were not written yet, in order. Some frames at the front may be exempt: they were queued in
 * the grace period, when the stream had no chance to send them, and do not count when the queue is checked for room.
 */
export class SendQueue {
  /** Frames before `head` were written, the others wait. */
  frames: Frame[] = []
  head = 0
  /** The size of the waiting frames. */
  bytes = 0
  /** The size of the frames that `batch` counted last. */
  batchBytes = 0
  /** How many frames are exempt. */
  #exempt = 0
  #exemptBytes = 0
  /** The waiting frame of each key. Made when it is first needed: most queues never hold a key. */
  #byKey: Map<string, Frame> | undefined

  get length(): number {
    return this.frames.length - this.head
  }

  /** True if a queue with this many places has no room for the frame. */
  isFull({ size }: Frame, places: number): boolean {
    if (this.length - this.#exempt >= places) return true
    const waiting = this.bytes - this.#exemptBytes
    // Almost always the first comparison decides.
    if (waiting + size <= MIN_BYTES || waiting === 0) return false
    return waiting + size > places * BYTES_PER_PLACE
  }

  push(frame: Frame): void {
    this.frames.push(frame)
    this.bytes += frame.size
    if (this.#byKey !== undefined) addKey(this.#byKey, frame)
  }

  /**
   * Puts a frame at the end, and takes out the one with the same key. It does not matter if all places are taken: there are as many
   * frames as before, and as many are exempt. Returns the position of the other frame; -1, and nothing happens, if there is none or
   * the bytes of the frame would be too many.
   */
  replace(frame: Frame, key: string, places: number): number {
    const old = (this.#byKey ??= this.#indexKeys()).get(key)
    if (old === undefined || !this.#hasRoomInstead(old, frame, places)) return -1
    // From the end: what changes often was queued a moment ago.
    const position = this.frames.lastIndexOf(old) - this.head
    this.frames.splice(this.head + position, 1)
    this.bytes -= old.size
    this.push(frame)
    if (position < this.#exempt)
      this.#exemptBytes += (this.frames[this.head + this.#exempt - 1] as Frame).size - old.size
    return position
  }

  /** Writes a batch of frames to a stream. Returns how many. */
  writeBatch(stream: Duplex): number {
    const count = this.batch(BATCH_BYTES)
    if (count === 0) return 0
    writeBatch(stream, this.frames, this.head, count)
    this.shift(count)
    return count
  }

  /** How many frames make up a batch of about `limit` bytes. A frame that is still being compressed ends the batch. */
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

  /** Removes the frames that `batch` has counted. */
  shift(count: number): void {
    this.bytes -= this.batchBytes
    if (this.#exempt > 0) this.#shiftExempt(Math.min(count, this.#exempt))
    if (this.#byKey !== undefined) this.#shiftKeys(count, this.#byKey)
    this.head += count
    if (this.head === this.frames.length) {
      // Usually the queue has one frame. Unlike `length = 0`, `pop` keeps the memory of the array for the next one.
      if (this.head === 1) this.frames.pop()
      else this.frames.length = 0
      this.head = 0
    } else if (this.head >= COMPACT_FROM && this.head * 2 >= this.frames.length) {
      this.frames.splice(0, this.head)
      this.head = 0
    }
  }

  /**
   * The position of the first frame that meets the condition and is not exempt, counted from the front; -1 if there is none.
   */
  find(condition: (frame: Frame) => boolean): number {
    for (let i = this.head + this.#exempt; i < this.frames.length; i++)
      if (condition(this.frames[i] as Frame)) return i - this.head
    return -1
  }

  /** The position of a frame, counted from the front; -1 if it is not in the queue. */
  indexOf(frame: Frame): number {
    const index = this.frames.indexOf(frame, this.head)
    return index === -1 ? -1 : index - this.head
  }

  /** Removes the frame at a position. */
  remove(position: number): void {
    const [frame] = this.frames.splice(this.head + position, 1) as [Frame]
    const { size } = frame
    this.bytes -= size
    if (this.#byKey !== undefined) removeKey(this.#byKey, frame)
    if (position >= this.#exempt) return
    this.#exempt--
    this.#exemptBytes -= size
  }

  /** Removes all frames. */
  clear(): void {
    this.frames = []
    this.head = 0
    this.bytes = 0
    this.#exempt = 0
    this.#exemptBytes = 0
    this.#byKey = undefined
  }

  /** Makes all frames that are queued now exempt. */
  exemptQueued(): void {
    this.#exempt = this.length
    this.#exemptBytes = this.bytes
  }

  #shiftExempt(count: number): void {
    for (let i = this.head; i < this.head + count; i++) this.#exemptBytes -= (this.frames[i] as Frame).size
    this.#exempt -= count
  }

  #hasRoomInstead(old: Frame, { size }: Frame, places: number): boolean {
    return size <= old.size || this.bytes - old.size + size <= Math.max(MIN_BYTES, places * BYTES_PER_PLACE)
  }

  #indexKeys(): Map<string, Frame> {
    const byKey = new Map<string, Frame>()
    for (let i = this.head; i < this.frames.length; i++) addKey(byKey, this.frames[i] as Frame)
    return byKey
  }

  #shiftKeys(count: number, byKey: Map<string, Frame>): void {
    if (count === this.length) this.#byKey = undefined
    else for (let i = this.head; i < this.head + count; i++) removeKey(byKey, this.frames[i] as Frame)
  }
}

function addKey(byKey: Map<string, Frame>, frame: Frame): void {
  const key = frame.broadcast?.key
  if (key !== undefined) byKey.set(key, frame)
}

function removeKey(byKey: Map<string, Frame>, frame: Frame): void {
  const key = frame.broadcast?.key
  if (key !== undefined && byKey.get(key) === frame) byKey.delete(key)
}

/** The queue of every connection that has nothing to send. Nothing is ever put into it. */
export const NO_QUEUE = new SendQueue()

const MAX_SPARE = 1024
const spare: SendQueue[] = []

/** An empty queue. A connection has one only while frames wait, because most connections have nothing to send. */
export function takeQueue(): SendQueue {
  return spare.pop() ?? new SendQueue()
}

/** Takes back an empty queue, for the next connection that needs one. */
export function giveBack(queue: SendQueue): void {
  if (queue.head > 0) queue.clear()
  if (spare.length < MAX_SPARE) spare.push(queue)
}
