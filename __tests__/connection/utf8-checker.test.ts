import { Utf8Checker } from '../../src/connection/read/utf8.ts'

/*
 * The reference knows UTF-8 only by the encodings of all code points. A sequence can become UTF-8 if it consists of such
 * encodings, and perhaps the beginning of one at the end.
 */
const BEGINNING = 1
const WHOLE = 2
type Kind = 0 | typeof BEGINNING | typeof WHOLE

/** For up to three bytes, as a number: what they are. Longer encodings are in a set. */
const kinds = [1, 2, 3].map((length) => new Uint8Array(256 ** length))
const longest = new Set<number>()

beforeAll(() => {
  const encoder = new TextEncoder()
  for (let point = 0; point <= 0x10ffff; point++) {
    if (point >= 0xd800 && point <= 0xdfff) continue
    let number = 0
    const bytes = encoder.encode(String.fromCodePoint(point))
    for (const [i, byte] of bytes.entries()) {
      number = number * 256 + byte
      const table = kinds[i]
      if (table === undefined) longest.add(number)
      else table[number] = i === bytes.length - 1 ? WHOLE : BEGINNING
    }
  }
})

/** How far a sequence is UTF-8: `failed` is the index of the byte that makes it impossible, -1 if there is none. */
function reference(bytes: Uint8Array | number[]): { failed: number; isComplete: boolean } {
  let number = 0
  let length = 0
  for (let i = 0; i < bytes.length; i++) {
    number = number * 256 + (bytes[i] as number)
    const table = kinds[length]
    const kind = table === undefined ? (longest.has(number) ? WHOLE : 0) : (table[number] as Kind)
    if (kind === 0) return { failed: i, isComplete: false }
    length = kind === WHOLE ? 0 : length + 1
    if (length === 0) number = 0
  }
  return { failed: -1, isComplete: length === 0 }
}

/** True if the checker agrees with the reference about these bytes, cut after each index whose bit is set in `cuts`. */
function agrees(bytes: Buffer, cuts: number): boolean {
  const { failed, isComplete } = reference(bytes)
  const checker = new Utf8Checker()
  let start = 0
  for (let i = 0; i < bytes.length; i++) {
    const isLast = i === bytes.length - 1
    if (!isLast && ((cuts >> i) & 1) === 0) continue
    const mayGoOn = failed === -1 || failed > i
    if (checker.take(bytes.subarray(start, i + 1)) !== mayGoOn) return false
    if (!mayGoOn) return true
    start = i + 1
  }
  return checker.isComplete === isComplete
}

/** The first of these sequences for which the checker is wrong; undefined if there is none. */
function firstWrong(sequences: Iterable<Buffer>, cutsOf: (bytes: Buffer, i: number) => number[]): string | undefined {
  let i = 0
  for (const bytes of sequences) {
    for (const cuts of cutsOf(bytes, i++))
      if (!agrees(bytes, cuts)) return `${bytes.toString('hex')}, cut as ${cuts.toString(2)}`
  }
  return undefined
}

const EIGHT = [0, 1, 2, 3, 4, 5, 6, 7]
/** All ways to cut up to four bytes. */
const allCuts = (bytes: Buffer): number[] => EIGHT.slice(0, 2 ** (bytes.length - 1))

/** All sequences of these bytes. The buffer is always the same one. */
function* sequencesOf(alphabet: number[], length: number): Generator<Buffer> {
  const digits = Array.from({ length }, () => 0)
  const bytes = Buffer.alloc(length, alphabet[0])
  for (let at = 0; at < length;) {
    yield bytes
    // Counts up by one, with a carry.
    for (at = 0; at < length; at++) {
      const digit = ((digits[at] as number) + 1) % alphabet.length
      digits[at] = digit
      bytes[at] = alphabet[digit] as number
      if (digit > 0) break
    }
  }
}

const ALL = Array.from({ length: 256 }, (_, byte) => byte)

/** At both sides of each limit of The Unicode Standard, table 3-7. */
const LIMITS = [
  0x00, 0x61, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef,
  0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff
]

test('the reference agrees with TextDecoder', () => {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const isUtf8 = (bytes: Buffer): boolean => {
    try {
      decoder.decode(bytes)
      return true
    } catch {
      return false
    }
  }
  for (const [alphabet, length] of [
    [ALL, 1],
    [ALL, 2],
    [LIMITS, 3]
  ] as const) {
    for (const bytes of sequencesOf(alphabet, length)) {
      const { isComplete } = reference(bytes)
      if (isUtf8(bytes) !== isComplete) throw new Error(bytes.toString('hex'))
    }
  }
})

test.each([1, 2])('all sequences of %i bytes, cut everywhere', (length) => {
  expect(firstWrong(sequencesOf(ALL, length), allCuts)).toBeUndefined()
})

/** Of the others, those with ASCII at the front are two bytes after a character, and the rest is wrong after two bytes. */
function* threeBytes(): Generator<Buffer> {
  const bytes = Buffer.alloc(3)
  for (const pair of sequencesOf(ALL, 2)) {
    const first = pair[0] as number
    if ((first < 0x80 && first !== 0x61) || reference(pair).failed !== -1) continue
    bytes.set(pair)
    for (bytes[2] = 0; ; bytes[2]++) {
      yield bytes
      if (bytes[2] === 255) break
    }
  }
}

test('all sequences of 3 bytes, cut everywhere', () => {
  expect(firstWrong(threeBytes(), allCuts)).toBeUndefined()
})

test.each([3, 4])('all sequences of %i bytes at the limits, cut everywhere', (length) => {
  expect(firstWrong(sequencesOf(LIMITS, length), allCuts)).toBeUndefined()
})

/** Characters of all lengths, with a byte changed in most of them. */
function* randomTexts(count: number): Generator<Buffer> {
  const pick = <T>(list: T[]): T => list[Math.floor(Math.random() * list.length)] as T
  for (let i = 0; i < count; i++) {
    const text = Array.from({ length: 8 }, () => pick(['a', '\u0080', 'é', '\u0800', '€', '\ud7ff', '\u{10000}', '😀']))
    const bytes = Buffer.from(text.join(''))
    if (i % 4 > 0) bytes[Math.floor(Math.random() * bytes.length)] = pick(LIMITS)
    yield bytes
  }
}

test('random texts, cut at random', () => {
  const cuts = (): number[] => Array.from({ length: 4 }, () => Math.floor(Math.random() * 2 ** 31))
  expect(firstWrong(randomTexts(20_000), cuts)).toBeUndefined()
})
