import { Buffer } from 'node:buffer'
import type { Duplex } from 'node:stream'
import { COPY_LIMIT, MAX_HEADER } from '../../internal/header-room.ts'
import type { Frame } from './frame.ts'

/** Frames of up to this many bytes are joined in one buffer. To write a longer one by itself costs less than to copy it. */
const MAX_SHORT = COPY_LIMIT + MAX_HEADER

let lastFrames: readonly Frame[] = []
let lastBytes: Buffer = Buffer.alloc(0)

/** Writes `count` frames, beginning with `frames[start]`, to a stream. */
export function writeBatch(stream: Duplex, frames: readonly Frame[], start: number, count: number): void {
  const first = frames[start] as Frame
  if (count === 1 && first.isWhole) stream.write(first.head)
  else if (areShort(frames, start, start + count)) stream.write(joined(frames, start, start + count))
  else writeLong(stream, frames, start, start + count)
}

function areShort(frames: readonly Frame[], start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (!isShort(frames[i] as Frame)) return false
  return true
}

function isShort({ isWhole, size }: Frame): boolean {
  return isWhole && size <= MAX_SHORT
}

/**
 * Short frames in one buffer. Recipients of the same broadcasts usually send the same frames, so the last result is kept for the
 * next connection.
 */
function joined(frames: readonly Frame[], start: number, end: number): Buffer {
  if ((frames[start] as Frame).broadcast === undefined) return join(frames, start, end)
  if (!areLast(frames, start, end)) {
    lastFrames = frames.slice(start, end)
    lastBytes = join(frames, start, end)
  }
  return lastBytes
}

function areLast(frames: readonly Frame[], start: number, end: number): boolean {
  if (lastFrames.length !== end - start) return false
  for (let i = start; i < end; i++) if (frames[i] !== lastFrames[i - start]) return false
  return true
}

function join(frames: readonly Frame[], start: number, end: number): Buffer {
  let length = 0
  for (let i = start; i < end; i++) length += headOf(frames, i).length
  const bytes = Buffer.allocUnsafe(length)
  for (let i = start, at = 0; i < end; i++) {
    bytes.set(headOf(frames, i), at)
    at += headOf(frames, i).length
  }
  return bytes
}

/** Neighbouring short frames in one buffer, long ones in buffers of their own, all in one system call. */
function writeLong(stream: Duplex, frames: readonly Frame[], start: number, end: number): void {
  stream.cork()
  for (let i = start; i < end;) {
    let next = i
    while (next < end && isShort(frames[next] as Frame)) next++
    if (next > i) stream.write(joined(frames, i, next))
    i = next
    if (i < end) writePieces(stream, frames[i++] as Frame)
  }
  stream.uncork()
}

function writePieces(stream: Duplex, { head, body }: Frame): void {
  stream.write(head)
  if (body !== undefined) stream.write(body)
}

/** The frames of a batch are ready. */
function headOf(frames: readonly Frame[], position: number): Buffer {
  return (frames[position] as Frame).head as Buffer
}
