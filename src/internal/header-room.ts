/*
 * A frame that is one buffer is written faster than a header and a payload. A long payload is not copied for that. But if there
 * is unused memory in front of it, the header goes there: in a received message that is the client's own header, and in a copy
 * that we make anyway we leave room.
 */

/** Payloads of up to this many bytes are copied after their header, because that costs less than to write two buffers. */
export const COPY_LIMIT = 4 * 1024

/** The longest header of a frame of a server (RFC 6455, 5.2). */
export const MAX_HEADER = 10

/** How many bytes the header of a frame of a server has, for a payload of this length. */
export function headerSize(length: number): number {
  if (length < 126) return 2
  return length < 65_536 ? 4 : MAX_HEADER
}

const roomy = new WeakSet<Buffer>()

/** New memory, for a long payload with room for a header in front. Not pooled: it keeps nothing else in memory. */
export function allocateWithRoom(length: number): Buffer {
  if (length <= COPY_LIMIT) return Buffer.allocUnsafeSlow(length)
  return withRoom(Buffer.allocUnsafeSlow(MAX_HEADER + length).subarray(MAX_HEADER))
}

/** Says that the bytes in front of these, as many as a header has, belong to nobody. */
export function withRoom(bytes: Buffer): Buffer {
  roomy.add(bytes)
  return bytes
}

/** The bytes with `size` more in front; undefined if there is no room. Only once, because the header stays until it is sent. */
export function takeRoom(bytes: Buffer, size: number): Buffer | undefined {
  if (!roomy.delete(bytes)) return undefined
  return Buffer.from(bytes.buffer, bytes.byteOffset - size, size + bytes.length)
}
