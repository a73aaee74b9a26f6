// Compares the masking of the build with a plain loop. Says which implementation it has found, and the first mistake, if any.
import { maskAfter, restoreMask, setMask, unmask, unmaskTo } from '../../dist/esm/connection/read/masking.js'

const MASKS = [
  [0x12, 0x34, 0x56, 0x78],
  [0xff, 0x80, 0x7f, 0x00],
  [0x00, 0x00, 0x00, 0x00],
  [0x80, 0xff, 0xfe, 0x81]
]
const MAX_LENGTH = 300
const MARGIN = 16

const plain = (byte, i, mask) => byte ^ mask[i & 3]

/** Memory with a payload at this alignment; the bytes around it must stay as they are. */
function memory(length, alignment) {
  const all = Buffer.allocUnsafeSlow(MARGIN + alignment + length + MARGIN)
  for (let i = 0; i < all.length; i++) all[i] = (i * 31 + length) & 0xff
  return all
}

function expected(all, start, length, mask) {
  const copy = Buffer.from(all)
  for (let i = 0; i < length; i++) copy[start + i] = plain(copy[start + i], i, mask)
  return copy
}

/** Each unmasks the payload of this length from `start` on in its own way. */
const WAYS = {
  'in place': (all, start, length) => unmask(all.subarray(start, start + length)),
  'to a copy': (all, start, length) => {
    const target = Buffer.alloc(length)
    unmaskTo(target, all, start)
    all.set(target, start)
  },
  'in two parts': (all, start, length) => {
    const cut = (length * 7 + start) % (length + 1)
    unmask(all.subarray(start, start + cut))
    const bits = maskAfter(cut)
    // Another connection reads a frame in the meantime.
    setMask(Buffer.from([1, 2, 3, 4]), 0)
    restoreMask(bits)
    unmask(all.subarray(start + cut, start + length))
  },
  'in parts of 1 to 8 bytes': (all, start, length) => {
    for (let at = 0, size = 1; at < length; at += size, size = (size % 8) + 1) {
      const part = all.subarray(start + at, start + Math.min(at + size, length))
      unmask(part)
      restoreMask(maskAfter(part.length))
    }
  }
}

function firstMistake() {
  for (const mask of MASKS)
    for (let length = 0; length <= MAX_LENGTH; length++)
      for (let alignment = 0; alignment < 8; alignment++)
        for (const [way, run] of Object.entries(WAYS)) {
          const all = memory(length, alignment)
          const start = MARGIN + alignment
          const right = expected(all, start, length, mask)
          setMask(Buffer.from([0, ...mask]), 1)
          run(all, start, length)
          if (!all.equals(right)) return `wrong: ${way}, ${length} bytes at ${alignment}, mask ${mask.join(' ')}`
        }
  return 'right'
}

/** The module looks for bufferutil without waiting for it. A function of it that counts shows whether it is used. */
let calls = 0
const bufferutil = await import('bufferutil').then(
  ({ default: found }) => found,
  () => undefined
)
if (bufferutil !== undefined) {
  const { unmask: native } = bufferutil
  bufferutil.unmask = (...args) => {
    calls++
    native(...args)
  }
}
const result = firstMistake()
console.log(`${calls > 0 ? 'bufferutil' : 'JavaScript'}: ${result}`)
