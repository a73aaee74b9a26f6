import { clientFrame } from '../support/raw-client.ts'
import {
  BINARY,
  CONTINUATION,
  expectEchoes,
  expectFailure,
  fragments,
  message,
  modes,
  PING,
  PONG,
  routes,
  TEXT,
  useEchoServer,
  variants
} from './support.ts'

const MAX_FRAGMENTS = 20
const TYPES: [name: string, type: number][] = [
  ['text', TEXT],
  ['binary', BINARY]
]
const alphabet = 'abcdefghijklmnopqrstuvwxyz'

/** A frame that is not the last of its message. */
const open = (type: number, payload: string): Buffer => clientFrame(type, payload, { fin: false })

describe('RFC 6455, 5.4: messages in fragments', () => {
  const server = useEchoServer()

  describe.each(variants)('$title', (variant) => {
    describe.each(TYPES)('%s', (_name, type) => {
      test.each([1, 2, 3, 7, 1000])('a message in pieces of %i bytes', async (size) => {
        const session = await server.open(variant)
        const data = alphabet.repeat(40).slice(0, 1000)
        session.send(...session.encode(type, data, size))
        await expectEchoes(session, message(type, data))
      })

      test.each<[string, string[]]>([
        ['an empty first fragment', ['', 'abc']],
        ['an empty last fragment', ['abc', '']],
        ['an empty fragment in the middle', ['ab', '', 'c']],
        ['nothing but one byte among empty fragments', ['', '', 'a', '', '']],
        ['two empty fragments: an empty message', ['', '']],
        ['ten empty fragments', Array.from({ length: 10 }, () => '')]
      ])('%s', async (_what, parts) => {
        const session = await server.open(variant)
        session.send(...fragments(type, parts))
        await expectEchoes(session, message(type, parts.join('')))
      })

      test('1024 fragments, the default of maxFragments', async () => {
        const session = await server.open(variant)
        session.send(
          ...fragments(
            type,
            Array.from({ length: 1024 }, () => 'x')
          )
        )
        await expectEchoes(session, message(type, 'x'.repeat(1024)))
      })

      test('one fragment more than the default of maxFragments: 1008', async () => {
        const session = await server.open(variant)
        await expectFailure(
          session,
          fragments(
            type,
            Array.from({ length: 1025 }, () => 'x')
          ),
          1008
        )
      })
    })

    test('a message with each fragment in its own segment', async () => {
      const session = await server.open(variant)
      session.client.socket.setNoDelay(true)
      for (const frame of session.encode(TEXT, alphabet, 2))
        await new Promise((resolve) => session.client.socket.write(frame, resolve))
      await expectEchoes(session, message(TEXT, alphabet))
    })

    test('alternating fragmented and whole messages of both types stay in order', async () => {
      const session = await server.open(variant)
      const all = [TEXT, BINARY, BINARY, TEXT, TEXT, BINARY].map((type, i) => message(type, alphabet.slice(i)))
      session.send(...all.flatMap(({ type, data }, i) => session.encode(type, data, i % 2 === 0 ? 3 : 100)))
      await expectEchoes(session, ...all)
    })

    test('the handler gets nothing before the last fragment', async () => {
      const session = await server.open(variant)
      const [first = Buffer.alloc(0), ...rest] = session.encode(TEXT, alphabet, 10)
      session.send(first, clientFrame(PING, 'mark'))
      expect(await session.client.frame()).toMatchObject({ opcode: PONG, payload: Buffer.from('mark') })
      expect(session.witness.received).toEqual([])
      session.send(...rest)
      await expectEchoes(session, message(TEXT, alphabet))
    })

    test('TCP ends in the middle of a message: the handler gets no part of it, and 1006', async () => {
      const session = await server.open(variant)
      session.send(clientFrame(TEXT, 'whole'), open(TEXT, 'half')).client.socket.end()
      expect((await session.witness.ended).code).toBe(1006)
      expect(session.witness.received).toEqual([message(TEXT, 'whole')])
    })
  })
})

describe('RFC 6455, 5.4: fragments out of order', () => {
  const server = useEchoServer()

  describe.each(variants)('$title', (variant) => {
    test.each<[string, Buffer[]]>([
      ['a continuation of nothing', [clientFrame(CONTINUATION, 'x')]],
      ['a continuation of nothing, without FIN', [open(CONTINUATION, 'x')]],
      ['an empty continuation of nothing', [clientFrame(CONTINUATION)]],
      ['a continuation before a whole message', [clientFrame(CONTINUATION, 'x'), clientFrame(TEXT, 'y')]],
      ['text inside text', [open(TEXT, 'a'), clientFrame(TEXT, 'b')]],
      ['text inside binary', [open(BINARY, 'a'), clientFrame(TEXT, 'b')]],
      ['binary inside text', [open(TEXT, 'a'), clientFrame(BINARY, 'b')]],
      ['binary inside binary', [open(BINARY, 'a'), clientFrame(BINARY, 'b')]],
      ['a second first fragment', [open(TEXT, 'a'), open(TEXT, 'b'), clientFrame(CONTINUATION, 'c')]],
      ['an empty new message after an empty first fragment', [open(TEXT, ''), clientFrame(TEXT, '')]],
      ['a new message after a continuation', [open(TEXT, 'a'), open(CONTINUATION, 'b'), clientFrame(TEXT, 'c')]]
    ])('%s: 1002', async (_what, frames) => {
      await expectFailure(await server.open(variant), frames, 1002)
    })

    test('a continuation after the last fragment: 1002, and the handler still gets the complete message', async () => {
      const session = await server.open(variant)
      session.send(...session.encode(TEXT, 'fragmented', 4), clientFrame(CONTINUATION, 'more'))
      const { code, received, echoes } = await session.outcome()
      const whole = [message(TEXT, 'fragmented')]
      expect({ code, received, echoes }).toEqual({ code: 1002, received: whole, echoes: whole })
    })
  })
})

describe('RFC 6455, 5.4: the limit on fragments', () => {
  const server = useEchoServer({ maxFragments: MAX_FRAGMENTS })
  const many = (count: number): string[] => Array.from({ length: count }, () => 'x')

  describe.each(variants)('$title', (variant) => {
    test('maxFragments fragments are allowed, and each message starts a new count', async () => {
      const session = await server.open(variant)
      session.send(
        ...fragments(TEXT, many(MAX_FRAGMENTS)),
        clientFrame(TEXT, 'one'),
        ...fragments(BINARY, many(MAX_FRAGMENTS))
      )
      const full = 'x'.repeat(MAX_FRAGMENTS)
      await expectEchoes(session, message(TEXT, full), message(TEXT, 'one'), message(BINARY, full))
    })

    test.each([0, 1])('one more fragment of %i bytes: 1008', async (length) => {
      await expectFailure(
        await server.open(variant),
        fragments(TEXT, [...many(MAX_FRAGMENTS), 'x'.repeat(length)]),
        1008
      )
    })

    test('only empty fragments: 1008', async () => {
      await expectFailure(
        await server.open(variant),
        fragments(
          TEXT,
          Array.from({ length: MAX_FRAGMENTS + 1 }, () => '')
        ),
        1008
      )
    })

    test('a message with too many fragments is refused before its end', async () => {
      await expectFailure(
        await server.open(variant),
        [open(TEXT, 'x'), ...many(MAX_FRAGMENTS).map((part) => open(CONTINUATION, part))],
        1008
      )
    })

    test('a compressed message with one fragment too many', async () => {
      const session = await server.open(variant)
      const frames = session.encode(TEXT, alphabet.repeat(2), 1)
      expect(frames.length).toBeGreaterThan(MAX_FRAGMENTS)
      await expectFailure(session, frames, 1008)
    })
  })

  describe.each(routes)('$title', (variant) => {
    test('control frames between fragments do not count', async () => {
      const session = await server.open(variant)
      session.send(...fragments(TEXT, many(MAX_FRAGMENTS)).flatMap((frame) => [frame, clientFrame(PONG)]))
      await expectEchoes(session, message(TEXT, 'x'.repeat(MAX_FRAGMENTS)))
    })
  })
})

describe('RFC 6455, 5.4: messages from the server', () => {
  const server = useEchoServer()

  test.each(modes)('a long message is sent in one frame: $title', async (variant) => {
    const session = await server.open(variant)
    const data = alphabet.repeat(10_000)
    session.send(...session.encode(TEXT, data, 1000))
    await expectEchoes(session, message(TEXT, data))
  })
})
