import type { Duplex } from 'node:stream'
import type { Frame } from './frame.ts'

let lastFrames: readonly Frame[] = []
let lastBytes: readonly Buffer[] = []

/** Writes `count` frames, beginning with `frames[start]`, to a stream. */
export function writeBatch(stream: Duplex, frames: readonly Frame[], start: number, count: number): void {
  const first = frames[start] as Frame
  if (count === 1 && first.body === undefined) {
    stream.write(first.head)
    return
  }
  const buffers = buffersOf(frames, start, start + count)
  if (buffers.length > 1) stream.cork()
  for (const buffer of buffers) stream.write(buffer)
  if (buffers.length > 1) stream.uncork()
}

/**
 * The bytes of `frames[start]` to `frames[end - 1]`: neighbouring short frames in one buffer, long payloads in buffers of their
 * own. Recipients of the same broadcasts usually send the same frames, so the last result is kept for the next connection.
 */
function buffersOf(frames: readonly Frame[], start: number, end: number): readonly Buffer[] {
  if (isSameAsLast(frames, start, end)) return lastBytes
  const batch = frames.slice(start, end)
  if (batch.some((frame) => frame.body !== undefined)) return encode(batch)
  lastFrames = batch
  lastBytes = encode(batch)
  return lastBytes
}

function isSameAsLast(frames: readonly Frame[], start: number, end: number): boolean {
  if (lastFrames.length !== end - start) return false
  for (let i = start; i < end; i++) if (frames[i] !== lastFrames[i - start]) return false
  return true
}

function encode(frames: readonly Frame[]): Buffer[] {
  const result: Buffer[] = []
  let short: Buffer[] = []
  for (const { head, body } of frames) {
    short.push(head as Buffer)
    if (body === undefined) continue
    result.push(Buffer.concat(short), body)
    short = []
  }
  if (short.length > 0) result.push(Buffer.concat(short))
  return result
}
