import { once } from 'node:events'
import { constants, createDeflateRaw } from 'node:zlib'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { closeServers, startServer, type TestServer } from '../support/server.ts'

afterEach(closeServers)

// Safari 15, Tornado and Mojo promise to compress each message on its own, but still refer to earlier ones.

const OFFER = { 'Sec-WebSocket-Extensions': 'permessage-deflate' }

/** A client that keeps its compression context. */
class StubbornClient extends RawClient {
  readonly #deflate = createDeflateRaw()

  async send(text: string): Promise<void> {
    this.#deflate.write(text)
    const chunk = once(this.#deflate, 'data') as Promise<[Buffer]>
    this.#deflate.flush(constants.Z_SYNC_FLUSH)
    const [data] = await chunk
    this.socket.write(clientFrame(1, data.subarray(0, -4), { rsv: 4 }))
  }
}

function serve(): Promise<TestServer> {
  return startServer((app) => {
    // As in docs/configuration.md.
    app.addHook('onRequest', async ({ raw: { headers } }) => {
      if (/Version\/15\.|OS 15_|Mojolicious/.test(headers['user-agent'] ?? ''))
        delete headers['sec-websocket-extensions']
    })
    app.webSocketWithConfig(
      '/ws',
      async (ws) => {
        for await (const { data } of ws) await ws.writeText(data.toString())
      },
      { compressionThreshold: 0 }
    )
  })
}

test('a client that keeps its context is closed with a reason that says so', async () => {
  const { port } = await serve()
  const client = await new StubbornClient(port).open('/ws', OFFER)
  for (let i = 0; i < 3; i++) await client.send('the same text again and again')
  for (;;) {
    const { opcode, payload } = await client.frame()
    if (opcode !== 8) continue
    expect([payload.readUInt16BE(0), payload.toString('utf8', 2)]).toEqual([1007, 'invalid compressed data'])
    break
  }
})

test.each([
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.6.1 Safari/605.1.15',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 15_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/96.0.4664.53 Mobile/15E148 Safari/604.1',
  'Mojolicious (Perl)'
])('an onRequest hook disables compression for %s', async (userAgent) => {
  const { port } = await serve()
  const client = new RawClient(port)
  client.handshake('/ws', { ...OFFER, 'User-Agent': userAgent })
  const { status, headers } = await client.head()
  expect([status, headers.has('sec-websocket-extensions')]).toEqual([101, false])
  for (let i = 0; i < 5; i++) {
    client.socket.write(clientFrame(1, 'the same text again and again'))
    const frame = await client.frame()
    expect([frame.rsv1, frame.payload.toString()]).toEqual([false, 'the same text again and again'])
  }
})

test('other clients still use compression', async () => {
  const { port } = await serve()
  const client = new RawClient(port)
  client.handshake('/ws', {
    ...OFFER,
    'User-Agent': 'Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15'
  })
  expect((await client.head()).headers.get('sec-websocket-extensions')).toMatch(/^permessage-deflate/)
})
