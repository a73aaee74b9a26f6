import {
  CloseCode,
  CloseError,
  isCloseError,
  isUnexpectedCloseError,
  type WebSocketConnection
} from '../../src/index.ts'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { closeServers, connect, startServer } from '../support/server.ts'

afterEach(closeServers)

/** Runs a handler with one connection; returns its result, and the close code and reason that the client got. */
async function withConnection<T>(
  handler: (ws: WebSocketConnection) => Promise<T>
): Promise<{ result: T; code: number; reason: string }> {
  let resolve: (value: T) => void
  const result = new Promise<T>((res) => (resolve = res))
  const { ws } = await startServer((app) => {
    app.webSocket('/ws', async (ws) => resolve(await handler(ws)))
  })
  const client = await connect(ws('/ws'))
  return { result: await result, ...(await client.close()) }
}

/** The error that a promise rejects with. */
async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise.then(() => 'it resolved')
  } catch (error) {
    return error
  }
}

test('the close codes of RFC 6455 and of the IANA registry have names', () => {
  expect(CloseCode).toEqual({
    NormalClosure: 1000,
    GoingAway: 1001,
    ProtocolError: 1002,
    UnsupportedData: 1003,
    NoStatusReceived: 1005,
    AbnormalClosure: 1006,
    InvalidFramePayloadData: 1007,
    PolicyViolation: 1008,
    MessageTooBig: 1009,
    MandatoryExtension: 1010,
    InternalServerError: 1011,
    ServiceRestart: 1012,
    TryAgainLater: 1013,
    BadGateway: 1014,
    TLSHandshake: 1015
  })
})

describe('CloseError', () => {
  const error = new CloseError({ code: 1001, reason: 'going', wasClean: true })

  test('has the code and the reason of the close', () => {
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({
      name: 'CloseError',
      code: 'FST_BLAZE_WS_CLOSED',
      closeCode: 1001,
      reason: 'going',
      wasClean: true
    })
    expect(error.message).toContain('1001')
    expect(error.message).toContain('going')
  })

  test('isCloseError() is true for it, and with codes only if its code is one of them', () => {
    expect(isCloseError(error)).toBe(true)
    expect(isCloseError(error, 1000, 1001)).toBe(true)
    expect(isCloseError(error, 1000)).toBe(false)
  })

  test('isUnexpectedCloseError() is true for it, unless its code is expected', () => {
    expect(isUnexpectedCloseError(error)).toBe(true)
    expect(isUnexpectedCloseError(error, 1000)).toBe(true)
    expect(isUnexpectedCloseError(error, 1000, 1001)).toBe(false)
  })

  test.each([new Error('x'), undefined, null, 1001, 'x', {}, { closeCode: 1001 }])(
    'neither is true for %p',
    (other) => {
      expect(isCloseError(other)).toBe(false)
      expect(isCloseError(other, 1001)).toBe(false)
      expect(isUnexpectedCloseError(other)).toBe(false)
      expect(isUnexpectedCloseError(other, 1000)).toBe(false)
    }
  )
})

describe('close(code, reason)', () => {
  test.each([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])(
    '%i is sent',
    async (code) => {
      expect(await withConnection((ws) => ws.close(code, 'why'))).toMatchObject({ code, reason: 'why' })
    }
  )

  test.each([0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_536, -1, 1000.5, NaN, Infinity])(
    '%p cannot be sent: rejects with a RangeError that names it, and the connection stays open',
    async (code) => {
      const { result, code: received } = await withConnection(async (ws) => {
        const error = await rejection(ws.close(code))
        await ws.writeText('still open')
        return error
      })
      expect(result).toBeInstanceOf(RangeError)
      expect(result).toMatchObject({ code: 'FST_BLAZE_WS_OUT_OF_RANGE', message: expect.stringContaining('"code"') })
      expect((result as Error).message).toContain(String(code))
      expect(received).toBe(1000)
    }
  )

  test.each([null, '1000', {}, [1000], 1000n])(
    'a code that is not a number (%p) rejects with a TypeError that names it',
    async (code) => {
      const { result } = await withConnection((ws) => rejection(ws.close(code as never)))
      expect(result).toBeInstanceOf(TypeError)
      expect(result).toMatchObject({
        code: 'FST_BLAZE_WS_INVALID_ARGUMENT',
        message: expect.stringContaining('"code"')
      })
    }
  )

  test.each([null, 42, {}, Buffer.from('why')])(
    'a reason that is not a string (%p) rejects with a TypeError that names it',
    async (reason) => {
      const { result } = await withConnection((ws) => rejection(ws.close(1000, reason as never)))
      expect(result).toBeInstanceOf(TypeError)
      expect(result).toMatchObject({
        code: 'FST_BLAZE_WS_INVALID_ARGUMENT',
        message: expect.stringContaining('"reason"')
      })
    }
  )

  test('without arguments sends 1000 and no reason', async () => {
    expect(await withConnection((ws) => ws.close())).toMatchObject({ code: 1000, reason: '' })
  })

  // A control frame has room for 123 bytes; the cuts fall before, inside and after a character of two, three and four bytes.
  test.each(['x', 'ä', 'x€', '€', '😀', 'x😀', 'xx😀', 'xxx😀', '👩‍👩‍👧'])(
    'a reason of 200 times %j is cut at a character boundary, to at most 123 bytes',
    async (character) => {
      const reason = character.repeat(200)
      const { reason: received } = await withConnection((ws) => ws.close(4000, reason))
      const bytes = Buffer.byteLength(received)
      expect(bytes).toBeLessThanOrEqual(123)
      expect(bytes).toBeGreaterThan(123 - 4)
      expect(reason.startsWith(received)).toBe(true)
      expect(received).not.toContain('\uFFFD')
    }
  )

  test.each(['x'.repeat(123), 'ä'.repeat(61), `${'ä'.repeat(61)}x`])(
    'a reason that fits is not cut',
    async (reason) => {
      expect((await withConnection((ws) => ws.close(4000, reason))).reason).toBe(reason)
    }
  )

  test('a lone surrogate in the reason is sent as a replacement character', async () => {
    const { code, reason } = await withConnection((ws) => ws.close(4000, 'half \ud83d'))
    expect([code, reason]).toEqual([4000, 'half \uFFFD'])
  })
})

describe('a close frame from the client', () => {
  test.each([1000, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 4999])(
    '%i is answered with the same code, and reported',
    async (code) => {
      const { port, info } = await serveClose()
      const client = await new RawClient(port).open('/ws')
      client.socket.write(clientFrame(8, closePayload(code, 'bye')))
      expect(await client.closeCode()).toBe(code)
      expect(await info).toEqual({ code, reason: 'bye', wasClean: true })
    }
  )

  test('without a code is answered and reported as 1005', async () => {
    const { port, info } = await serveClose()
    const client = await new RawClient(port).open('/ws')
    client.socket.write(clientFrame(8))
    expect(await client.closeCode()).toBe(1005)
    expect(await info).toEqual({ code: 1005, reason: '', wasClean: true })
  })

  test.each([0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535])(
    'with the invalid code %i is answered with 1002',
    async (code) => {
      const { port, info } = await serveClose()
      const client = await new RawClient(port).open('/ws')
      client.socket.write(clientFrame(8, closePayload(code)))
      expect(await client.closeCode()).toBe(1002)
      expect((await info)?.code).toBe(1002)
      client.reset()
    }
  )

  test('with a payload of one byte is answered with 1002, and with a reason that is not UTF-8 with 1007', async () => {
    const { port } = await serveClose()
    for (const [payload, code] of [
      [Buffer.from([3]), 1002],
      [Buffer.from([3, 0xe8, 0xff]), 1007]
    ] as const) {
      const client = await new RawClient(port).open('/ws')
      client.socket.write(clientFrame(8, payload))
      expect(await client.closeCode()).toBe(code)
      client.reset()
    }
  })
})

async function serveClose(): Promise<{ port: number; info: Promise<WebSocketConnection['closeInfo']> }> {
  let resolve: (info: WebSocketConnection['closeInfo']) => void
  const info = new Promise<WebSocketConnection['closeInfo']>((res) => (resolve = res))
  const { port } = await startServer((app) => {
    app.webSocket('/ws', async (ws) => {
      ws.signal.addEventListener('abort', () => resolve(ws.closeInfo))
      for await (const { type, data } of ws) await ws.writeMessage(type, data)
    })
  })
  return { port, info }
}

function closePayload(code: number, reason = ''): Buffer {
  const head = Buffer.alloc(2)
  head.writeUInt16BE(code)
  return Buffer.concat([head, Buffer.from(reason)])
}
