import type { Frame } from './frame.ts'

let lastFrames: readonly Frame[] = []
let lastBytes: readonly Buffer[] = []

/**
 * The buffers that carry `frames[start]` to `frames[end - 1]`: short frames joined into one, long payloads apart. Receivers of
 * the same broadcasts mostly wait for the same frames, so the last joined bytes are kept and shared among them.
 */
export function join(frames: readonly Frame[], start: number, end: number): readonly Buffer[] {
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
