// Makes the bytes of a client: valid streams, valid streams with damaged bytes, and sequences from a grammar that covers
// every error a frame can have.
import { LIMITS } from './limits.mjs'
import { Random } from './random.mjs'

const CHARACTERS = [
  'a',
  'Z',
  '0',
  ' ',
  '\0',
  '"',
  'é',
  'ß',
  '\u07ff',
  '\u0800',
  '€',
  '漢',
  '\ud7ff',
  '\ue000',
  '\uffff',
  '😀',
  '\u{10000}',
  '\u{10ffff}'
]

/** From Markus Kuhn's list: lone and missing continuations, overlong forms, surrogates, and code points beyond Unicode. */
const BROKEN_UTF8 = [
  'ff',
  'fe',
  '80',
  'bf',
  'c0af',
  'c1bf',
  'e080af',
  'e09fbf',
  'f08080af',
  'f08fbfbf',
  'eda080',
  'edbfbf',
  'edafbfedb080',
  'f4908080',
  'f5808080',
  'f888808080',
  'fc8480808080',
  'c3',
  'e282',
  'f09f98',
  'c328',
  'e228a1',
  'e28228',
  'f0288cbc',
  'f09028bc',
  'f0908c28'
].map((hex) => Buffer.from(hex, 'hex'))

const CLOSE_CODES = [
  0, 1, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 1016, 1100,
  1999, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 32_768, 65_535
]

/** The three encodings of a length; `form` can force one that is longer than needed. */
function lengthBytes(length, form) {
  const size = Math.max(form, length < 126 ? 7 : length < 65_536 ? 16 : 64)
  if (size === 7) return Buffer.from([length])
  const bytes = Buffer.alloc(size === 16 ? 3 : 9)
  bytes[0] = size === 16 ? 126 : 127
  if (size === 16) bytes.writeUInt16BE(length, 1)
  else bytes.writeBigUInt64BE(BigInt(length), 1)
  return bytes
}

/** A frame, valid or not. `length` is the length in its header, which may be wrong. */
export function encode(
  random,
  opcode,
  payload,
  { isFinal = true, reserved = 0, isMasked = true, form = 7, length = payload.length } = {}
) {
  const head = Buffer.concat([
    Buffer.from([(isFinal ? 0x80 : 0) | (reserved << 4) | opcode]),
    lengthBytes(length, form)
  ])
  if (!isMasked) return Buffer.concat([head, payload])
  head[1] |= 0x80
  // Servers may have a special path for the mask that changes nothing.
  const mask = random.chance(0.1) ? Buffer.alloc(4) : random.bytes(4)
  const masked = Buffer.allocUnsafe(payload.length)
  for (let i = 0; i < payload.length; i++) masked[i] = payload[i] ^ mask[i & 3]
  return Buffer.concat([head, mask, masked])
}

/** Mostly small, often at the edge of an encoding. */
function randomSize(random) {
  return random.weighted([
    [40, random.between(0, 20)],
    [12, random.between(21, 130)],
    [6, random.pick([0, 1, 2, 124, 125, 126, 127, 128])],
    [2, random.between(131, 5000)],
    [0.15, random.pick([65_534, 65_535, 65_536, 65_537, LIMITS.maxMessageSize - 1, LIMITS.maxMessageSize])]
  ])
}

/** Valid UTF-8 of about this size, never larger. */
export function text(random, size) {
  const pieces = []
  let length = 0
  while (length < Math.min(size, 300)) {
    pieces.push(Buffer.from(random.chance(0.7) ? 'text '.slice(random.below(5)) : random.pick(CHARACTERS)))
    length += pieces.at(-1).length
  }
  const block = Buffer.concat(pieces)
  if (block.length > size) return Buffer.alloc(size, 'x')
  const whole = block.length === 0 ? 0 : Math.floor(size / block.length)
  return Buffer.concat([...Array.from({ length: whole }, () => block), Buffer.alloc(size - whole * block.length, 'y')])
}

export function brokenText(random) {
  const around = text(random, random.below(200))
  const at = random.between(0, around.length)
  return Buffer.concat([around.subarray(0, at), random.pick(BROKEN_UTF8), around.subarray(at)])
}

const payloadFor = (random, opcode, size = randomSize(random)) =>
  opcode === 1 ? text(random, size) : random.bytes(size)

/** A ping or a pong, of any size that fits. */
export const control = (random) =>
  encode(
    random,
    random.pick([9, 9, 10]),
    random.bytes(
      random.weighted([
        [8, random.below(16)],
        [1, random.pick([0, 1, 124, 125])]
      ])
    )
  )

/** A message in fragments, cut anywhere, even inside a character, with control frames between them. */
export function fragmented(random, opcode, payload, count = random.between(2, 8), reserved = 0) {
  const cuts = Array.from({ length: count - 1 }, () => random.between(0, payload.length)).toSorted((a, b) => a - b)
  return [...cuts, payload.length].flatMap((end, i) => {
    const piece = payload.subarray(i === 0 ? 0 : cuts[i - 1], end)
    const frame = encode(random, i === 0 ? opcode : 0, piece, {
      isFinal: i === count - 1,
      reserved: i === 0 ? reserved : 0
    })
    return random.chance(0.2) ? [control(random), frame] : [frame]
  })
}

function message(random) {
  const opcode = random.pick([1, 2])
  if (random.chance(0.2)) return fragmented(random, opcode, payloadFor(random, opcode))
  return [encode(random, opcode, payloadFor(random, opcode))]
}

function closePayload(random) {
  if (random.chance(0.1)) return random.bytes(random.pick([0, 1]))
  const code = Buffer.alloc(2)
  code.writeUInt16BE(random.chance(0.8) ? random.pick(CLOSE_CODES) : random.below(65_536))
  const reason = random.weighted([
    [3, Buffer.alloc(0)],
    [3, text(random, random.between(1, 123))],
    [1, brokenText(random).subarray(0, 123)]
  ])
  return Buffer.concat([code, reason])
}

/** Unusual but allowed frames; servers also accept a length in more bytes than needed. */
const CURIOSITIES = [
  (random) => [encode(random, random.pick([1, 2]), text(random, random.below(300)), { form: random.pick([16, 64]) })],
  (random) =>
    fragmented(
      random,
      1,
      Buffer.from(random.pick(['€', '😀', 'é€😀']).repeat(random.between(1, 5))),
      random.between(2, 10)
    ),
  (random) => fragmented(random, 2, random.bytes(random.below(100)), LIMITS.maxFragments),
  (random) => fragmented(random, random.pick([1, 2]), Buffer.alloc(0)),
  (random) => Array.from({ length: random.between(2, 40) }, () => control(random)),
  (random) => [encode(random, 1, Buffer.alloc(0)), encode(random, 2, Buffer.alloc(0))],
  (random) => (random.chance(0.9) ? [] : fragmented(random, 2, random.bytes(LIMITS.maxMessageSize - random.below(2))))
]

/** Frames that end a connection, in most places. */
const FAULTS = [
  (random) => [encode(random, random.below(16), random.bytes(random.below(10)), { isFinal: random.chance(0.5) })],
  (random) => [encode(random, random.pick([1, 2, 0, 8, 9, 10]), text(random, 5), { reserved: random.between(1, 7) })],
  (random) => [encode(random, random.pick([1, 2, 8, 9, 10]), text(random, 5), { isMasked: false })],
  (random) => [encode(random, 0, text(random, 5))],
  (random) => [
    encode(random, random.pick([1, 2]), text(random, 5), { isFinal: false }),
    encode(random, random.pick([1, 2]), text(random, 5))
  ],
  (random) => [encode(random, random.pick([8, 9, 10]), text(random, 5), { isFinal: false })],
  (random) => [encode(random, random.pick([8, 9, 10]), random.bytes(random.pick([126, 127, 200, 65_536])))],
  (random) => [
    encode(random, random.pick([8, 9, 10]), random.bytes(random.below(126)), { form: random.pick([16, 64]) })
  ],
  ...Array.from({ length: 3 }, () => (random) => [encode(random, 8, closePayload(random))]),
  (random) => [encode(random, 8, closePayload(random)), ...message(random), control(random)],
  (random) => [encode(random, 1, brokenText(random))],
  (random) => fragmented(random, 1, brokenText(random)),
  (random) => [
    encode(random, random.pick([1, 2]), text(random, 9), {
      length: LIMITS.maxMessageSize + random.pick([0, 1, 2, 1000])
    })
  ],
  (random) => [
    encode(random, 2, Buffer.alloc(0), {
      length: random.pick([2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n]),
      form: 64
    })
  ],
  (random) => fragmented(random, random.pick([1, 2]), text(random, LIMITS.maxMessageSize + random.pick([1, 30, 5000]))),
  (random) => [encode(random, random.pick([1, 2]), random.bytes(LIMITS.maxMessageSize + random.pick([1, 30, 5000])))],
  (random) =>
    fragmented(
      random,
      random.pick([1, 2]),
      text(random, random.below(200)),
      LIMITS.maxFragments + random.between(1, 5)
    ),
  // Left open: next comes a message inside this one, or control frames, which are allowed.
  (random) => [encode(random, random.pick([1, 2]), text(random, 20), { isFinal: false }), control(random)]
]

function validFrames(random, count) {
  const frames = []
  while (frames.length < count) frames.push(...(random.chance(0.2) ? [control(random)] : message(random)))
  return frames
}

export function grammarFrames(random, count) {
  const frames = []
  const faults = random.pick([0.005, 0.02, 0.05, 0.15])
  while (frames.length < count) {
    if (random.chance(faults)) frames.push(...random.pick(FAULTS)(random))
    else if (random.chance(0.08)) frames.push(...random.pick(CURIOSITIES)(random))
    else frames.push(...validFrames(random, 1))
  }
  return frames
}

const join = (bytes, at, middle, from) => Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(from)])

/** Each damages a stream at the position `at`. */
const DAMAGES = [
  (random, bytes, at) => join(bytes, at, Buffer.from([(bytes[at] ?? 0) ^ (1 << random.below(8))]), at + 1),
  (random, bytes, at) => join(bytes, at, random.bytes(1), at + 1),
  (random, bytes, at) => join(bytes, at, random.bytes(random.between(1, 8)), at),
  (random, bytes, at) => join(bytes, at, Buffer.alloc(0), at + random.between(1, 8)),
  (random, bytes, at) => join(bytes, at, bytes.subarray(at, at + random.between(1, 64)), at),
  (random, bytes, at) => bytes.subarray(0, at),
  (random, bytes, at) => {
    const other = Buffer.concat(validFrames(random, random.between(1, 40)))
    return join(bytes, at, other.subarray(random.below(other.length)), bytes.length)
  }
]

function damagedBytes(random, count) {
  return damage(random, Buffer.concat(validFrames(random, count)))
}

/** Damages a stream in a few places. */
export function damage(random, stream) {
  let bytes = stream
  for (let times = random.between(1, 3); times > 0; times--)
    bytes = random.pick(DAMAGES)(random, bytes, random.below(bytes.length))
  return bytes
}

/** Where a stream is cut into writes. */
export function cutsOf(random, length) {
  const at = random.below(length + 1)
  const cuts = random.weighted([
    [4, []],
    [4, Array.from({ length: random.between(1, 6) }, () => random.below(length + 1))],
    [2, Array.from({ length: random.between(10, 40) }, (_, i) => at + i)]
  ])
  return [...new Set(cuts)].filter((cut) => cut > 0 && cut < length).toSorted((a, b) => a - b)
}

/** The stream of a seed: its bytes, where they are cut, and whether the first bytes are sent with the handshake. */
export function makeStream(seed) {
  const random = new Random(seed)
  const count = random.between(1, random.pick([5, 60, 200, 300]))
  const kind = random.weighted([
    [1, 'valid'],
    [2, 'damaged'],
    [5, 'grammar']
  ])
  const frames = { valid: validFrames, grammar: grammarFrames }[kind]
  const bytes = frames === undefined ? damagedBytes(random, count) : Buffer.concat(frames(random, count))
  return { seed, kind, bytes, cuts: cutsOf(random, bytes.length), isEarly: random.chance(0.2), random }
}
