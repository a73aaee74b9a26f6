import { clientFrame, RawClient } from '../support/raw-client.ts'
import { eventually } from '../support/server.ts'
import { useTarget } from './target.ts'

const target = useTarget()

async function statusOf(path: string, headers: Record<string, string> = {}): Promise<number> {
  const client = new RawClient(target.port)
  client.handshake(path, headers)
  return client.head().then(
    ({ status }) => status,
    () => 0
  )
}

describe('room names from a client', () => {
  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', '\u0000', 'a\r\nb', '💥'.repeat(128)])(
    '%p is an ordinary room',
    async (name) => {
      const client = await target.open('/room')
      client.socket.write(clientFrame(1, name))
      expect((await client.frame()).payload.toString()).toBe('joined')
      expect((await target.state()).rooms).toBe(1)
    }
  )

  test.each([0, 257, 1_000_000])('a name of %p characters is refused with 1008', async (length) => {
    const client = await target.open('/room')
    client.socket.write(clientFrame(1, 'x'.repeat(length)))
    expect(await client.closeCode()).toBe(1008)
  })

  test('10 000 rooms of one client disappear with it', async () => {
    const client = await target.open('/room')
    for (let i = 0; i < 10_000; i++) client.socket.write(clientFrame(1, `room ${i}`))
    for (let i = 0; i < 10_000; i++) await client.frame()
    client.reset()
    await eventually(async () => (await target.state()).rooms === 0)
  })
})

describe('JSON', () => {
  test.each([
    '{"__proto__":{"polluted":true}}',
    '{"constructor":{"prototype":{"polluted":true}}}',
    '[{"a":{"__proto__":{"polluted":true}}}]',
    '{"\\u005f_proto__":{"polluted":true}}'
  ])('that would poison a prototype is refused with 1007: %s', async (text) => {
    const client = await target.open('/json')
    client.socket.write(clientFrame(1, text))
    expect(await client.closeCode()).toBe(1007)
    const next = await target.open('/json')
    next.socket.write(clientFrame(1, '1'))
    expect(JSON.parse((await next.frame()).payload.toString())).toEqual({ got: 1, polluted: null })
  })

  test('nested a hundred thousand times is refused with 1007', async () => {
    const client = await target.open('/json')
    client.socket.write(clientFrame(1, '['.repeat(100_000)))
    expect(await client.closeCode()).toBe(1007)
  })
})

describe('headers', () => {
  test.each<[string, Record<string, string>, number[]]>([
    ['a subprotocol that the route does not support', { 'Sec-WebSocket-Protocol': '__proto__, constructor, x' }, [101]],
    ['a subprotocol with a line break', { 'Sec-WebSocket-Protocol': 'chat\r\nSet-Cookie: a=b' }, [101]],
    [
      'a thousand subprotocols',
      { 'Sec-WebSocket-Protocol': Array.from({ length: 1000 }, (_, i) => `p${i}`).join(',') },
      [101, 431]
    ],
    ['a header of 100 KB', { 'X-Long': 'x'.repeat(100_000) }, [431, 0]],
    ['a header with a null byte', { 'X-Null': 'a\u0000b' }, [400, 0]],
    [
      'a very long, malformed extension offer',
      { 'Sec-WebSocket-Extensions': 'permessage-deflate; '.repeat(500) },
      [400]
    ]
  ])('%s', async (_what, headers, allowed) => {
    expect(allowed).toContain(await statusOf('/chosen', headers))
  })

  test('an answer repeats no unsupported value from the client', async () => {
    const client = new RawClient(target.port)
    client.handshake('/chosen', {
      'Sec-WebSocket-Protocol': 'evil, chat',
      'Sec-WebSocket-Extensions': 'evil',
      Origin: 'https://evil'
    })
    const { status, headers } = await client.head()
    expect([status, headers.get('sec-websocket-protocol')]).toEqual([101, 'chat'])
    expect([...headers.values()].join()).not.toContain('evil')
  })

  test.each([
    'https://evil.example',
    'null',
    'http://127.0.0.1',
    'http://127.0.0.1.evil.example',
    'http://127.0.0.1@evil.example',
    'file://',
    ''
  ])('refuses a page of another site: Origin %p', async (origin) => {
    // An empty header is no origin at all, and the helper omits it.
    expect(await statusOf('/origin', { Origin: origin === '' ? ' ' : origin })).toBe(403)
  })
})

test('logs contain no line forged by a client, and none of its secrets', async () => {
  const secret = `secret-${Date.now()}`
  const client = await target.open(`/echo`, {
    Authorization: `Bearer ${secret}`,
    Cookie: `sid=${secret}`,
    'User-Agent': `${secret}\u009b31m`
  })
  const reason = Buffer.concat([Buffer.from([0x0f, 0xa0]), Buffer.from('bye\r\n{"level":60,"msg":"forged"}\u001b[2J')])
  client.socket.write(clientFrame(8, reason))
  await client.closeCode()
  await eventually(async () => (await target.state()).log.includes('forged'))
  const { log } = await target.state()
  expect(log).not.toContain(secret)
  for (const line of log.trimEnd().split('\n')) expect((JSON.parse(line) as { level: number }).level).toBeLessThan(60)
})
