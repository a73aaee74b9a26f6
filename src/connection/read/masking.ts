/*
 * Clients mask the payload of each frame with four bytes (RFC 6455, 5.3). To unmask it is most of the work of reading. `bufferutil`,
 * an optional dependency, does it in C; without it, and for short payloads, JavaScript does. `docs/performance.md` has the
 * figures.
 */

/** The functions of `bufferutil`. */
interface Bufferutil {
  mask(source: Buffer, mask: Buffer, output: Buffer, offset: number, length: number): void
  unmask(buffer: Buffer, mask: Buffer): void
}

let bufferutil: Bufferutil | undefined

/** A name in a variable: the package may be missing, also for the type checker and for bundlers. */
const OPTIONAL: string = 'bufferutil'
if (process.env.WS_NO_BUFFER_UTIL === undefined) {
  import(OPTIONAL).then(
    (module: { default: Bufferutil }) => (bufferutil = module.default),
    () => {}
  )
}

/** From this many bytes on, a call of `bufferutil` costs less than a loop. */
const MIN_FOR_BUFFERUTIL = 64

/** The mask of the frame that is being read. One for all connections, because only one frame is read at a time. */
const mask = Buffer.alloc(4)

/** Takes the mask from four bytes of a frame. */
export function setMask(chunk: Buffer, at: number): void {
  mask[0] = chunk[at] as number
  mask[1] = chunk[at + 1] as number
  mask[2] = chunk[at + 2] as number
  mask[3] = chunk[at + 3] as number
}

/** The mask for the rest of a payload of which this many bytes were unmasked. */
export function maskAfter(length: number): number {
  const bits = mask.readInt32BE(0)
  const shift = (length & 3) * 8
  return shift === 0 ? bits : (bits << shift) | (bits >>> (32 - shift))
}

/** Continues with a mask that `maskAfter` has returned. */
export function restoreMask(bits: number): void {
  mask.writeInt32BE(bits, 0)
}

/** Unmasks bytes in place. */
export function unmask(bytes: Buffer): void {
  if (bytes.length < MIN_FOR_BUFFERUTIL) unmaskTo(bytes, bytes, 0)
  else if (bufferutil === undefined) unmaskWords(bytes)
  else bufferutil.unmask(bytes, mask)
}

/** Fills `target` with the bytes of a chunk from `start` on, unmasked. For a few bytes; `unmask` is faster for many. */
export function unmaskTo(target: Buffer, chunk: Buffer, start: number): void {
  const a = mask[0] as number
  const b = mask[1] as number
  const c = mask[2] as number
  const d = mask[3] as number
  const { length } = target
  let i = 0
  for (; i + 3 < length; i += 4) {
    target[i] = (chunk[start + i] as number) ^ a
    target[i + 1] = (chunk[start + i + 1] as number) ^ b
    target[i + 2] = (chunk[start + i + 2] as number) ^ c
    target[i + 3] = (chunk[start + i + 3] as number) ^ d
  }
  for (; i < length; i++) target[i] = (chunk[start + i] as number) ^ (mask[i & 3] as number)
}

/** Unmasks four bytes at a time. Words begin at multiples of four, so a few bytes at either end come one by one. */
function unmaskWords(bytes: Buffer): void {
  const begin = -bytes.byteOffset & 3
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + begin, (bytes.length - begin) >> 2)
  const end = begin + words.length * 4
  const bits = wordFrom(begin)
  for (let i = 0; i < words.length; i++) words[i] = (words[i] as number) ^ bits
  for (let i = 0; i < begin; i++) bytes[i] = (bytes[i] as number) ^ (mask[i & 3] as number)
  for (let i = end; i < bytes.length; i++) bytes[i] = (bytes[i] as number) ^ (mask[i & 3] as number)
}

/** The mask from its byte `first` on, as a word in the byte order of the machine. */
function wordFrom(first: number): number {
  const rotated = new Uint8Array(4)
  for (let i = 0; i < 4; i++) rotated[i] = mask[(first + i) & 3] as number
  return new Int32Array(rotated.buffer)[0] as number
}
