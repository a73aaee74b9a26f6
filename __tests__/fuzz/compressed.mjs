// Streams of a client that has negotiated permessage-deflate without context takeover (RFC 7692).
import { constants, deflateRawSync } from 'node:zlib'
import { brokenText, control, damage, encode, fragmented, grammarFrames, text } from './frames.mjs'
import { LIMITS } from './limits.mjs'

/** RSV1, as the number of the reserved bits. */
const COMPRESSED = 4

const deflated = (random, data) =>
  deflateRawSync(data, {
    finishFlush: constants.Z_SYNC_FLUSH,
    level: random.pick([0, 1, 6, 9]),
    strategy: random.pick([constants.Z_DEFAULT_STRATEGY, constants.Z_FIXED, constants.Z_HUFFMAN_ONLY])
  }).subarray(0, -4)

/** In one frame or in several. */
function frames(random, opcode, payload) {
  return random.chance(0.6)
    ? [encode(random, opcode, payload, { reserved: COMPRESSED })]
    : fragmented(random, opcode, payload, random.between(2, 8), COMPRESSED)
}

function contentFor(random, opcode) {
  const size = random.weighted([
    [40, random.below(40)],
    [20, random.below(600)],
    [4, random.below(20_000)],
    [1, LIMITS.maxMessageSize - random.below(2)]
  ])
  return opcode === 1 ? text(random, size) : random.bytes(size)
}

function compressedMessage(random) {
  const opcode = random.pick([1, 2])
  return frames(random, opcode, deflated(random, contentFor(random, opcode)))
}

/** The frame with FIN clear, unless it is a control frame. */
function withoutFin(frame) {
  if ((frame[0] & 0x0f) < 8) frame[0] &= 0x7f
  return frame
}

const CURIOSITIES = [
  // Nothing at all, and an empty block.
  (random) => frames(random, random.pick([1, 2]), Buffer.alloc(random.below(2))),
  // Incompressible, so that other threads inflate it.
  (random) => {
    const noise = Buffer.from(Array.from({ length: random.between(4_000, 12_000) }, () => random.below(256)))
    return frames(random, 2, deflated(random, noise))
  },
  // A block that is marked as the last one, as RFC 7692, 7.2.3.4 allows.
  (random) => frames(random, 2, Buffer.concat([deflateRawSync(random.bytes(random.below(300))), Buffer.alloc(1)])),
  (random) => fragmented(random, 2, deflated(random, random.bytes(50)), LIMITS.maxFragments, COMPRESSED)
]

const FAULTS = [
  (random) => frames(random, 1, deflated(random, brokenText(random))),
  (random) => frames(random, random.pick([1, 2]), damage(random, deflated(random, text(random, 200)))),
  (random) => frames(random, random.pick([1, 2]), random.bytes(random.between(1, 100))),
  (random) =>
    frames(random, 2, deflated(random, Buffer.alloc(LIMITS.maxMessageSize + random.pick([1, 2, 5_000, 1_000_000])))),
  (random) => [encode(random, random.pick([0, 8, 9, 10]), random.bytes(3), { reserved: COMPRESSED })],
  (random) => [
    encode(random, random.pick([1, 2]), deflated(random, text(random, 50)), { isFinal: false, reserved: COMPRESSED }),
    encode(random, random.pick([0, 1, 2]), random.bytes(3), { reserved: COMPRESSED })
  ],
  // Left open.
  (random) => [
    encode(random, random.pick([1, 2]), random.bytes(20), { isFinal: false, reserved: COMPRESSED }),
    control(random)
  ],
  (random) => fragmented(random, 2, deflated(random, random.bytes(90)), LIMITS.maxFragments + 1, COMPRESSED),
  // One fragment too many, and most of it is missing.
  (random) => [
    ...fragmented(random, 2, random.bytes(90), LIMITS.maxFragments).map(withoutFin),
    encode(random, 0, random.bytes(3), { length: 60_000 })
  ]
]

/** The bytes of a stream with about this many frames. */
export function compressedBytes(random, count) {
  const all = []
  const faults = random.pick([0, 0.02, 0.1])
  while (all.length < count) {
    const one = random.next()
    if (one < faults) all.push(...random.pick(FAULTS)(random))
    else if (one < faults + 0.1) all.push(...random.pick(CURIOSITIES)(random))
    else if (one < faults + 0.4) all.push(...grammarFrames(random, 1))
    else all.push(...compressedMessage(random))
  }
  const bytes = Buffer.concat(all)
  return random.chance(0.2) ? damage(random, bytes) : bytes
}
