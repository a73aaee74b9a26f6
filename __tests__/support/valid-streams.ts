import fc from 'fast-check'
import { constants, deflateRawSync } from 'node:zlib'
import { clientFrame } from './raw-client.ts'

// Generates valid streams of a client, together with what a reader must make of them.

/** What a reader delivers, in words that are easy to compare. */
export type Event = string

export const event = (kind: number, data: Buffer | string): Event =>
  `${kind} ${Buffer.from(data as string).toString('latin1')}`

/** A part of a stream, and what it delivers. */
export interface Part {
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

export const deflated = (data: Buffer, level: number): Buffer =>
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

export const stream: fc.Arbitrary<Part> = fc
  .array(fc.oneof({ weight: 4, arbitrary: message }, { weight: 1, arbitrary: control }), { maxLength: 12 })
  .map((parts) => ({ frames: parts.flatMap(({ frames }) => frames), events: parts.flatMap(({ events }) => events) }))

/** Cuts bytes at positions, which may be larger than the bytes; one piece more than there are cuts. */
export function pieces(bytes: Buffer, cuts: number[]): Buffer[] {
  const ends = cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b)
  return [...ends, bytes.length].map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end))
}

export const cuts = fc.oneof(
  fc.array(fc.nat(), { maxLength: 10 }),
  fc.array(fc.nat(), { minLength: 50, maxLength: 200 })
)
