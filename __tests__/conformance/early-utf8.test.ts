import { setImmediate } from 'node:timers/promises'
import { clientFrame } from '../support/raw-client.ts'
import {
  CONTINUATION,
  expectEchoes,
  expectFailure,
  fragments,
  hex,
  message,
  modes,
  type Outcome,
  pieces,
  PING,
  PONG,
  type Session,
  TEXT,
  useEchoServer,
  type Variant
} from './support.ts'

/** Bytes that can become UTF-8, the byte that makes it impossible, and how they could have gone on. */
const HOPELESS: [name: string, good: string, wrong: string, completion: string][] = [
  ['overlong, two bytes', '', 'c0', ''],
  ['overlong, the last of two bytes', '', 'c1', ''],
  ['overlong, three bytes', 'e0', '80', 'a080'],
  ['overlong, the last of three bytes', 'e0', '9f', 'a080'],
  ['overlong, four bytes', 'f0', '80', '908080'],
  ['overlong, the last of four bytes', 'f0', '8f', '908080'],
  ['the first surrogate', 'ed', 'a0', '9fbf'],
  ['the last surrogate', 'ed', 'bf', '9fbf'],
  ['the first beyond U+10FFFF', 'f4', '90', '8fbfbf'],
  ['a byte that begins nothing', '', 'f5', ''],
  ['the last byte', '', 'ff', ''],
  ['a stray continuation byte', '', '80', ''],
  ['a continuation byte too many', 'c3a4', 'a4', ''],
  ['a second byte of two that is wrong', 'c3', '28', 'a4'],
  ['a second byte of three that is wrong', 'e2', '28', '82ac'],
  ['a third byte that is wrong', 'e282', '28', 'ac'],
  ['a second byte of four that is wrong', 'f0', '28', '9f9880'],
  ['a third byte of four that is wrong', 'f09f', '28', '9880'],
  ['a fourth byte that is wrong', 'f09f98', '28', '80'],
  ['a character inside of another', 'e282', 'e2', 'ac']
]

const TRUNCATED = ['c3', 'e2', 'e282', 'ed9f', 'f0', 'f09f', 'f09f98', 'f48fbf']

/** Before the interesting bytes: nothing, or text so long that the fast path for long texts reads it. */
const BEFORE = ['', 'κόσμε 😀 '.repeat(20)]

const server = useEchoServer()

/** Opens a connection that sends each segment at once. */
async function open(variant: Variant): Promise<Session> {
  const session = await server.open(variant)
  session.client.socket.setNoDelay(true)
  return session
}

/** Sends bytes, the last ones one by one, each in a segment of its own. */
async function trickle(session: Session, bytes: Buffer): Promise<void> {
  const start = Math.max(0, bytes.length - 20)
  session.send(bytes.subarray(0, start))
  for (const byte of pieces(bytes.subarray(start), 1)) {
    session.send(byte)
    await setImmediate()
  }
}

/** The connection is still open, and everything before was read. */
async function expectPong(session: Session): Promise<void> {
  session.send(clientFrame(PING, 'still there'))
  expect(await session.client.frame()).toMatchObject({ opcode: PONG, payload: Buffer.from('still there') })
}

function expectRefused({ code, received, answers }: Outcome): void {
  expect({ code, received, answers }).toEqual({ code: 1007, received: [], answers: [] })
}

/** The beginning of a frame whose payload is longer than what is sent of it. */
const beginning = (opcode: number, payload: Buffer, fin = true): Buffer =>
  clientFrame(opcode, payload, { fin, length: 5_000 })

describe.each(modes)('$title', (variant) => {
  describe.each(HOPELESS)('%s (%s %s)', (_name, good, wrong, completion) => {
    test.each(BEFORE)('in one frame, byte by byte: 1007 long before its end (after %p)', async (before) => {
      const session = await open(variant)
      await trickle(session, beginning(TEXT, Buffer.concat([Buffer.from(before), hex(good), hex(wrong)])))
      expectRefused(await session.outcome())
    })

    test.each(BEFORE)('in one frame, in one segment: 1007 long before its end (after %p)', async (before) => {
      const frame = beginning(TEXT, Buffer.concat([Buffer.from(before), hex(good), hex(wrong), Buffer.from('more')]))
      await expectFailure(await open(variant), [frame], 1007)
    })

    test.each(BEFORE)('a byte in each fragment, pings between: 1007 at the wrong one (after %p)', async (before) => {
      const session = await open(variant)
      session.send(clientFrame(TEXT, before, { fin: false }))
      for (const byte of pieces(hex(good), 1)) {
        session.send(clientFrame(CONTINUATION, byte, { fin: false }))
        await expectPong(session)
      }
      expectRefused(await session.send(clientFrame(CONTINUATION, hex(wrong), { fin: false })).outcome())
    })

    test('the wrong byte begins a fragment that is not complete', async () => {
      const session = await open(variant)
      session.send(clientFrame(TEXT, hex(good), { fin: false }))
      await expectPong(session)
      expectRefused(await session.send(beginning(CONTINUATION, hex(wrong), false)).outcome())
    })

    test.each(BEFORE)(
      'the bytes before it are no reason to refuse: another end is echoed (after %p)',
      async (before) => {
        const session = await open(variant)
        const text = Buffer.concat([Buffer.from(before), hex(good), hex(completion)])
        await trickle(session, clientFrame(TEXT, text))
        session.send(...fragments(TEXT, pieces(text, 1)).flatMap((frame) => [frame, clientFrame(10)]))
        await expectEchoes(session, message(TEXT, text), message(TEXT, text))
      }
    )
  })

  test.each(TRUNCATED)('%s at the end of a message: 1007 only there', async (digits) => {
    for (const before of BEFORE) {
      const text = Buffer.concat([Buffer.from(before), hex(digits)])
      const session = await open(variant)
      session.send(clientFrame(TEXT, text, { fin: false }))
      await expectPong(session)
      expectRefused(await session.send(clientFrame(CONTINUATION)).outcome())
      const other = await open(variant)
      await trickle(other, clientFrame(TEXT, text))
      expectRefused(await other.outcome())
    }
  })
})
