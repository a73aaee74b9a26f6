import type { PresenceEntry } from '../../cluster/wire/protocol.ts'

/** The rooms are divided into this many buckets. Each heartbeat has four bytes for each bucket, 1.4 KB in base64. */
export const BUCKETS = 256

// Hashes have 32 bits: a lost change goes unnoticed in one of four billion cases. All nodes must calculate the same hashes, so a
// release that changes them must also rename the field of the heartbeat.

/** A hash of a room name. Its lowest bits are the number of the room's bucket. */
export function hashOfRoom(room: string): number {
  return hash(room, 0)
}

export function bucketOf(roomHash: number): number {
  return roomHash & (BUCKETS - 1)
}

/** A hash of everything that a node says about one connection in a room. */
export function hashOfEntry(roomHash: number, { id, key, info, since }: PresenceEntry): number {
  return hash(JSON.stringify([id, key, since, info]), roomHash)
}

/** FNV-1a with a final mix, so that every bit of a hash depends on the whole text: hashes are added up. */
function hash(text: string, seed: number): number {
  let value = seed ^ 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) | 0
}

/** The sum of two hashes. It does not depend on their order, and a hash can be subtracted again. */
export function sum(a: number, b: number): number {
  return (a + b) | 0
}

/** For each bucket, the sum of the hashes of all entries in its rooms. */
export class Digest {
  readonly sums = new Int32Array(BUCKETS)

  /** Adds a hash, or subtracts it if it is negated. */
  add(bucket: number, difference: number): void {
    this.sums[bucket] = sum(this.sums[bucket] as number, difference)
  }

  toString(): string {
    if (this.sums.every((value) => value === 0)) return ''
    const bytes = Buffer.allocUnsafe(BUCKETS * 4)
    for (const [bucket, value] of this.sums.entries()) bytes.writeInt32LE(value, bucket * 4)
    return bytes.toString('base64')
  }
}

/** The sums in the text of a digest; undefined if it is not a digest. */
export function sumsOf(text: string | undefined): Int32Array | undefined {
  if (text === '') return new Int32Array(BUCKETS)
  if (text === undefined) return undefined
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length !== BUCKETS * 4) return undefined
  return Int32Array.from({ length: BUCKETS }, (_, bucket) => bytes.readInt32LE(bucket * 4))
}

/** A digest of what this node has heard from each node. */
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
