import { clientFrame } from '../support/raw-client.ts'
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  closeFrame,
  expectEchoes,
  expectFailure,
  message,
  modes,
  PING,
  PONG,
  type Session,
  TEXT,
  useEchoServer,
  variants
} from './support.ts'

const BYTES = Buffer.from(Array.from({ length: 126 }, (_, i) => 255 - i))

/** Expects the exact bytes of these pongs, and nothing before them. */
async function expectPongs(session: Session, ...payloads: (Buffer | string)[]): Promise<void> {
  for (const payload of payloads) {
    const expected = clientFrame(PONG, payload, { masked: false })
    expect(await session.client.bytes(expected.length)).toEqual(expected)
  }
}

describe('RFC 6455, 5.5.2 and 5.5.3: pings are answered with their own payload', () => {
  const server = useEchoServer({}, (app) => {
    app.webSocket('/deaf', (ws) => new Promise((resolve) => ws.signal.addEventListener('abort', () => resolve())))
  })

  describe.each(modes)('$title', (variant) => {
    test.each(Array.from({ length: 126 }, (_, i) => i))('a ping of %i bytes', async (length) => {
      const session = await server.open(variant)
      session.send(clientFrame(PING, BYTES.subarray(0, length)))
      await expectPongs(session, BYTES.subarray(0, length))
    })

    test('several pings in one segment are answered in order', async () => {
      const session = await server.open(variant)
      const payloads = Array.from({ length: 10 }, (_, i) => `ping ${i}`)
      session.send(...payloads.map((payload) => clientFrame(PING, payload)))
      await expectPongs(session, ...payloads)
    })

    test('a ping is answered while the handler reads nothing', async () => {
      const session = await server.open({ ...variant, path: '/deaf' })
      session.send(clientFrame(TEXT, 'unread'), clientFrame(PING, 'anybody?'))
      await expectPongs(session, 'anybody?')
    })

    test('an unsolicited pong gets no answer (5.5.3)', async () => {
      const session = await server.open(variant)
      session.send(clientFrame(PONG), clientFrame(PONG, BYTES.subarray(0, 125)), clientFrame(PING, 'behind it'))
      await expectPongs(session, 'behind it')
    })

    test('a ping after the close frame gets no answer (5.5.1)', async () => {
      const session = await server.open(variant)
      const { code, answers } = await session
        .send(clientFrame(PING, 'before'), closeFrame(), clientFrame(PING, 'behind'))
        .outcome()
      expect(code).toBe(1000)
      expect(answers).toMatchObject([{ opcode: PONG, payload: Buffer.from('before') }])
    })
  })

  describe.each(variants)('$title', (variant) => {
    test('pings before, between and after messages: the handler gets only the messages', async () => {
      const session = await server.open(variant)
      session.send(
        clientFrame(PING, '1'),
        ...session.encode(TEXT, 'first'),
        clientFrame(PING, '2'),
        clientFrame(PONG, 'x')
      )
      await expectPongs(session, '1')
      const seen = [await session.client.frame(), await session.client.frame()]
      expect(seen.map(({ opcode }) => opcode).toSorted((a, b) => a - b)).toEqual([TEXT, PONG])
      expect(seen.find(({ opcode }) => opcode === PONG)?.payload.toString()).toBe('2')
      session.send(...session.encode(BINARY, 'second'))
      expect(await session.message()).toEqual(message(BINARY, 'second'))
      expect(session.witness.received).toEqual([message(TEXT, 'first'), message(BINARY, 'second')])
    })

    test.each<[string, number, number]>([
      ['a ping', PING, 0],
      ['a ping', PING, 125],
      ['a pong', PONG, 0],
      ['a pong', PONG, 125]
    ])('%s (opcode %i) of %i bytes between all fragments (5.4)', async (_what, opcode, length) => {
      const session = await server.open(variant)
      const frames = session.encode(TEXT, 'a message with a control frame in each of its gaps', 5)
      const payload = BYTES.subarray(0, length)
      session.send(...frames.flatMap((frame, i) => (i === 0 ? [frame] : [clientFrame(opcode, payload), frame])))
      await expectPongs(session, ...(opcode === PING ? frames.slice(1).map(() => payload) : []))
      await expectEchoes(session, message(TEXT, 'a message with a control frame in each of its gaps'))
    })

    test('a ping between fragments is answered before the message is complete', async () => {
      const session = await server.open(variant)
      const frames = session.encode(TEXT, 'some text in two parts', 12)
      session.send(frames[0] as Buffer, clientFrame(PING, 'now'))
      await expectPongs(session, 'now')
      session.send(...frames.slice(1))
      await expectEchoes(session, message(TEXT, 'some text in two parts'))
    })

    test('an invalid ping between fragments: 1002, and the handler gets no part of the message', async () => {
      const session = await server.open(variant)
      const frames = session.encode(TEXT, 'some text in two parts', 12)
      await expectFailure(session, [frames[0] as Buffer, clientFrame(PING, BYTES), ...frames.slice(1)], 1002)
    })
  })
})

const KINDS: [name: string, opcode: number][] = [
  ['ping', PING],
  ['pong', PONG],
  ['close frame', CLOSE]
]

describe('RFC 6455, 5.5: control frames hold at most 125 bytes and are never fragmented', () => {
  const server = useEchoServer()

  describe.each(modes)('$title', (variant) => {
    describe.each(KINDS)('%s', (_name, opcode) => {
      test.each([126, 127, 65_535, 65_536])('%i bytes: 1002', async (length) => {
        await expectFailure(await server.open(variant), [clientFrame(opcode, Buffer.alloc(length, 3))], 1002)
      })

      test.each([126, 127])('five bytes whose length is encoded with the marker %i: 1002', async (marker) => {
        const length = marker === 126 ? [0, 5] : [0, 0, 0, 0, 0, 0, 0, 5]
        const frame = Buffer.from([0x80 | opcode, 0x80 | marker, ...length, 0, 0, 0, 0, 3, 232, 97, 98, 99])
        await expectFailure(await server.open(variant), [frame], 1002)
      })

      test.each([0, 2, 125])('a fragment of %i bytes: 1002', async (length) => {
        const payload = Buffer.from([3, 232, ...Buffer.alloc(123, 97)]).subarray(0, length)
        await expectFailure(await server.open(variant), [clientFrame(opcode, payload, { fin: false })], 1002)
      })

      test('a fragment and its continuation: 1002', async () => {
        const frames = [clientFrame(opcode, Buffer.from([3, 232]), { fin: false }), clientFrame(CONTINUATION, 'rest')]
        await expectFailure(await server.open(variant), frames, 1002)
      })

      test('a fragment inside a fragmented message: 1002', async () => {
        const frames = [
          clientFrame(TEXT, 'a', { fin: false }),
          clientFrame(opcode, '', { fin: false }),
          clientFrame(CONTINUATION, 'b')
        ]
        await expectFailure(await server.open(variant), frames, 1002)
      })
    })
  })
})

describe('RFC 6455, 5.5: pings from the server', () => {
  const server = useEchoServer({ pingInterval: 50 })

  test.each(variants)('$title: a ping between two messages is unmasked and has at most 125 bytes', async (variant) => {
    const session = await server.open(variant)
    const ping = await session.client.frame()
    expect(ping).toMatchObject({ fin: true, rsv1: false, opcode: PING })
    expect(ping.payload.length).toBeLessThanOrEqual(125)
    session.send(clientFrame(PONG, ping.payload), clientFrame(TEXT, 'and on'))
    let frame = await session.client.frame()
    while (frame.opcode === PING) frame = await session.client.frame()
    expect(frame.opcode).toBe(TEXT)
    expect(session.witness.received).toEqual([message(TEXT, 'and on')])
  })
})
