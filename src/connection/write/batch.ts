import type { Duplex } from 'node:stream'
import type { Frame } from './frame.ts'

let lastFrames: readonly Frame[] = []
let lastBytes: readonly Buffer[] = []

/** Writes `count` frames from `frames[start]` on to a socket. */
export function writeBatch(socket: Duplex, frames: readonly Frame[], start: number, count: number): void {
  const first = frames[start] as Frame
  if (count === 1 && first.body === undefined) {
    socket.write(first.head)
    return
  }
  const buffers = join(frames, start, start + count)
  if (buffers.length > 1) socket.cork()
  for (const buffer of buffers) socket.write(buffer)
  if (buffers.length > 1) socket.uncork()
}

/**
 * The buffers that carry `frames[start]` to `frames[end - 1]`: short frames joined into one, long payloads apart. Receivers of
 * the same broadcasts mostly wait for the same frames, so the last joined bytes are kept and shared among them.
 */
function join(frames: readonly Frame[], start: number, end: number): readonly Buffer[] {
  if (isLast(frames, start, end)) return lastBytes
  const batch = frames.slice(start, end)
  if (batch.some((frame) => frame.body !== undefined)) return pieces(batch)
  lastFrames = batch
  lastBytes = pieces(batch)
  return lastBytes
}

function isLast(frames: readonly Frame[], start: number, end: number): boolean {
  if (lastFrames.length !== end - start) return false
  for (let i = start; i < end; i++) if (frames[i] !== lastFrames[i - start]) return false
  return true
}

function pieces(frames: readonly Frame[]): Buffer[] {
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
