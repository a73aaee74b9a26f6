import { randomBytes } from 'node:crypto'
import { clientFrame } from '../support/raw-client.ts'
import {
  BINARY,
  CONTINUATION,
  deflated,
  expectEchoes,
  expectFailure,
  fragments,
  hex,
  message,
  modes,
  PING,
  pieces,
  routes,
  RSV1,
  TEXT,
  useEchoServer,
  variants
} from './support.ts'

const MAX = 1000

/** Bytes that cannot be compressed, the same for all. */
const random = randomBytes(MAX + 1)

describe('RFC 6455, 7.4.1 and 10.4: messages that are too large', () => {
  const server = useEchoServer({ maxMessageSize: MAX })

  describe.each(variants)('$title', (variant) => {
    test.each([TEXT, BINARY])(
      'messages of the largest allowed size, opcode %i: in one frame and in fragments of all sizes',
      async (type) => {
        const session = await server.open(variant)
        const data = Buffer.alloc(MAX, 'x')
        const ways = [1000, 999, 500, 333, 1].map((size) => fragments(type, pieces(data, size)))
        session.send(...ways.flat(), ...session.encode(type, data), ...session.encode(type, data, 3))
        await expectEchoes(session, ...[...ways, 0, 0].map(() => message(type, data)))
      }
    )

    test.each([1000, 999, 500, 3, 1])('one byte too many, in fragments of %i bytes: 1009', async (size) => {
      await expectFailure(await server.open(variant), fragments(BINARY, pieces(Buffer.alloc(MAX + 1), size)), 1009)
    })

    test.each([MAX + 1, 2 * MAX, 65_535, 65_536, 1_000_000])('%i bytes in one frame: 1009', async (length) => {
      await expectFailure(await server.open(variant), [clientFrame(TEXT, Buffer.alloc(length, 'x'))], 1009)
    })

    test.each([MAX + 1, 65_536, 2 ** 40])(
      'a frame whose header announces %i bytes: 1009 before the payload comes',
      async (length) => {
        await expectFailure(await server.open(variant), [clientFrame(TEXT, '', { length })], 1009)
      }
    )

    test('too large after the second fragment, which is not the last: 1009', async () => {
      const frames = [
        clientFrame(TEXT, 'x'.repeat(600), { fin: false }),
        clientFrame(CONTINUATION, 'x'.repeat(600), { fin: false })
      ]
      await expectFailure(await server.open(variant), frames, 1009)
    })

    test('control frames between fragments do not count towards the message size', async () => {
      const session = await server.open(variant)
      const frames = fragments(TEXT, pieces(Buffer.alloc(MAX, 'x'), 500)).flatMap((frame) => [
        clientFrame(PING, 'p'.repeat(125)),
        frame
      ])
      session.send(...frames)
      for (const _ping of [1, 2]) expect((await session.client.frame()).opcode).toBe(10)
      await expectEchoes(session, message(TEXT, 'x'.repeat(MAX)))
    })

    test('another connection is not affected', async () => {
      const other = await server.open(variant)
      await expectFailure(await server.open(variant), [clientFrame(TEXT, Buffer.alloc(MAX + 1, 'x'))], 1009)
      other.send(...other.encode(TEXT, 'still here'))
      await expectEchoes(other, message(TEXT, 'still here'))
    })
  })
})

describe('RFC 7692, 8: messages that are too large when inflated', () => {
  const server = useEchoServer({ maxMessageSize: MAX })
  const compressing = variants.filter(({ isCompressed }) => isCompressed)

  describe.each(compressing)('$title', (variant) => {
    test.each([MAX - 1, MAX])('%i bytes are allowed', async (length) => {
      const session = await server.open(variant)
      const data = Buffer.alloc(length, 'x')
      session.send(...session.encode(TEXT, data), ...session.encode(BINARY, data, 4))
      await expectEchoes(session, message(TEXT, data), message(BINARY, data))
    })

    test.each([MAX + 1, 2 * MAX, 100_000, 5_000_000])(
      '%i bytes, in one frame and in fragments: 1009',
      async (length) => {
        const payload = deflated(Buffer.alloc(length, 'x'))
        // A payload that is itself too large is refused before it is inflated: this one is cut so that it must be inflated.
        const size = Math.max(1, Math.ceil(payload.length / 10))
        await expectFailure(await server.open(variant), [clientFrame(TEXT, payload, { rsv: RSV1 })], 1009)
        await expectFailure(await server.open(variant), fragments(TEXT, pieces(payload, size), RSV1), 1009)
      }
    )

    test('a first block that is too large, followed by garbage: 1009 or 1007, and the handler gets nothing', async () => {
      const payload = Buffer.concat([deflated(Buffer.alloc(MAX + 1)), hex('0000ffff'), hex('ffff')])
      const { code, received } = await (
        await server.open(variant)
      )
        .send(clientFrame(BINARY, payload, { rsv: RSV1 }))
        .outcome()
      expect([1007, 1009]).toContain(code)
      expect(received).toEqual([])
    })

    // A sender need not compress a message that would become longer (RFC 7692, 6).
    test('a message of maxMessageSize that grows when compressed: the limit applies before and after inflating, 1009', async () => {
      const data = random.subarray(0, MAX)
      const payload = deflated(data)
      expect(payload.length).toBeGreaterThan(MAX)
      await expectFailure(await server.open(variant), [clientFrame(BINARY, payload, { rsv: RSV1 })], 1009)
    })

    test('one byte too many of incompressible data: 1009', async () => {
      await expectFailure(await server.open(variant), [clientFrame(BINARY, deflated(random), { rsv: RSV1 })], 1009)
    })
  })
})

describe('RFC 6455, 10.4: the smallest limit', () => {
  const server = useEchoServer({ maxMessageSize: 1 })

  test.each(routes)('$title: zero bytes and one byte are allowed, two are not', async (variant) => {
    const session = await server.open(variant)
    session.send(clientFrame(TEXT, ''), clientFrame(TEXT, 'x'), ...fragments(BINARY, ['', 'y', '']))
    await expectEchoes(session, message(TEXT, ''), message(TEXT, 'x'), message(BINARY, 'y'))
    const { code } = await session.send(clientFrame(TEXT, 'xx')).outcome()
    expect(code).toBe(1009)
  })

  test.each(modes)('$title: the limit does not apply to control frames', async (variant) => {
    const session = await server.open(variant)
    session.send(clientFrame(PING, 'p'.repeat(125)))
    expect((await session.client.frame()).payload.toString()).toBe('p'.repeat(125))
  })
})
