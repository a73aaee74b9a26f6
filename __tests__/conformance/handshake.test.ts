import { createHash, randomBytes } from 'node:crypto'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { CLOSE, routes, TEXT, useEchoServer } from './support.ts'

/** The key of the RFC's own example, and the answer it requires (1.3). */
const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='

/** Header lines that replace those of a good request; an empty list removes the header. */
type Changes = Record<string, string[]>

interface Request {
  path?: string
  method?: string
  version?: string
  changes?: Changes
}

function requestOf({ path = '/loop', method = 'GET', version = '1.1', changes = {} }: Request): string {
  const good: Changes = {
    host: ['Host: localhost'],
    upgrade: ['Upgrade: websocket'],
    connection: ['Connection: Upgrade'],
    key: [`Sec-WebSocket-Key: ${KEY}`],
    version: ['Sec-WebSocket-Version: 13']
  }
  return [`${method} ${path} HTTP/${version}`, ...Object.values({ ...good, ...changes }).flat(), '', ''].join('\r\n')
}

describe('RFC 6455, 4.2: the opening handshake', () => {
  const server = useEchoServer({ subprotocols: ['chat.v2', 'chat.v1'], compressionLevel: 0 })

  async function ask(
    request: Request = {}
  ): Promise<{ client: RawClient; status: number; headers: Map<string, string> }> {
    const client = new RawClient(server.port)
    client.socket.write(requestOf(request))
    return { client, ...(await client.head()) }
  }

  const statusOf = async (changes: Changes): Promise<number> => (await ask({ changes })).status

  describe('4.2.2: the answer', () => {
    test.each(routes)("$title: the RFC's own example, byte by byte, and then frames", async ({ path }) => {
      const client = new RawClient(server.port)
      client.socket.write(requestOf({ path }))
      const head = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`
      expect((await client.bytes(head.length)).toString()).toBe(head)
      client.socket.write(clientFrame(TEXT, 'hello'))
      expect(await client.frame()).toMatchObject({ opcode: TEXT, payload: Buffer.from('hello') })
    })

    test.each(Array.from({ length: 10 }, () => randomBytes(16).toString('base64')))(
      'the key %s is answered with its digest',
      async (key) => {
        const { status, headers } = await ask({ changes: { key: [`Sec-WebSocket-Key: ${key}`] } })
        expect(status).toBe(101)
        expect(headers.get('sec-websocket-accept')).toBe(
          createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
        )
      }
    )

    test('names no subprotocol or extension that the client did not ask for', async () => {
      const { status, headers } = await ask()
      expect(status).toBe(101)
      expect([...headers.keys()].toSorted((a, b) => a.localeCompare(b))).toEqual([
        'connection',
        'sec-websocket-accept',
        'upgrade'
      ])
    })
  })

  describe('4.2.1: accepted requests', () => {
    test.each<[string, Changes]>([
      [
        'header names in lower case',
        {
          upgrade: ['upgrade: websocket'],
          connection: ['connection: Upgrade'],
          key: [`sec-websocket-key: ${KEY}`],
          version: ['sec-websocket-version: 13']
        }
      ],
      [
        'header names in upper case',
        {
          upgrade: ['UPGRADE: websocket'],
          connection: ['CONNECTION: Upgrade'],
          key: [`SEC-WEBSOCKET-KEY: ${KEY}`],
          version: ['SEC-WEBSOCKET-VERSION: 13']
        }
      ],
      ['Upgrade: WebSocket', { upgrade: ['Upgrade: WebSocket'] }],
      ['Upgrade: WEBSOCKET', { upgrade: ['Upgrade: WEBSOCKET'] }],
      ['Connection: upgrade', { connection: ['Connection: upgrade'] }],
      ['Connection: UPGRADE', { connection: ['Connection: UPGRADE'] }],
      ['Connection: keep-alive, Upgrade', { connection: ['Connection: keep-alive, Upgrade'] }],
      ['Connection in two lines', { connection: ['Connection: keep-alive', 'Connection: Upgrade'] }],
      [
        'spaces around the values',
        {
          upgrade: ['Upgrade:   websocket  '],
          key: [`Sec-WebSocket-Key: \t${KEY} `],
          version: ['Sec-WebSocket-Version:13']
        }
      ],
      ['an unknown extension', { extensions: ['Sec-WebSocket-Extensions: x-unknown; level=3'] }],
      ['an origin', { origin: ['Origin: https://example.com'] }],
      ['unknown headers', { other: ['X-Other: 1', 'Cookie: a=b'] }]
    ])('%s', async (_what, changes) => {
      const { status, headers } = await ask({ changes })
      expect(status).toBe(101)
      expect(headers.get('sec-websocket-accept')).toBe(ACCEPT)
      expect(headers.has('sec-websocket-extensions')).toBe(false)
    })
  })

  describe('4.2.1: refused requests', () => {
    const key = (value: string): Changes => ({ key: [`Sec-WebSocket-Key: ${value}`] })

    test.each<[string, Changes, number]>([
      ['no Host', { host: [] }, 400],
      ['no Upgrade', { upgrade: [] }, 426],
      ['an empty Upgrade', { upgrade: ['Upgrade:'] }, 426],
      ['Upgrade: h2c, a plain request', { upgrade: ['Upgrade: h2c'] }, 426],
      ['Upgrade: websocket2, a plain request', { upgrade: ['Upgrade: websocket2'] }, 426],
      [
        'Upgrade: h2c, websocket (the RFC only asks for a value that contains websocket)',
        { upgrade: ['Upgrade: h2c, websocket'] },
        400
      ],
      ['no Connection', { connection: [] }, 426],
      ['Connection: keep-alive', { connection: ['Connection: keep-alive'] }, 426],
      ['Connection: close', { connection: ['Connection: close'] }, 426],
      ['neither Upgrade nor Connection', { upgrade: [], connection: [] }, 426],
      ['no key', { key: [] }, 400],
      ['an empty key', key(''), 400],
      ['a key of 15 bytes', key(Buffer.alloc(15).toString('base64')), 400],
      ['a key of 17 bytes', key(Buffer.alloc(17).toString('base64')), 400],
      ['a key of 16 characters', key('abcdefghijklmnop'), 400],
      ['a key without its padding', key(KEY.slice(0, -2)), 400],
      ['a key with half its padding', key(KEY.slice(0, -1)), 400],
      ['a key in the URL-safe alphabet', key('_-__________________-Q=='), 400],
      ['a key with a space inside', key('dGhlIHNhbXB ZSBub25jZQ=='), 400],
      ['a key with a character after its padding', key(`${KEY}x`), 400],
      ['two keys', { key: [`Sec-WebSocket-Key: ${KEY}`, `Sec-WebSocket-Key: ${KEY}`] }, 400]
    ])('%s', async (_what, changes, status) => {
      expect(await statusOf(changes)).toBe(status)
    })

    test.each<[string, number]>([
      ['POST', 404],
      ['PUT', 404],
      ['DELETE', 404],
      ['OPTIONS', 404],
      ['HEAD', 426]
    ])('the method %s', async (method, status) => {
      expect((await ask({ method })).status).toBe(status)
    })

    test('HTTP/1.0, which does not have Upgrade', async () => {
      const { status } = await ask({ version: '1.0' })
      expect(status).toBeGreaterThanOrEqual(400)
    })

    test('frames after a refused request are not read', async () => {
      const client = new RawClient(server.port)
      client.socket.write(
        Buffer.concat([
          Buffer.from(requestOf({ changes: { key: [] } })),
          clientFrame(TEXT, 'hello'),
          clientFrame(CLOSE)
        ])
      )
      const { status, headers } = await client.head()
      expect(status).toBe(400)
      await client.bytes(Number(headers.get('content-length')))
      await expect(client.bytes(1)).rejects.toThrow('ended')
    })
  })

  describe('4.4: versions other than 13 are refused with 426, and the answer names 13', () => {
    const lines = [
      '',
      '0',
      '7',
      '8',
      '12',
      '14',
      '25',
      '130',
      '1',
      '-13',
      'thirteen',
      '13a',
      '13, 8',
      '8, 13',
      '013',
      '0xD',
      '13.0',
      '1.3e1',
      '+13'
    ]

    test.each<[string, string[]]>([
      ['no version', []],
      ['13 twice', ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Version: 13']],
      ...lines.map((value): [string, string[]] => [`"${value}"`, [`Sec-WebSocket-Version: ${value}`]])
    ])('%s', async (_what, version) => {
      const { status, headers } = await ask({ changes: { version } })
      expect(status).toBe(426)
      expect(headers.get('sec-websocket-version')).toBe('13')
      expect(headers.get('upgrade')).toBe('websocket')
    })
  })

  describe('4.2.2: the subprotocol, if the route prefers chat.v2 to chat.v1', () => {
    test.each<[string, string[], string | undefined]>([
      ['nothing', [], undefined],
      ['the first', ['chat.v2'], 'chat.v2'],
      ['the second', ['chat.v1'], 'chat.v1'],
      ["both: the server's order counts", ['chat.v1, chat.v2'], 'chat.v2'],
      ['both in two lines', ['chat.v1', 'chat.v2'], 'chat.v2'],
      ['no spaces', ['other,chat.v1,more'], 'chat.v1'],
      ['none in common', ['soap, wamp'], undefined],
      ['a different case, which makes it a different name', ['Chat.V2'], undefined],
      ['a part of a name', ['chat'], undefined]
    ])('%s', async (_what, offers, chosen) => {
      const { status, headers } = await ask({
        changes: { protocol: offers.map((offer) => `Sec-WebSocket-Protocol: ${offer}`) }
      })
      expect(status).toBe(101)
      expect(headers.get('sec-websocket-protocol')).toBe(chosen)
    })

    test.each<[string, string]>([
      ['empty', ''],
      ['an empty name', 'chat.v1,,chat.v2'],
      ['a name with a space', 'chat v1'],
      ['a quoted name', '"chat.v1"'],
      ['the same name twice, which is not allowed (4.1)', 'chat.v1, chat.v1']
    ])('%s: 400', async (_what, offer) => {
      expect(await statusOf({ protocol: [`Sec-WebSocket-Protocol: ${offer}`] })).toBe(400)
    })
  })
})
