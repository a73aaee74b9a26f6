import { clientFrame } from '../support/raw-client.ts'
import {
  BINARY,
  CLOSE,
  closeFrame,
  closePayload,
  CONTINUATION,
  expectEchoes,
  expectFailure,
  fragments,
  hex,
  message,
  pieces,
  routes,
  TEXT,
  useEchoServer,
  variants
} from './support.ts'

const VALID: [name: string, bytes: string][] = [
  ['nothing', ''],
  ['ASCII', '48656c6c6f'],
  ['U+0000', '00'],
  ['U+007F, the last of one byte', '7f'],
  ['U+0080, the first of two bytes', 'c280'],
  ['U+07FF, the last of two bytes', 'dfbf'],
  ['U+0800, the first of three bytes', 'e0a080'],
  ['U+D7FF, the last before the surrogates', 'ed9fbf'],
  ['U+E000, the first after the surrogates', 'ee8080'],
  ['U+FEFF, a byte order mark', 'efbbbf'],
  ['a byte order mark and text', 'efbbbf61'],
  ['U+FFFD, the replacement character', 'efbfbd'],
  ['U+FFFE, a noncharacter', 'efbfbe'],
  ['U+FFFF, a noncharacter', 'efbfbf'],
  ['U+10000, the first of four bytes', 'f0908080'],
  ['U+1FFFF, a noncharacter', 'f09fbfbf'],
  ['U+10FFFF, the last of all', 'f48fbfbf'],
  ['Greek', 'cebae1bdb9cf83cebcceb5'],
  ['characters of all lengths', '61c3a4e282acf09f9880f09f9880e282acc3a461'],
  ['emoji joined into a family', 'f09f91a9e2808df09f91a7']
]

const INVALID: [name: string, bytes: string][] = [
  ['a lone continuation byte', '80'],
  ['the last continuation byte', 'bf'],
  ['two continuation bytes', '80bf'],
  ['a continuation byte after text', '6180'],
  ['the byte C0', 'c080'],
  ['the byte C1', 'c1bf'],
  ['overlong: U+002F in two bytes', 'c0af'],
  ['overlong: U+0000 in three bytes', 'e08080'],
  ['overlong: U+07FF in three bytes', 'e09fbf'],
  ['overlong: U+0000 in four bytes', 'f0808080'],
  ['overlong: U+FFFF in four bytes', 'f08fbfbf'],
  ['five bytes', 'f888808080'],
  ['six bytes', 'fc8480808080'],
  ['the surrogate U+D800', 'eda080'],
  ['the surrogate U+DBFF', 'edafbf'],
  ['the surrogate U+DC00', 'edb080'],
  ['the surrogate U+DFFF', 'edbfbf'],
  ['a pair of surrogates', 'eda080edb080'],
  ['U+110000, beyond the last', 'f4908080'],
  ['U+13FFFF', 'f4bfbfbf'],
  ['U+140000', 'f5808080'],
  ['the byte FE', 'fe'],
  ['the byte FF', 'ff'],
  ['FE FE FF FF', 'fefeffff'],
  ['two bytes without the second', 'c3'],
  ['three bytes without the second', 'e2'],
  ['three bytes without the third', 'e282'],
  ['four bytes without the second', 'f0'],
  ['four bytes without the third', 'f09f'],
  ['four bytes without the fourth', 'f09f98'],
  ['text and a truncated character', '6162e282'],
  ['a truncated character and text', 'e28261'],
  ['a second byte that is ASCII', 'c361'],
  ['a third byte that is ASCII', 'e28261'],
  ['a fourth byte that is ASCII', 'f09f9861'],
  ['one continuation byte too many', 'c3a4a4'],
  ['text on both sides', 'cebae1bdb9eda080656469746564']
]

/** Every way to cut bytes in two, including an empty half. */
const cuts = (bytes: Buffer): Buffer[][] =>
  Array.from({ length: bytes.length + 1 }, (_, at) => [bytes.subarray(0, at), bytes.subarray(at)])

describe('RFC 6455, 5.6 and 8.1: text is UTF-8', () => {
  const server = useEchoServer()

  describe.each(variants)('$title', (variant) => {
    describe.each(VALID)('valid: %s (%s)', (_name, digits) => {
      const bytes = hex(digits)

      test('in one frame', async () => {
        const session = await server.open(variant)
        session.send(...session.encode(TEXT, bytes))
        await expectEchoes(session, message(TEXT, bytes))
      })

      test('cut in two, and into single bytes', async () => {
        const session = await server.open(variant)
        const ways = [...cuts(bytes), pieces(bytes, 1)]
        session.send(...ways.flatMap((way) => fragments(TEXT, way)), ...session.encode(TEXT, bytes, 1))
        await expectEchoes(session, ...[...ways, bytes].map(() => message(TEXT, bytes)))
      })
    })

    describe.each(INVALID)('invalid: %s (%s)', (_name, digits) => {
      const bytes = hex(digits)

      test('in one frame: 1007', async () => {
        const session = await server.open(variant)
        await expectFailure(session, session.encode(TEXT, bytes), 1007)
      })

      test('cut in two, and into single bytes: 1007', async () => {
        for (const way of [...cuts(bytes), pieces(bytes, 1)])
          await expectFailure(await server.open(variant), fragments(TEXT, way), 1007)
        const session = await server.open(variant)
        await expectFailure(session, session.encode(TEXT, bytes, 1), 1007)
      })

      test('in the middle of a long fragmented message: 1007 by its last fragment', async () => {
        const session = await server.open(variant)
        const data = Buffer.concat([Buffer.alloc(200, 'a'), bytes, Buffer.alloc(200, 'b')])
        await expectFailure(session, [...session.encode(TEXT, data, 10), clientFrame(TEXT, 'behind')], 1007)
      })

      test('is echoed in a binary message', async () => {
        const session = await server.open(variant)
        session.send(...session.encode(BINARY, bytes), ...session.encode(BINARY, bytes, 1))
        await expectEchoes(session, message(BINARY, bytes), message(BINARY, bytes))
      })
    })

    test('the handler gets no part of an invalid message, whether the server fails at once or at the end of the message', async () => {
      const session = await server.open(variant)
      const start = [clientFrame(TEXT, 'good, then '), clientFrame(TEXT, hex('ff'), { fin: false })]
      session.send(...start, clientFrame(CONTINUATION, 'more', { fin: false }))
      expect(await session.message()).toEqual(message(TEXT, 'good, then '))
      const { code } = await session.send(clientFrame(CONTINUATION, 'end')).outcome()
      expect(code).toBe(1007)
      expect(session.witness.received).toEqual([message(TEXT, 'good, then ')])
    })

    test('a character that is split between two messages is invalid in both', async () => {
      const [first, second] = pieces(hex('c3a4'), 1) as [Buffer, Buffer]
      const session = await server.open(variant)
      await expectFailure(session, [clientFrame(TEXT, first), clientFrame(TEXT, second)], 1007)
    })
  })
})

describe('RFC 6455, 5.5.1: the reason of a close frame is UTF-8', () => {
  const server = useEchoServer()

  describe.each(routes)('$title', (variant) => {
    test.each(VALID)('valid: %s (%s)', async (_name, digits) => {
      const session = await server.open(variant)
      const outcome = await session.send(closeFrame(1000, hex(digits))).outcome()
      expect(outcome.code).toBe(1000)
      expect(outcome.closeInfo).toEqual({ code: 1000, reason: hex(digits).toString('utf8'), wasClean: true })
    })

    test.each(INVALID)('invalid: %s (%s): 1007', async (_name, digits) => {
      await expectFailure(await server.open(variant), [closeFrame(1000, hex(digits))], 1007)
    })

    test('a reason of the full 123 bytes with its last character truncated: 1007', async () => {
      const reason = Buffer.concat([Buffer.alloc(121, 'a'), hex('e282')])
      await expectFailure(await server.open(variant), [clientFrame(CLOSE, closePayload(1000, reason))], 1007)
    })
  })
})
