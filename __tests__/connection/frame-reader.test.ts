import fc from 'fast-check'
import { randomBytes } from 'node:crypto'
import type { FrameError } from '../../src/connection/read/frame-error.ts'
import { FrameReader, type FrameReceiver } from '../../src/connection/read/frame-reader.ts'
import type { WebSocketMessage } from '../../src/index.ts'
import { clientFrame } from '../support/raw-client.ts'
import { cuts, deflated, type Event, event, pieces, stream } from '../support/valid-streams.ts'

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

test('maxBufferedChunks counts the chunks of each payload, wherever the header is cut', () => {
  const frame = clientFrame(2, Buffer.alloc(100))
  const header = frame.length - 100
  /** Reads the frame twice, its header cut at `at` and its payload in so many chunks. */
  const codeFor = (at: number, chunks: number): number | undefined => {
    const receiver = new Receiver()
    const reader = new FrameReader(receiver, { ...LIMITS, maxBufferedChunks: 8 }, false)
    const payloadCuts = Array.from({ length: chunks - 1 }, (_, i) => header + 1 + i)
    const cut = pieces(frame, [at, ...payloadCuts])
    for (const chunk of [...cut, ...cut]) reader.read(Buffer.from(chunk))
    return receiver.error?.closeCode ?? receiver.events.length
  }
  for (let at = 0; at <= header; at++) expect([at, codeFor(at, 8), codeFor(at, 9)]).toEqual([at, 2, 1008])
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
