import { clientFrame } from '../support/raw-client.ts'
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  closePayload,
  expectEchoes,
  expectFailure,
  message,
  modes,
  PING,
  PONG,
  routes,
  RSV1,
  TEXT,
  useEchoServer,
  variants
} from './support.ts'

const MAX = 70_000
const LENGTHS = [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, MAX - 1, MAX]

/** The encodings of a length (RFC 6455, 5.2): the number of bits, and the largest length that fits. */
const ENCODINGS: [bits: number, largest: number][] = [
  [7, 125],
  [16, 65_535],
  [64, Number.POSITIVE_INFINITY]
]

/** A masked frame whose length is encoded in this many bits, needed or not. */
function frameWithLength(
  opcode: number,
  payload: Buffer,
  bits: number,
  length = BigInt(payload.length),
  mask = Buffer.from([1, 2, 3, 4])
): Buffer {
  const head = Buffer.alloc(bits === 7 ? 2 : bits === 16 ? 4 : 10)
  head[0] = 0x80 | opcode
  head[1] = 0x80 | (bits === 7 ? Number(length) : bits === 16 ? 126 : 127)
  if (bits === 16) head.writeUInt16BE(Number(length), 2)
  if (bits === 64) head.writeBigUInt64BE(length, 2)
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ (mask[i % 4] as number))])
}

/** Letters in random order: always valid text, and a byte in the wrong place is noticed. */
function letters(length: number): Buffer {
  let seed = 7
  return Buffer.from(
    Uint8Array.from({ length }, () => 97 + (((seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff) >> 16) % 26))
  )
}

const lengthRows = LENGTHS.flatMap((length) =>
  ENCODINGS.filter(([, largest]) => length <= largest).map(([bits], i) => ({
    length,
    bits,
    note: i === 0 ? '' : ' (accepted, although the RFC requires the sender to use the minimal encoding)'
  }))
)

describe('RFC 6455, 5.2: payload length', () => {
  const server = useEchoServer({ maxMessageSize: MAX })

  describe.each(variants)('$title', (variant) => {
    test.each(lengthRows)('$length bytes with the length encoded in $bits bits$note', async ({ length, bits }) => {
      const session = await server.open(variant)
      const data = letters(length)
      session.send(frameWithLength(TEXT, data, bits), frameWithLength(BINARY, data, bits))
      await expectEchoes(session, message(TEXT, data), message(BINARY, data))
    })

    test.each([TEXT, BINARY])('one byte more than maxMessageSize, opcode %i: 1009', async (opcode) => {
      await expectFailure(await server.open(variant), [clientFrame(opcode, letters(MAX + 1))], 1009)
    })
  })

  describe.each(routes)('$title', (variant) => {
    test.each(LENGTHS)('the server writes %i bytes unmasked, in one frame, with the minimal length', async (length) => {
      const session = await server.open(variant)
      const expected = clientFrame(BINARY, letters(length), { masked: false })
      session.send(clientFrame(BINARY, letters(length)))
      expect((await session.client.bytes(expected.length)).equals(expected)).toBe(true)
    })
  })

  describe.each(modes)('$title', (variant) => {
    test.each([
      ['one more than maxMessageSize', BigInt(MAX + 1)],
      ['2^32', 2n ** 32n],
      ['2^53 - 1', 2n ** 53n - 1n],
      ['2^53', 2n ** 53n],
      ['2^63 - 1', 2n ** 63n - 1n],
      ['2^63, the top bit, which MUST be 0: refused as too large, not as a protocol error', 2n ** 63n],
      ['2^63 + 5, the top bit and a small length: also too large', 2n ** 63n + 5n],
      ['2^64 - 1: also too large', 2n ** 64n - 1n]
    ])('a length of %s: 1009 before any payload has come', async (_name, length) => {
      await expectFailure(await server.open(variant), [frameWithLength(BINARY, Buffer.alloc(0), 64, length)], 1009)
    })
  })
})

describe('RFC 6455, 5.3: masking', () => {
  const server = useEchoServer()

  describe.each(routes)('$title', (variant) => {
    test.each(['00000000', 'ffffffff', '000000ff', 'ff000000', '12345678'])(
      'the masking key %s, with payload lengths of all remainders modulo 4',
      async (key) => {
        const session = await server.open(variant)
        const all = [0, 1, 2, 3, 4, 5, 63, 64, 65].map(letters)
        session.send(...all.map((data) => frameWithLength(TEXT, data, 7, undefined, Buffer.from(key, 'hex'))))
        await expectEchoes(session, ...all.map((data) => message(TEXT, data)))
      }
    )

    test('a frame may arrive byte by byte', async () => {
      const session = await server.open(variant)
      session.client.socket.setNoDelay(true)
      for (const byte of clientFrame(TEXT, letters(126)))
        await new Promise((resolve) => session.client.socket.write(Buffer.from([byte]), resolve))
      await expectEchoes(session, message(TEXT, letters(126)))
    })
  })

  describe.each(modes)('$title', (variant) => {
    test.each<[string, Buffer[]]>([
      ['text', [clientFrame(TEXT, 'x', { masked: false })]],
      ['text without payload', [clientFrame(TEXT, '', { masked: false })]],
      ['binary', [clientFrame(BINARY, 'x', { masked: false })]],
      ['a ping', [clientFrame(PING, 'x', { masked: false })]],
      ['a pong', [clientFrame(PONG, 'x', { masked: false })]],
      ['a close frame', [clientFrame(CLOSE, closePayload(1000), { masked: false })]],
      ['a continuation', [clientFrame(TEXT, 'x', { fin: false }), clientFrame(CONTINUATION, 'y', { masked: false })]],
      ['the first fragment', [clientFrame(TEXT, 'x', { fin: false, masked: false }), clientFrame(CONTINUATION, 'y')]],
      ['65536 bytes', [clientFrame(BINARY, letters(65_536), { masked: false })]]
    ])('unmasked, %s: 1002', async (_name, frames) => {
      await expectFailure(await server.open(variant), frames, 1002)
    })
  })
})

const OPCODES: [name: string, opcode: number][] = [
  ['text', TEXT],
  ['binary', BINARY],
  ['continuation', CONTINUATION],
  ['close', CLOSE],
  ['ping', PING],
  ['pong', PONG]
]

const reservedBits = OPCODES.flatMap(([name, opcode]) =>
  [1, 2, 3, 4, 5, 6, 7].map((rsv) => ({ name, opcode, rsv, bits: rsv.toString(2).padStart(3, '0') }))
)

/** permessage-deflate gives a meaning only to RSV1 alone in the first frame of a message. */
const isCompressedMessage = (rsv: number, opcode: number): boolean =>
  rsv === RSV1 && (opcode === TEXT || opcode === BINARY)

describe('RFC 6455, 5.2: reserved bits and opcodes', () => {
  const server = useEchoServer()

  describe.each(modes)('$title', (variant) => {
    const rows = reservedBits.filter(({ rsv, opcode }) => !(variant.isCompressed && isCompressedMessage(rsv, opcode)))

    test.each(rows)('RSV1 to RSV3 are $bits in $name: 1002', async ({ opcode, rsv }) => {
      const start = opcode === CONTINUATION ? [clientFrame(TEXT, 'x', { fin: false })] : []
      const payload = opcode === CLOSE ? closePayload(1000) : 'x'
      await expectFailure(await server.open(variant), [...start, clientFrame(opcode, payload, { rsv })], 1002)
    })

    test.each(
      [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode) => ['', 'x'].map((payload) => ({ opcode, payload })))
    )('the reserved opcode $opcode with the payload "$payload": 1002', async ({ opcode, payload }) => {
      await expectFailure(await server.open(variant), [clientFrame(opcode, payload)], 1002)
      await expectFailure(
        await server.open(variant),
        [clientFrame(TEXT, 'a', { fin: false }), clientFrame(opcode, payload)],
        1002
      )
      await expectFailure(await server.open(variant), [clientFrame(opcode, payload, { fin: false })], 1002)
    })
  })

  describe.each(variants)('$title', (variant) => {
    test.each([1, 2, 3, 5, 6, 7])(
      'the reserved bits %i in a message: 1002, and the handler gets no part of it',
      async (rsv) => {
        await expectFailure(
          await server.open(variant),
          [clientFrame(TEXT, 'x', { rsv }), clientFrame(TEXT, 'behind')],
          1002
        )
      }
    )
  })
})
