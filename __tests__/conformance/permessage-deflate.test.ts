import { randomBytes } from 'node:crypto'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import {
  BINARY,
  CONTINUATION,
  deflated,
  expectEchoes,
  expectFailure,
  fragments,
  hex,
  inflated,
  message,
  pieces,
  PING,
  PONG,
  RSV1,
  TEXT,
  useEchoServer,
  variants
} from './support.ts'

const compressing = variants.filter(({ isCompressed }) => isCompressed)
/** The parameters of every answer: neither the server nor the client keeps a context. */
const ALWAYS = ['permessage-deflate', 'server_no_context_takeover', 'client_no_context_takeover']

describe('RFC 7692, 7.1: negotiation', () => {
  const server = useEchoServer()

  /** The parameters the server agreed to, in alphabetical order; undefined if it declined. */
  async function negotiate(...offers: string[]): Promise<{ status: number; agreed: string[] | undefined }> {
    const client = new RawClient(server.port)
    client.handshake('/loop', { 'Sec-WebSocket-Extensions': offers.join(', ') })
    const { status, headers } = await client.head()
    const agreed = headers.get('sec-websocket-extensions')?.split(/; */)
    return { status, agreed: agreed?.toSorted((a, b) => a.localeCompare(b)) }
  }

  const accepted = (...more: string[]): object => ({
    status: 101,
    agreed: [...ALWAYS, ...more].toSorted((a, b) => a.localeCompare(b))
  })
  const declined = { status: 101, agreed: undefined }

  test.each<[string, string, string[]]>([
    ['no parameter', '', []],
    ['server_no_context_takeover (7.1.1.1)', '; server_no_context_takeover', []],
    ['client_no_context_takeover (7.1.1.2)', '; client_no_context_takeover', []],
    ['both', '; server_no_context_takeover; client_no_context_takeover', []],
    ...[8, 9, 10, 11, 12, 13, 14, 15].map((bits): [string, string, string[]] => [
      `server_max_window_bits=${bits} (7.1.2.1)`,
      `; server_max_window_bits=${bits}`,
      [`server_max_window_bits=${bits}`]
    ]),
    ['a quoted value', '; server_max_window_bits="10"', ['server_max_window_bits=10']],
    ['client_max_window_bits without a value (7.1.2.2): the server sets no limit', '; client_max_window_bits', []],
    ['no spaces', ';client_no_context_takeover;client_max_window_bits', []],
    [
      'all parameters',
      '; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; client_max_window_bits',
      ['server_max_window_bits=12']
    ]
  ])('accepted: %s', async (_what, parameters, agreed) => {
    expect(await negotiate(`permessage-deflate${parameters}`)).toEqual(accepted(...agreed))
  })

  test.each([8, 9, 10, 11, 12, 13, 14, 15])(
    'accepted: client_max_window_bits=%i, and the answer has the same value or none',
    async (bits) => {
      const { status, agreed } = await negotiate(`permessage-deflate; client_max_window_bits=${bits}`)
      expect(status).toBe(101)
      expect(agreed?.filter((one) => !ALWAYS.includes(one) && one !== `client_max_window_bits=${bits}`)).toEqual([])
    }
  )

  const INVALID = [
    ...['7', '16', '0', '1', '-8', '+8', '010', '08', '9.0', '1e1', '0xA', 'ten', '100'].flatMap((value) => [
      `server_max_window_bits=${value}`,
      `client_max_window_bits=${value}`
    ]),
    'server_max_window_bits',
    'server_no_context_takeover=1',
    'client_no_context_takeover=true',
    'unknown_parameter',
    'unknown_parameter=1',
    'server_no_context_takeover; server_no_context_takeover',
    'client_no_context_takeover; client_no_context_takeover',
    'server_max_window_bits=10; server_max_window_bits=11',
    'client_max_window_bits; client_max_window_bits=10'
  ]

  describe('an invalid offer MUST be declined, but the connection is accepted (7)', () => {
    test.each(INVALID)('%s', async (parameters) => {
      expect(await negotiate(`permessage-deflate; ${parameters}`)).toEqual(declined)
    })

    test.each(INVALID)('%s, followed by a valid offer, which is accepted (5)', async (parameters) => {
      expect(
        await negotiate(`permessage-deflate; ${parameters}`, 'permessage-deflate; server_max_window_bits=11')
      ).toEqual(accepted('server_max_window_bits=11'))
    })
  })

  test.each<[string, string[], object]>([
    [
      'the first of two valid offers',
      ['permessage-deflate; server_max_window_bits=9', 'permessage-deflate'],
      accepted('server_max_window_bits=9')
    ],
    [
      'the first of the same two in reverse order',
      ['permessage-deflate', 'permessage-deflate; server_max_window_bits=9'],
      accepted()
    ],
    ['the one after an unknown extension', ['x-webkit-deflate-frame', 'permessage-deflate'], accepted()],
    ['only unknown extensions', ['permessage-bzip2', 'x-webkit-deflate-frame; no_context_takeover'], declined],
    ['a different case, which makes it a different name', ['Permessage-Deflate'], declined]
  ])('of several offers: %s', async (_what, offers, result) => {
    expect(await negotiate(...offers)).toEqual(result)
  })

  test.each([
    'permessage-deflate;',
    ';',
    ', permessage-deflate',
    'permessage-deflate; =1',
    'permessage-deflate; server_max_window_bits="'
  ])('a header that breaks the grammar, %p, fails the handshake (RFC 6455, 9.1)', async (header) => {
    expect((await negotiate(header)).status).toBe(400)
  })
})

describe('RFC 7692, 7.2: messages from the client', () => {
  const server = useEchoServer()
  const compressed = (payload: Buffer, type = TEXT): Buffer => clientFrame(type, payload, { rsv: RSV1 })
  const long = 'all work and no play makes Jack a dull boy '.repeat(100)

  describe.each(compressing)('$title', (variant) => {
    test.each<[string, string, string]>([
      ['7.2.3.1: one compressed block', 'f248cdc9c90700', 'Hello'],
      ['7.2.3.3: a stored block', '000500faff48656c6c6f00', 'Hello'],
      ['7.2.3.4: a block with BFINAL', 'f348cdc9c9070000', 'Hello'],
      ['7.2.3.5: two blocks', 'f248050000 00ffffcac9c90700', 'Hello'],
      ['7.2.3.6: an empty message', '00', ''],
      ['an empty payload, which no compressor produces: accepted as an empty message', '', ''],
      ['an empty block with fixed codes', '0200', ''],
      ['a stored block of one byte', '000100feff4800', 'H'],
      ['two stored blocks', '000200fdff4865000300fcff6c6c6f00', 'Hello'],
      ['empty stored blocks before, between and after', '000000ffff f24805000000ffff 000000ffff cac9c90700', 'Hello'],
      [
        'a block with BFINAL and a stored one after it (7.2.1 allows mixing them)',
        'f348cdc9c90700 000200fdff2c2000',
        'Hello, '
      ],
      ['two blocks with BFINAL (7.2.1)', 'f348cdc9c90700 f348cdc9c90700 00', 'HelloHello'],
      ['a stored block with BFINAL and another (7.2.1)', '010200fdff4865 000300fcff6c6c6f 00', 'Hello']
    ])('%s (%s)', async (_what, digits, text) => {
      const session = await server.open(variant)
      session.send(
        compressed(hex(digits)),
        compressed(hex(digits), BINARY),
        ...fragments(TEXT, pieces(hex(digits), 1), RSV1)
      )
      await expectEchoes(session, message(TEXT, text), message(BINARY, text), message(TEXT, text))
    })

    test.each([1, 2, 3, 10, 1000])('in fragments of %i bytes, with pings between them', async (size) => {
      const session = await server.open(variant)
      const frames = fragments(TEXT, pieces(deflated(long), size), RSV1)
      session.send(...frames.flatMap((frame, i) => (i % 10 === 1 ? [clientFrame(PING, 'p'), frame] : [frame])))
      for (let i = 1; i < frames.length; i += 10) expect((await session.client.frame()).opcode).toBe(PONG)
      await expectEchoes(session, message(TEXT, long))
    })

    test('empty fragments before, between and after', async () => {
      const session = await server.open(variant)
      session.send(...fragments(TEXT, ['', hex('f248cd'), '', hex('c9c90700'), ''], RSV1))
      await expectEchoes(session, message(TEXT, 'Hello'))
    })

    test('alternating compressed and uncompressed messages (6)', async () => {
      const session = await server.open(variant)
      session.send(
        clientFrame(TEXT, 'plain'),
        compressed(deflated('compressed')),
        ...fragments(BINARY, ['pla', 'in']),
        compressed(deflated('again'), BINARY)
      )
      await expectEchoes(
        session,
        message(TEXT, 'plain'),
        message(TEXT, 'compressed'),
        message(BINARY, 'plain'),
        message(BINARY, 'again')
      )
    })

    test.each([0, 1, 125, 126, 65_535, 65_536, 200_000])('%i incompressible bytes', async (length) => {
      const session = await server.open(variant)
      const data = randomBytes(length)
      session.send(compressed(deflated(data), BINARY), ...fragments(BINARY, pieces(deflated(data), 7000), RSV1))
      await expectEchoes(session, message(BINARY, data), message(BINARY, data))
    })

    test.each<[string, Buffer[]]>([
      ['a continuation', [clientFrame(TEXT, 'a', { fin: false }), clientFrame(CONTINUATION, 'b', { rsv: RSV1 })]],
      [
        'a continuation of a compressed message',
        [
          clientFrame(TEXT, hex('f248cd'), { fin: false, rsv: RSV1 }),
          clientFrame(CONTINUATION, hex('c9c90700'), { rsv: RSV1 })
        ]
      ],
      ['a ping', [clientFrame(PING, 'a', { rsv: RSV1 })]]
    ])('RSV1 on %s: 1002 (6.1)', async (_what, frames) => {
      await expectFailure(await server.open(variant), frames, 1002)
    })

    test.each<[string, string]>([
      ['a block of the reserved type', '07ffff'],
      ['the reserved type after a good block', 'f24805000000ffff07'],
      ['a stored block whose length does not match its complement', '000500000048656c6c6f00'],
      ['a distance that reaches before the start (7.2.3.2 without the context)', 'f200110000'],
      ['plain text', '48656c6c6f'],
      ['random bytes', 'f3a1c0ffee00deadbeef0123456789'],
      ['dynamic codes that are incomplete', '05e08100ffffff']
    ])('not deflate: %s (%s): 1007', async (_what, digits) => {
      await expectFailure(await server.open(variant), [compressed(hex(digits), BINARY)], 1007)
      await expectFailure(await server.open(variant), fragments(BINARY, pieces(hex(digits), 1), RSV1), 1007)
    })

    test.each<[string, string, string]>([
      ['in the middle of a compressed block', 'f248cd', '486568'],
      ['in the middle of a stored block, which the four appended bytes continue', '000500faff48', '480000ffff'],
      ['after the header of a block', '02', '']
    ])(
      'ends %s (%s): the RFC leaves this open; the handler gets the data inflated so far',
      async (_what, digits, result) => {
        const session = await server.open(variant)
        session.send(compressed(hex(digits), BINARY))
        await expectEchoes(session, message(BINARY, hex(result)))
      }
    )
  })
})

describe('RFC 7692, 6 and 7.2.1: messages to the client', () => {
  const server = useEchoServer({ compressionThreshold: 100 })

  describe.each(compressing)('$title', (variant) => {
    test.each([
      [0, false],
      [1, false],
      [99, false],
      [100, true],
      [101, true],
      [10_000, true],
      [100_000, true]
    ])('with a compressionThreshold of 100, a message of %i bytes: compressed is %p', async (length, isCompressed) => {
      const session = await server.open(variant)
      for (const type of [TEXT, BINARY]) {
        session.send(...session.encode(type, 'x'.repeat(length)))
        const { fin, rsv1, opcode, payload } = await session.client.frame()
        expect({ fin, rsv1, opcode }).toEqual({ fin: true, rsv1: isCompressed, opcode: type })
        expect((rsv1 ? inflated(payload) : payload).toString()).toBe('x'.repeat(length))
      }
    })

    test('each message is compressed without the context of the previous one', async () => {
      const session = await server.open(variant)
      const text = randomBytes(200).toString('hex')
      for (let i = 0; i < 3; i++) session.send(...session.encode(TEXT, text))
      await expectEchoes(session, message(TEXT, text), message(TEXT, text), message(TEXT, text))
    })

    test.each([8, 9, 10, 12, 15])('no distance exceeds the window of server_max_window_bits=%i', async (bits) => {
      const session = await server.open(variant, {
        'Sec-WebSocket-Extensions': `permessage-deflate; server_max_window_bits=${bits}`
      })
      const once = randomBytes(20_000).toString('latin1')
      const data = Buffer.from(once + once.slice(0, 300) + 'y'.repeat(5000) + once, 'latin1')
      session.send(...session.encode(BINARY, data))
      const { rsv1, payload } = await session.client.frame()
      expect((rsv1 ? inflated(payload, Math.max(9, bits)) : payload).equals(data)).toBe(true)
      expect(rsv1).toBe(bits > 8)
    })
  })
})
