import type { Entry } from '../roster.ts'

/** How many groups the rooms are divided into. Each heartbeat carries four bytes for each, 1.4 KB in base64. */
export const BUCKETS = 256

// A hash of 32 bits: a change that is lost stays unnoticed in one of four billion cases. All nodes must calculate the same, so a
// release that changes this must also rename the field of the heartbeat.

/** A hash of a room's name. The lowest bits say which bucket the room is in. */
export function hashOfRoom(room: string): number {
  return hash(room, 0)
}

export function bucketOf(hashedRoom: number): number {
  return hashedRoom & (BUCKETS - 1)
}

/** A hash of everything that one node says of one connection in a room. */
export function hashOfEntry(hashedRoom: number, { id, key, info, since }: Entry): number {
  return hash(JSON.stringify([id, key, since, info]), hashedRoom)
}

/** FNV-1a with a final mix: sums of hashes need every bit of every hash to depend on the whole text. */
function hash(text: string, seed: number): number {
  let value = seed ^ 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) | 0
}

/** The sum of two hashes. Sums do not depend on an order, and what was added can be taken out again. */
export function sum(a: number, b: number): number {
  return (a + b) | 0
}

/** For each bucket, the sum of the hashes of all entries in its rooms. */
export class Digest {
  readonly sums = new Int32Array(BUCKETS)

  /** Adds a hash, or takes it out if it is negative. */
  add(bucket: number, by: number): void {
    this.sums[bucket] = sum(this.sums[bucket] as number, by)
  }

  toString(): string {
    if (this.sums.every((value) => value === 0)) return ''
    const bytes = Buffer.allocUnsafe(BUCKETS * 4)
    for (const [bucket, value] of this.sums.entries()) bytes.writeInt32LE(value, bucket * 4)
    return bytes.toString('base64')
  }
}

/** The sums in the text of a digest; undefined if it is not one. */
export function sumsOf(text: unknown): Int32Array | undefined {
  if (text === '') return new Int32Array(BUCKETS)
  if (typeof text !== 'string') return undefined
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length !== BUCKETS * 4) return undefined
  return Int32Array.from({ length: BUCKETS }, (_, bucket) => bytes.readInt32LE(bucket * 4))
}

/** What this node holds of what each node says. */
export class Digests {
  readonly #nodes = new Map<string, Digest>()

  of(node: string): Digest {
    let digest = this.#nodes.get(node)
    if (digest === undefined) this.#nodes.set(node, (digest = new Digest()))
    return digest
  }

  delete(node: string): void {
    this.#nodes.delete(node)
  }
}
