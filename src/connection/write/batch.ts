import type { Duplex } from 'node:stream'
import { COPY_LIMIT, MAX_HEADER } from '../../internal/header-room.ts'
import type { Frame } from './frame.ts'

const MAX_SHORT = COPY_LIMIT + MAX_HEADER

let lastFrames: readonly Frame[] = []
let lastBytes: readonly Buffer[] = []

/** Writes `count` frames, beginning with `frames[start]`, to a stream. */
export function writeBatch(stream: Duplex, frames: readonly Frame[], start: number, count: number): void {
  const first = frames[start] as Frame
  if (count === 1 && first.isWhole) {
    stream.write(first.head)
    return
  }
  const buffers = buffersOf(frames, start, start + count)
  if (buffers.length > 1) stream.cork()
  for (const buffer of buffers) stream.write(buffer)
  if (buffers.length > 1) stream.uncork()
}

/**
 * The bytes of `frames[start]` to `frames[end - 1]`: neighbouring short frames in one buffer, long ones in buffers of their
 * own. Recipients of the same broadcasts usually send the same frames, so the last result is kept for the next connection.
 */
function buffersOf(frames: readonly Frame[], start: number, end: number): readonly Buffer[] {
  if (isSameAsLast(frames, start, end)) return lastBytes
  const batch = frames.slice(start, end)
  if (batch.some((frame) => frame.size > MAX_SHORT)) return encode(batch)
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
  const add = (long: Buffer): void => {
    if (short.length > 0) result.push(Buffer.concat(short))
    result.push(long)
    short = []
  }
  for (const { head, body } of frames) {
    if (head !== undefined && head.length > MAX_SHORT) add(head)
    else short.push(head as Buffer)
    if (body !== undefined) add(body)
  }
  if (short.length > 0) result.push(Buffer.concat(short))
  return result
}
