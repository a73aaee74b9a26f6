import { CloseCode, isCloseError, type WebSocketConnection } from '../../src/index.ts'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { closeServers, connect, startServer } from '../support/server.ts'

afterEach(closeServers)

interface End {
  info: WebSocketConnection['closeInfo']
  isClosed: boolean
  reason: unknown
  read: unknown
  write: unknown
  iterated: number
}

/** A server that reports how its connection ended, as seen by closeInfo, the signal, reads and writes. */
async function witness(
  act: (ws: WebSocketConnection) => unknown,
  config = {}
): Promise<{ port: number; url: string; end: Promise<End> }> {
  let tell: (end: End) => void = () => {}
  const end = new Promise<End>((resolve) => {
    tell = resolve
  })
  const { port, ws: url } = await startServer((app) => {
    app.webSocketWithConfig(
      '/ws',
      async (ws) => {
        const { signal } = ws
        let iterated = 0
        const reading = (async () => {
          for await (const _message of ws) iterated++
        })()
        await act(ws)
        await reading
        if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        const caught = (error: unknown): unknown => error
        tell({
          info: ws.closeInfo,
          isClosed: ws.isClosed(),
          reason: signal.reason,
          read: await ws.readMessage().catch(caught),
          write: await ws.writeText('x').catch(caught),
          iterated
        })
      },
      config
    )
  })
  return { port, url: url('/ws'), end }
}

function expectAgreement(end: End, info: { code: number; reason: string; wasClean: boolean }): void {
  expect(end.info).toEqual(info)
  expect(end.isClosed).toBe(true)
  for (const error of [end.reason, end.read, end.write]) {
    expect(isCloseError(error, info.code)).toBe(true)
    expect(error).toMatchObject({ closeCode: info.code, reason: info.reason, wasClean: info.wasClean })
  }
}

const nothing = (): void => {}

test('the client closes with a code and a reason', async () => {
  const { url, end } = await witness(nothing)
  const client = await connect(url)
  client.socket.close(4_321, 'I am done')
  expect(await client.close()).toEqual({ code: 4_321, reason: 'I am done' })
  expectAgreement(await end, { code: 4_321, reason: 'I am done', wasClean: true })
})

test('the client closes without a code', async () => {
  const { url, end } = await witness(nothing)
  const client = await connect(url)
  client.socket.close()
  expectAgreement(await end, { code: CloseCode.NoStatusReceived, reason: '', wasClean: true })
})

test('the client resets the connection', async () => {
  const { port, end } = await witness(nothing)
  const client = await new RawClient(port).open('/ws')
  client.reset()
  expectAgreement(await end, { code: CloseCode.AbnormalClosure, reason: '', wasClean: false })
})

test('the client ends its side of TCP without a close frame', async () => {
  const { port, end } = await witness(nothing)
  const client = await new RawClient(port).open('/ws')
  client.socket.end()
  expectAgreement(await end, { code: CloseCode.AbnormalClosure, reason: '', wasClean: false })
})

test('the client breaks the protocol', async () => {
  const { port, end } = await witness(nothing)
  const client = await new RawClient(port).open('/ws')
  client.socket.write(clientFrame(1, 'not masked', { masked: false }))
  expect(await client.closeCode()).toBe(1002)
  client.socket.end()
  expectAgreement(await end, { code: 1002, reason: 'protocol error', wasClean: false })
})

test('close() sends earlier writes first, and its promise resolves when the connection has ended', async () => {
  const { url, end } = await witness(async (ws) => {
    void ws.writeText('x'.repeat(500_000))
    void ws.writeText('last words')
    await Promise.all([ws.close(4_000, 'because'), ws.close(4_001, 'too late'), ws.close()])
    expect(ws.closeInfo).toBeDefined()
    await ws.close()
  })
  const client = await connect(url)
  expect(await client.close()).toEqual({ code: 4_000, reason: 'because' })
  expect(client.messages.map(({ data }) => data.length)).toEqual([500_000, 10])
  expectAgreement(await end, { code: 4_000, reason: 'because', wasClean: true })
})

test('terminate() ends the connection with 1006', async () => {
  const { url, end } = await witness((ws) => ws.terminate())
  const client = await connect(url)
  expect((await client.close()).code).toBe(1006)
  expectAgreement(await end, { code: 1006, reason: '', wasClean: false })
})

test('closeGracefully() drops a client that does not answer the close frame in time', async () => {
  const { port, end } = await witness((ws) => ws.closeGracefully(50))
  const client = await new RawClient(port).open('/ws')
  expect(await client.closeCode()).toBe(1000)
  expectAgreement(await end, { code: 1000, reason: '', wasClean: false })
})

test('close() waits a limited time for a client that does not answer the close frame', async () => {
  const { port, end } = await witness((ws) => ws.close())
  await new RawClient(port).open('/ws')
  expectAgreement(await end, { code: 1000, reason: '', wasClean: false })
})

test('ignores messages that the client sends after our close frame', async () => {
  const { port, end } = await witness((ws) => void ws.close())
  const client = await new RawClient(port).open('/ws')
  await client.closeCode()
  for (let i = 0; i < 100; i++) client.socket.write(clientFrame(1, 'more'))
  client.socket.write(clientFrame(8, Buffer.from([0x03, 0xe8])))
  expect((await end).iterated).toBe(0)
})

test.each<[unknown, unknown, ErrorConstructor, RegExp]>([
  [999, '', RangeError, /"code" is out of range: 999 cannot be sent/],
  [1005, '', RangeError, /1005 cannot be sent/],
  [1006, '', RangeError, /1006 cannot be sent/],
  [1015, '', RangeError, /1015 cannot be sent/],
  [2999, '', RangeError, /2999 cannot be sent/],
  [5000, '', RangeError, /5000 cannot be sent/],
  [1000.5, '', RangeError, /1000.5 cannot be sent/],
  ['1000', '', TypeError, /"code": must be a number, got string/],
  [1000, 5, TypeError, /"reason": must be a string, got number/]
])(
  'close(%p, %p) rejects with an error that names the wrong argument, and does not close',
  async (code, reason, kind, message) => {
    const { url } = await witness(async (ws) => {
      const error = await ws.close(code as number, reason as string).catch((caught: unknown) => caught)
      expect(error).toBeInstanceOf(kind)
      expect((error as Error).message).toMatch(message)
      expect(ws.isClosed()).toBe(false)
      await ws.close(4_999)
    })
    expect((await (await connect(url)).close()).code).toBe(4_999)
  }
)

test.each([[-1], [Number.NaN], [2 ** 31]])('closeGracefully(%p) rejects', async (timeout) => {
  const { url } = await witness(async (ws) => {
    await expect(ws.closeGracefully(timeout)).rejects.toThrow(RangeError)
    await expect(ws.closeGracefully('1' as never)).rejects.toThrow(TypeError)
    await ws.close(4_999)
  })
  expect((await (await connect(url)).close()).code).toBe(4_999)
})

test('a reason is cut to 123 bytes at a character boundary', async () => {
  const { url } = await witness((ws) => ws.close(1000, 'ä'.repeat(100)))
  expect((await (await connect(url)).close()).reason).toBe('ä'.repeat(61))
})

test('closing the bare socket sets closeInfo, too', async () => {
  const { url, end } = await witness((ws) => ws.socket.close(4_100, 'bare'))
  const client = await connect(url)
  expect(await client.close()).toEqual({ code: 4_100, reason: 'bare' })
  expect((await end).info).toMatchObject({ code: 4_100, reason: 'bare' })
})

test('the abort reason of the signal has the close code', async () => {
  const { url, end } = await witness(nothing)
  const client = await connect(url)
  client.socket.close(1000)
  expect(((await end).reason as { closeCode: number }).closeCode).toBe(1000)
})
