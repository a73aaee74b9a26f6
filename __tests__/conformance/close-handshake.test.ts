import type { FastifyInstance } from 'fastify'
import type { WebSocketConnection } from '../../src/index.ts'
import { clientFrame } from '../support/raw-client.ts'
import {
  BINARY,
  CLOSE,
  closeFrame,
  closePayload,
  CONTINUATION,
  expectFailure,
  hex,
  message,
  modes,
  PING,
  routes,
  type Session,
  TEXT,
  useEchoServer,
  variants
} from './support.ts'

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)

const ALLOWED = [1000, 1001, 1002, 1003, ...range(1007, 1014), 3000, 3001, 3999, 4000, 4001, 4500, 4999]
const NEVER_SENT = [
  0, 1, 100, 500, 998, 999, 1004, 1005, 1006, 1015, 1016, 1017, 1100, 2000, 2500, 2998, 2999, 5000, 5001, 10_000,
  32_768, 65_535
]

describe('RFC 6455, 5.5.1 and 7.4: the code of a close frame', () => {
  const server = useEchoServer()

  describe.each(variants)('$title', (variant) => {
    test.each(ALLOWED)('%i is echoed, and the handler gets the code and the reason', async (code) => {
      const session = await server.open(variant)
      const outcome = await session.send(closeFrame(code, 'a reason')).outcome()
      expect(outcome.code).toBe(code)
      expect(outcome.closeInfo).toEqual({ code, reason: 'a reason', wasClean: true })
      expect(outcome.answers).toEqual([])
    })

    test.each(NEVER_SENT)('%i is not allowed in a close frame: 1002', async (code) => {
      await expectFailure(await server.open(variant), [closeFrame(code)], 1002)
      await expectFailure(await server.open(variant), [closeFrame(code, 'a reason')], 1002)
    })

    test('an empty close frame is answered with an empty one, and the handler gets 1005', async () => {
      const session = await server.open(variant)
      expect(await session.send(clientFrame(CLOSE)).client.bytes(2)).toEqual(hex('8800'))
      expect(await session.witness.ended).toEqual({ code: 1005, reason: '', wasClean: true })
      await expect(session.client.frame()).rejects.toThrow('ended')
    })

    test.each([0, 3, 255])('a payload of the single byte %i: 1002', async (byte) => {
      await expectFailure(await server.open(variant), [clientFrame(CLOSE, Buffer.from([byte]))], 1002)
    })

    test.each([0, 1, 122, 123])('a reason of %i bytes is accepted', async (length) => {
      const session = await server.open(variant)
      const reason = 'r'.repeat(length)
      const { code, closeInfo } = await session.send(closeFrame(4321, reason)).outcome()
      expect(code).toBe(4321)
      expect(closeInfo).toEqual({ code: 4321, reason, wasClean: true })
    })

    test('a reason of 124 bytes, one more than a control frame can hold: 1002', async () => {
      await expectFailure(await server.open(variant), [closeFrame(1000, 'r'.repeat(124))], 1002)
    })
  })
})

describe('RFC 6455, 5.5.1: data before and after a close frame', () => {
  const server = useEchoServer()

  describe.each(variants)('$title', (variant) => {
    test.each<[string, Buffer[]]>([
      ['text', [clientFrame(TEXT, 'late')]],
      ['a hundred messages', Array.from({ length: 100 }, () => clientFrame(BINARY, 'late'))],
      ['a ping', [clientFrame(PING, 'late')]],
      ['a second close frame with another code', [closeFrame(4001)]],
      ['a frame that breaks the protocol', [clientFrame(3, 'late', { masked: false })]],
      ['text that is not UTF-8', [clientFrame(TEXT, hex('ff'))]],
      ['bytes that are not frames', [Buffer.alloc(1000, 0xff)]],
      ['half a frame', [clientFrame(TEXT, 'late').subarray(0, 3)]]
    ])('%s after a close frame: ignored', async (_what, frames) => {
      const session = await server.open(variant)
      const outcome = await session.send(...session.encode(TEXT, 'before'), closeFrame(4000), ...frames).outcome()
      const before = [message(TEXT, 'before')]
      expect(outcome).toMatchObject({
        code: 4000,
        received: before,
        echoes: before,
        closeInfo: { code: 4000, wasClean: true }
      })
    })

    test('a close frame inside a fragmented message is answered, and the handler gets no part of the message', async () => {
      const session = await server.open(variant)
      const [first = Buffer.alloc(0), ...rest] = session.encode(TEXT, 'a message that is cut off', 10)
      const outcome = await session.send(first, closeFrame(1000), ...rest).outcome()
      expect(outcome).toMatchObject({
        code: 1000,
        received: [],
        answers: [],
        closeInfo: { code: 1000, wasClean: true }
      })
    })

    test('a close frame after a hundred messages in one segment: the handler still gets and answers all of them', async () => {
      const session = await server.open(variant)
      const all = Array.from({ length: 100 }, (_, i) => message(TEXT, `message ${i}`))
      const { code, received, echoes } = await session
        .send(...all.flatMap(({ type, data }) => session.encode(type, data)), closeFrame(1000))
        .outcome()
      expect(code).toBe(1000)
      expect(received).toEqual(all)
      expect(echoes).toEqual(all)
    })

    test('TCP ends without a close frame: 1006', async () => {
      const session = await server.open(variant)
      session.client.socket.end()
      expect(await session.witness.ended).toEqual({ code: 1006, reason: '', wasClean: false })
    })
  })

  describe.each(modes)('$title', (variant) => {
    test('a close frame may arrive byte by byte', async () => {
      const session = await server.open(variant)
      session.client.socket.setNoDelay(true)
      for (const byte of closeFrame(4000, 'slowly'))
        await new Promise((resolve) => session.client.socket.write(Buffer.from([byte]), resolve))
      expect(await session.outcome()).toMatchObject({
        code: 4000,
        reason: 'slowly',
        closeInfo: { code: 4000, reason: 'slowly' }
      })
    })
  })
})

const LARGE = 'large '.repeat(50_000)

/** The ways in which a handler can write its last messages without awaiting any of them. */
const WRITERS: Record<string, (app: FastifyInstance, ws: WebSocketConnection, text: string) => unknown> = {
  writeText: (_app, ws, text) => ws.writeText(text),
  writeAsync: (_app, ws, text) => ws.writeAsync(text),
  hub: (app, ws, text) => app.wsHub.to(ws.id).broadcast(text)
}

/** Answers the server's close frame and waits for the end of TCP; nothing else may come. */
async function answerClose(session: Session, code: number): Promise<void> {
  session.send(closeFrame(code))
  await expect(session.client.frame()).rejects.toThrow('ended')
}

describe('RFC 6455, 7.1: the server closes', () => {
  const server = useEchoServer({}, (app) => {
    for (const [name, write] of Object.entries(WRITERS)) {
      app.webSocket(`/last-words/${name}`, async (ws) => {
        app.wsHub.join(ws, ws.id)
        for (const text of ['first', LARGE, 'last']) write(app, ws, text)
        await ws.close(4321, 'that was all')
      })
    }
    app.webSocket('/returns', async () => {})
    app.webSocket('/throws', async () => Promise.reject(new Error('on purpose')))
    app.webSocket('/fails-with-a-code', async () =>
      Promise.reject(Object.assign(new Error('on purpose'), { closeCode: 4444, reason: 'told' }))
    )
    app.webSocket('/closes', async (ws) => {
      const closed = ws.close(4000)
      for await (const { data } of ws) throw new Error(`read ${data.toString()} behind the close`)
      await closed
    })
  })

  describe.each(modes)('$title', (variant) => {
    test.each(Object.keys(WRITERS))('after everything written by %s was sent', async (name) => {
      const session = await server.open({ ...variant, path: `/last-words/${name}` })
      expect([await session.message(), await session.message(), await session.message()]).toEqual([
        message(TEXT, 'first'),
        message(TEXT, LARGE),
        message(TEXT, 'last')
      ])
      const { opcode, payload } = await session.client.frame()
      expect({ opcode, payload }).toEqual({ opcode: CLOSE, payload: closePayload(4321, 'that was all') })
      await answerClose(session, 4321)
    })

    test.each<[string, string, Buffer]>([
      ['returns', '/returns', closePayload(1000, 'handler returned')],
      ['throws', '/throws', closePayload(1011, 'internal error')],
      ['throws an error with a code', '/fails-with-a-code', closePayload(4444, 'told')]
    ])('when its handler %s', async (_what, path, payload) => {
      const session = await server.open({ ...variant, path })
      const expected = clientFrame(CLOSE, payload, { masked: false })
      expect(await session.client.bytes(expected.length)).toEqual(expected)
      await answerClose(session, payload.readUInt16BE(0))
    })

    test('messages between its close frame and the answer are not read, and both sides may close at the same time', async () => {
      const session = await server.open({ ...variant, path: '/closes' })
      session.send(
        clientFrame(TEXT, 'crossing'),
        clientFrame(TEXT, 'a', { fin: false }),
        clientFrame(CONTINUATION, 'b')
      )
      const { payload } = await session.client.frame()
      expect(payload).toEqual(closePayload(4000))
      await answerClose(session, 4001)
    })
  })

  test.each(routes)('$title: the server is the first to end TCP (7.1.1)', async (variant) => {
    const session = await server.open(variant)
    session.client.socket.allowHalfOpen = true
    expect(await session.send(closeFrame(1000)).client.closeCode()).toBe(1000)
    await expect(session.client.frame()).rejects.toThrow('ended')
    expect(session.client.socket.writable).toBe(true)
    session.client.socket.end()
    expect((await session.witness.ended).wasClean).toBe(true)
  })
})
