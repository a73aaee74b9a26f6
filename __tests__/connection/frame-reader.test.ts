import fc from 'fast-check'
import { randomBytes } from 'node:crypto'
import { constants, deflateRawSync } from 'node:zlib'
import type { FrameError } from '../../src/connection/read/frame-error.ts'
import { FrameReader, type FrameReceiver } from '../../src/connection/read/frame-reader.ts'
import type { WebSocketMessage } from '../../src/index.ts'
import { clientFrame } from '../support/raw-client.ts'

/** What a reader delivers, in words that are easy to compare. */
type Event = string

const event = (kind: number, data: Buffer | string): Event =>
  `${kind} ${Buffer.from(data as string).toString('latin1')}`

/** Takes what a reader delivers. After each message it may be full for a while. */
class Receiver implements FrameReceiver {
  readonly events: Event[] = []
  readonly unreadBytes = 0
  isFull = false
  /** Events that came while it was full. */
  early = 0
  error: FrameError | undefined
  onReady = (): void => {}
  /** For each message in turn: is the receiver full after it? Then all over again. */
  readonly #fills: boolean[]
  #messages = 0

  constructor(fills: boolean[] = [false]) {
    this.#fills = fills
  }

  #note(kind: number, data: Buffer | string): void {
    if (this.isFull) this.early++
    this.events.push(event(kind, data))
  }

  onMessage({ type, data }: WebSocketMessage): void {
    this.#note(type, data)
    this.isFull = this.#fills[this.#messages++ % this.#fills.length] as boolean
  }

  onPing(payload: Buffer): void {
    this.#note(9, payload)
  }

  onPong(payload: Buffer): void {
    this.#note(10, payload)
  }

  onCloseFrame(code: number, reason: string): void {
    this.#note(8, `${code} ${reason}`)
  }

  onBadFrame(error: FrameError): void {
    this.error = error
  }

  onReaderReady(): void {
    this.onReady()
  }
}

const LIMITS = { maxMessageSize: 200_000, maxFragments: 1_000, maxBufferedChunks: Infinity }

const inflated = async (reader: FrameReader, receiver: Receiver): Promise<void> => {
  if (reader.isInflating) await new Promise<void>((resolve) => (receiver.onReady = resolve))
}

/** Reads chunks as a session does, except that a full receiver takes the next chunks before it resumes, as `late` says. */
async function read(chunks: Buffer[], receiver: Receiver, late: number[] = [0]): Promise<FrameReader> {
  const reader = new FrameReader(receiver, LIMITS, true)
  let waiting = 0
  for (const [i, chunk] of chunks.entries()) {
    // The reader unmasks in place.
    reader.read(Buffer.from(chunk))
    await inflated(reader, receiver)
    waiting = receiver.isFull ? waiting + 1 : 0
    while (receiver.isFull && waiting > (late[i % late.length] as number)) {
      receiver.isFull = false
      reader.resume()
      await inflated(reader, receiver)
    }
  }
  while (receiver.isFull) {
    receiver.isFull = false
    reader.resume()
    await inflated(reader, receiver)
  }
  return reader
}

/** A part of a stream, and what it delivers. */
interface Part {
  frames: Buffer[]
  events: Event[]
}

const minHead = fc.constantFrom<(2 | 4 | 10)[]>(2, 4, 10)

const control: fc.Arbitrary<Part> = fc
  .tuple(fc.constantFrom(9, 10), fc.uint8Array({ maxLength: 125 }))
  .map(([opcode, data]) => ({
    frames: [clientFrame(opcode, Buffer.from(data))],
    events: [event(opcode, Buffer.from(data))]
  }))

/** Text or bytes, mostly short, sometimes longer than the lengths of two bytes can tell. */
const content: fc.Arbitrary<{ opcode: 1 | 2; data: Buffer }> = fc
  .tuple(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 80 }).map((text) => ({ opcode: 1 as const, data: Buffer.from(text) })),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => ({ opcode: 2 as const, data: Buffer.from(bytes) }))
    ),
    fc.oneof(
      { weight: 20, arbitrary: fc.constant(1) },
      { weight: 2, arbitrary: fc.nat(40) },
      { weight: 1, arbitrary: fc.constant(900) }
    )
  )
  .map(([{ opcode, data }, times]) => ({ opcode, data: Buffer.concat(Array.from({ length: times }, () => data)) }))

const deflated = (data: Buffer, level: number): Buffer =>
  deflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH, level }).subarray(0, -4)

/** A message in one frame or more, with control frames between them. */
const message: fc.Arbitrary<Part> = fc
  .record({
    content,
    compressed: fc.option(fc.constantFrom(0, 6)),
    cuts: fc.array(fc.nat(), { maxLength: 4 }),
    heads: fc.array(minHead, { minLength: 5, maxLength: 5 }),
    controls: fc.array(fc.option(control), { minLength: 4, maxLength: 4 })
  })
  .map(({ content: { opcode, data }, compressed, cuts, heads, controls }) => {
    const payload = compressed === null ? data : deflated(data, compressed)
    const part: Part = { frames: [], events: [] }
    for (const [i, piece] of pieces(payload, cuts).entries()) {
      const between = i === 0 ? null : (controls[i - 1] ?? null)
      part.frames.push(
        ...(between?.frames ?? []),
        clientFrame(i === 0 ? opcode : 0, piece, {
          fin: i === cuts.length,
          rsv: i === 0 && compressed !== null ? 4 : 0,
          minHead: heads[i] as 2
        })
      )
      part.events.push(...(between?.events ?? []))
    }
    part.events.push(event(opcode, data))
    return part
  })

const stream: fc.Arbitrary<Part> = fc
  .array(fc.oneof({ weight: 4, arbitrary: message }, { weight: 1, arbitrary: control }), { maxLength: 12 })
  .map((parts) => ({ frames: parts.flatMap(({ frames }) => frames), events: parts.flatMap(({ events }) => events) }))

/** Cuts bytes at positions, which may be larger than the bytes; one piece more than there are cuts. */
function pieces(bytes: Buffer, cuts: number[]): Buffer[] {
  const ends = cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b)
  return [...ends, bytes.length].map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end))
}

const cuts = fc.oneof(fc.array(fc.nat(), { maxLength: 10 }), fc.array(fc.nat(), { minLength: 50, maxLength: 200 }))

test('any chunks of a stream give the same messages and control frames', async () => {
  await fc.assert(
    fc.asyncProperty(stream, cuts, async ({ frames, events }, cuts) => {
      const receiver = new Receiver()
      await read(pieces(Buffer.concat(frames), cuts), receiver)
      expect(receiver.error).toBeUndefined()
      expect(receiver.events).toEqual(events)
    }),
    { numRuns: 300 }
  )
})

test('so do single bytes', async () => {
  await fc.assert(
    fc.asyncProperty(stream, async ({ frames, events }) => {
      const bytes = Buffer.concat(frames)
      fc.pre(bytes.length < 20_000)
      const receiver = new Receiver()
      await read(
        Array.from(bytes, (byte) => Buffer.from([byte])),
        receiver
      )
      expect(receiver.events).toEqual(events)
    }),
    { numRuns: 50 }
  )
})

test('a receiver that is full from time to time gets nothing meanwhile, and everything in order later', async () => {
  const fills = fc.array(fc.boolean(), { minLength: 1, maxLength: 10 })
  const late = fc.array(fc.nat(5), { minLength: 1, maxLength: 10 })
  await fc.assert(
    fc.asyncProperty(stream, cuts, fills, late, async ({ frames, events }, cuts, fills, late) => {
      const receiver = new Receiver(fills)
      await read(pieces(Buffer.concat(frames), cuts), receiver, late)
      expect(receiver.early).toBe(0)
      expect(receiver.error).toBeUndefined()
      expect(receiver.events).toEqual(events)
    }),
    { numRuns: 300 }
  )
})

test('the end of the stream delivers the rest at once, even to a full receiver', async () => {
  await fc.assert(
    fc.asyncProperty(stream, cuts, async ({ frames, events }, cuts) => {
      const receiver = new Receiver([true])
      const reader = new FrameReader(receiver, LIMITS, true)
      for (const chunk of pieces(Buffer.concat(frames), cuts)) reader.read(Buffer.from(chunk))
      let finished = 0
      await new Promise<void>((resolve) =>
        reader.finish(() => {
          finished++
          resolve()
        })
      )
      expect(receiver.events).toEqual(events)
      // It must not call back again.
      await new Promise((resolve) => setImmediate(resolve))
      expect(finished).toBe(1)
    }),
    { numRuns: 200 }
  )
})

test('messages that other threads inflate are all delivered before the end, which is reported once', async () => {
  const receiver = new Receiver([true])
  const reader = new FrameReader(receiver, LIMITS, true)
  const large = Array.from({ length: 5 }, () => randomBytes(10_000))
  reader.read(Buffer.concat(large.map((data) => clientFrame(2, deflated(data, 6), { rsv: 4 }))))
  expect(reader.isInflating).toBe(true)
  const counts: number[] = []
  await new Promise<void>((resolve) =>
    reader.finish(() => {
      counts.push(receiver.events.length)
      resolve()
    })
  )
  await new Promise((resolve) => setImmediate(resolve))
  expect(counts).toEqual([5])
  expect(receiver.events).toEqual(large.map((data) => event(2, data)))
})

/** Messages that are refused although it is known where the next frame begins. */
const REFUSED: [name: string, code: number, frame: Buffer][] = [
  ['text that is not UTF-8', 1007, clientFrame(1, Buffer.from('good \xff bad', 'latin1'))],
  ['text that stops in the middle of a character', 1007, clientFrame(1, Buffer.from('e282', 'hex'))],
  ['a message that is too large', 1009, clientFrame(2, Buffer.alloc(LIMITS.maxMessageSize + 1))],
  ['compressed text that is not UTF-8', 1007, clientFrame(1, deflated(Buffer.from('ff', 'hex'), 6), { rsv: 4 })],
  ['a broken compressed message', 1007, clientFrame(2, Buffer.from('ffffff', 'hex'), { rsv: 4 })],
  ['a bomb', 1009, clientFrame(2, deflated(Buffer.alloc(LIMITS.maxMessageSize + 1), 6), { rsv: 4 })],
  // So large that another thread inflates it.
  ['a large broken compressed message', 1007, clientFrame(2, Buffer.alloc(20_000, 0xff), { rsv: 4 })]
]

test.each(REFUSED)('after %s (%d) any chunks lead to the close frame of the client', async (_name, code, frame) => {
  await fc.assert(
    fc.asyncProperty(stream, stream, cuts, async (before, behind, cuts) => {
      const receiver = new Receiver()
      const frames = [...before.frames, frame, ...behind.frames, clientFrame(8)]
      const reader = await read(pieces(Buffer.concat(frames), cuts), receiver)
      expect(receiver.error?.closeCode).toBe(code)
      expect(receiver.events).toEqual(before.events)
      expect(reader.hasFoundClose).toBe(true)
    }),
    { numRuns: 40 }
  )
})
