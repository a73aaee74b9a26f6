import type { Position } from '../rpc/position.ts'
import { costOf, type PublishedMessage } from './published-message.ts'

/** Parts begin at multiples of this, so that clients that were away for about the same time read the same parts. */
const PART_SIZE = 64
/** How many bytes the parts that were read may have together. */
const MAX_BYTES = 16 * 1024 * 1024
/** How many parts are read at the same time. */
const MAX_READS = 16
/** How long a part is kept that nobody uses, in milliseconds. */
const MAX_AGE = 5_000

/** A part of a stream: all messages in it after one offset, up to another. */
export interface Part {
  readonly after: number
  /** The offset up to which it has all that there was. */
  readonly end: number
  readonly messages: readonly PublishedMessage[]
}

let pasts = 0

/** Stands for what a stream knows of its past. It has a new one when it begins, and when its history was cleared. */
export class Past {
  readonly number = ++pasts
}

/** A stream that parts are read of. */
export interface PartSource {
  /** Another one has no parts in common with this one. */
  readonly past: Past
  readonly position: Position | undefined
  /** Reads from the store. Undefined if the stream has jumped. */
  readPart(after: number, limit: number): Promise<Part | undefined>
}

interface CachedPart extends Part {
  readonly bytes: number
  usedAt: number
}

/**
 * The parts of streams that clients have just read. Thousands of clients that come back at the same time read the same parts once.
 * Parts do not change within an epoch, but they can be trimmed in the store: so they are soon forgotten.
 */
export class PartCache {
  readonly #parts = new Map<string, CachedPart>()
  readonly #reads = new Map<string, Promise<void>>()
  readonly #waiting: (() => void)[] = []
  #active = 0
  #bytes = 0
  #time = 0

  /** The messages after an offset, or undefined if they have to be read. */
  after(source: PartSource, offset: number): readonly PublishedMessage[] | undefined {
    const keys = [startOf(offset), offset].map((at) => keyOf(source, at))
    const key = keys.find((one) => (this.#parts.get(one)?.end ?? 0) > offset)
    if (key === undefined) return undefined
    const part = this.#parts.get(key) as CachedPart
    this.#touch(key, part)
    return part.messages.filter((message) => message.offset > offset)
  }

  /**
   * Reads the part with the messages after an offset: the one that others read, too, unless that ends before them because its messages
   * are long.
   */
  async load(source: PartSource, offset: number): Promise<void> {
    const start = startOf(offset)
    if (!this.#parts.has(keyOf(source, start))) await this.#loadAt(source, start)
    if (this.after(source, offset) === undefined) await this.#loadAt(source, offset)
  }

  /** Forgets what was not used for a while, at a time of `now()`. */
  check(time: number): void {
    this.#time = time
    for (const [key, part] of this.#parts) {
      if (time - part.usedAt < MAX_AGE) return
      this.#delete(key, part)
    }
  }

  /** Forgets everything. `check` is not called any more. */
  clear(): void {
    this.#parts.clear()
    this.#bytes = 0
  }

  #loadAt(source: PartSource, after: number): Promise<void> {
    const key = keyOf(source, after)
    const underWay = this.#reads.get(key)
    if (underWay !== undefined) return underWay
    const read = this.#read(source, key, after).finally(() => this.#reads.delete(key))
    this.#reads.set(key, read)
    return read
  }

  async #read(source: PartSource, key: string, after: number): Promise<void> {
    if (this.#active >= MAX_READS) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#active++
    try {
      const part = await source.readPart(after, PART_SIZE - (after % PART_SIZE))
      // A part without messages and without an end would be found again and again.
      if (part !== undefined && part.end > after) this.#keep(key, part)
    } finally {
      this.#active--
      this.#waiting.shift()?.()
    }
  }

  #keep(key: string, part: Part): void {
    const bytes = part.messages.reduce((sum, message) => sum + costOf(message), 0)
    const earlier = this.#parts.get(key)
    if (earlier !== undefined) this.#delete(key, earlier)
    this.#parts.set(key, { ...part, bytes, usedAt: this.#time })
    this.#bytes += bytes
    for (const [oldest, { bytes: size }] of this.#parts) {
      if (this.#bytes <= MAX_BYTES || oldest === key) return
      this.#parts.delete(oldest)
      this.#bytes -= size
    }
  }

  #touch(key: string, part: CachedPart): void {
    if (part.usedAt === this.#time) return
    part.usedAt = this.#time
    this.#parts.delete(key)
    this.#parts.set(key, part)
  }

  #delete(key: string, { bytes }: CachedPart): void {
    this.#parts.delete(key)
    this.#bytes -= bytes
  }
}

function startOf(offset: number): number {
  return offset - (offset % PART_SIZE)
}

function keyOf({ past, position }: PartSource, after: number): string {
  return `${past.number} ${after} ${position?.epoch}`
}
