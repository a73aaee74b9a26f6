import { Buffer } from 'node:buffer'
import { COPY_LIMIT, headerSize, withRoom } from '../../internal/header-room.ts'
import { unpooledCopy } from '../../internal/unpooled.ts'
import { unmask, unmaskTo } from './masking.ts'

/** V8 keeps arrays of up to this many bytes beside its objects. To make one costs no more than to make a view. */
const SMALL = 64

/** A delivered message keeps at most this many times its own size in memory. */
const MAX_KEPT = 2

/**
 * Unmasks a part of a chunk and returns it. It is a view of the chunk if most of the chunk's memory belongs to it. Otherwise it
 * is a copy: an application that keeps one short message must not keep the 64 KiB with which it arrived.
 */
export function unmaskedBytes(chunk: Buffer, start: number, length: number): Buffer {
  if (length <= SMALL) {
    const copy = Buffer.allocUnsafeSlow(length)
    unmaskTo(copy, chunk, start)
    return copy
  }
  const view = chunk.subarray(start, start + length)
  unmask(view)
  if (chunk.buffer.byteLength <= length * MAX_KEPT) return hasRoom(start, length) ? withRoom(view) : view
  return unpooledCopy(view)
}

/** The client's header is in front of the payload, unless it came in an earlier chunk. */
function hasRoom(start: number, length: number): boolean {
  return length > COPY_LIMIT && start >= headerSize(length)
}
