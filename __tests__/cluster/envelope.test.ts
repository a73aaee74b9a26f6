import { isUtf8 } from 'node:buffer'
import fc from 'fast-check'
import { contractPayload } from '../../src/cluster/wire/contract-payload.ts'
import { decode, encode, type Envelope, Kind, originOf } from '../../src/cluster/wire/envelope.ts'
import type { Notes } from '../../src/cluster/wire/notes.ts'
import { decodeMessage } from '../../src/cluster/wire/protocol.ts'
import { storedNoticeOf, storedPayload } from '../../src/cluster/wire/stored-payload.ts'
import { SequenceTracker, SequenceNumbers } from '../../src/cluster/wire/sequence.ts'
import { closeOf } from '../../src/internal/close-codes.ts'

const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((text) => text.isWellFormed())
const payloads: Record<number, fc.Arbitrary<Buffer>> = {
  [Kind.Text]: fc.string({ unit: 'grapheme' }).map((text) => Buffer.from(text)),
  [Kind.Binary]: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  [Kind.Disconnect]: fc.integer({ min: 3000, max: 4999 }).map((code) => Buffer.from([code >> 8, code & 255])),
  [Kind.Node]: fc.json().map((text) => Buffer.from(text)),
  [Kind.Contract]: fc
    .tuple(name, name, fc.json())
    .map(([contract, event, text]) => contractPayload({ contract, event }, Buffer.from(text))),
  [Kind.Stored]: fc
    .tuple(fc.nat(), name, fc.uint8Array({ maxLength: 200 }))
    .filter(([, id]) => !id.includes('\n'))
    .map(([offset, id, body]) => storedPayload({ epoch: 'epoch', offset, id, body }))
}
const notes: fc.Arbitrary<Notes> = fc.record(
  {
    coalesce: name,
    scope: name,
    volatile: fc.constant(true),
    traceparent: fc
      .uint8Array({ minLength: 24, maxLength: 24 })
      .map((bytes) => Buffer.from(bytes).toString('hex'))
      .map((hex) => `00-${hex.slice(0, 32)}-${hex.slice(32)}-01`),
    reach: fc.nat()
  },
  { requiredKeys: [] }
)
const envelope: fc.Arbitrary<Envelope> = fc.constantFrom(...Object.values(Kind)).chain((kind) =>
  fc.record({
    kind: fc.constant(kind),
    origin: fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('hex')),
    generation: uint32,
    sequence: uint32,
    copyId: uint32,
    ids: fc.array(name, { maxLength: 5 }),
    notes: fc.option(notes, { nil: undefined }),
    payload: payloads[kind]!
  })
)

test('decode gives back every encoded message unchanged', () => {
  fc.assert(
    fc.property(envelope, (message) => {
      const bytes = encode(message)
      expect(decode(bytes)).toEqual(message)
      expect(originOf(bytes)).toBe(message.origin)
      // A view into the middle of a Uint8Array instead of a Buffer.
      const padded = new Uint8Array(bytes.length + 3)
      padded.set(bytes, 2)
      expect(decode(padded.subarray(2, -1))).toEqual(message)
    })
  )
})

test('no input makes the decoder throw, and every decoded message is valid', () => {
  const mutated = fc
    .tuple(envelope, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }), fc.nat(60))
    .map(([message, changes, cut]) => {
      const bytes = Buffer.from(encode(message))
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte
      return bytes.subarray(0, Math.max(0, bytes.length - (cut < 40 ? 0 : cut - 40)))
    })
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 100 })), (bytes) => {
      const message = decode(bytes)
      if (message === undefined) return
      expect(Object.values(Kind)).toContain(message.kind)
      for (const one of message.ids) expect(one.length).toBeGreaterThan(0)
      // Clients would fail on invalid UTF-8 and on invalid close codes.
      const isText = message.kind === Kind.Text || message.kind === Kind.Node
      expect(isText ? isUtf8(message.payload) : true).toBe(true)
      expect(message.kind === Kind.Disconnect ? closeOf(message.payload) : {}).toBeDefined()
      expect(message.kind === Kind.Stored ? storedNoticeOf(message.payload) : {}).toBeDefined()
      decodeMessage(message.payload)
    }),
    { numRuns: 5_000 }
  )
})

describe('sequence numbers', () => {
  test('missing messages are counted, duplicate and late messages are detected', () => {
    const numbering = new SequenceNumbers()
    const messages = Array.from({ length: 10 }, () => ({ origin: 'a', ...numbering.next('x') }))
    const arrivals = new SequenceTracker()
    expect([0, 1, 4, 4, 3, 5, 9].map((i) => arrivals.isNew('x', messages[i]!))).toEqual([
      true,
      true,
      true,
      false,
      false,
      true,
      true
    ])
    expect(arrivals.missed).toBe(5)
    arrivals.forget('x')
    expect(arrivals.isNew('x', messages[3]!)).toBe(true)
  })

  test('a forgotten channel starts again, and no message counts as missing', () => {
    const numbering = new SequenceNumbers()
    const first = { origin: 'a', ...numbering.next('x') }
    for (let i = 0; i < 20_000; i++) numbering.next(`other ${i}`)
    const second = { origin: 'a', ...numbering.next('x') }
    expect(second).toMatchObject({ sequence: 1 })
    const arrivals = new SequenceTracker()
    expect([arrivals.isNew('x', first), arrivals.isNew('x', second), arrivals.isNew('x', first)]).toEqual([
      true,
      true,
      false
    ])
    expect(arrivals.missed).toBe(0)
  })

  test('the tracker is bounded', () => {
    const arrivals = new SequenceTracker()
    for (let i = 0; i < 100_000; i++) arrivals.isNew('x', { origin: `${i}`, generation: 1, sequence: 1 })
    // It forgets the oldest entries.
    expect(arrivals.isNew('x', { origin: '0', generation: 1, sequence: 1 })).toBe(true)
    expect(arrivals.isNew('x', { origin: '99999', generation: 1, sequence: 1 })).toBe(false)
  })
})
