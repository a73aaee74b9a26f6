import type { FastifyInstance } from 'fastify'
import type { WebSocketConfig, WebSocketConnection } from '../../src/index.ts'
import { networkOf } from '../../src/internal/ip-address.ts'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

const echo = async (ws: WebSocketConnection): Promise<void> => {
  for await (const { type, data } of ws) await ws.writeMessage(type, data)
}

const serve = (config: Partial<WebSocketConfig>, fastify = {}) =>
  startServer((app: FastifyInstance) => void app.webSocketWithConfig('/ws', echo, config).webSocket('/free', echo), {
    fastify
  })

/** The HTTP answer to a refused upgrade: status and Retry-After. */
async function refusalOf(port: number, headers: Record<string, string> = {}): Promise<[number, string | undefined]> {
  const client = new RawClient(port)
  client.handshake('/ws', headers)
  const { status, headers: answered } = await client.head()
  return [status, answered.get('retry-after')]
}

describe('maxConnections', () => {
  test('over the limit, a client gets 503 with Retry-After until another one leaves; other routes are not affected', async () => {
    const { ws, port } = await serve({ maxConnections: 2 })
    const [first] = [await connect(ws('/ws')), await connect(ws('/ws'))]
    expect(await refusalOf(port)).toEqual([503, '5'])
    await connect(ws('/free'))
    first?.socket.terminate()
    await eventually(
      async () =>
        connect(ws('/ws')).then(
          () => true,
          () => false
        ),
      'a place'
    )
    expect(await refusalOf(port)).toEqual([503, '5'])
  })

  test('admits exactly the limit when many clients connect at once', async () => {
    const { ws } = await serve({ maxConnections: 10 })
    const results = await Promise.allSettled(Array.from({ length: 40 }, () => connect(ws('/ws'))))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(10)
  })
})

describe('maxConnectionsPerIp', () => {
  test('over the limit, an address gets 429; behind a proxy, the address of the client counts', async () => {
    const { ws, port } = await serve({ maxConnectionsPerIp: 2 }, { trustProxy: true })
    const from = (ip: string) => connect(ws('/ws'), [], { headers: { 'x-forwarded-for': ip } })
    for (const ip of ['10.0.0.1', '10.0.0.1', '10.0.0.2', '2001:db8:1:2::1', '2001:db8:1:2:ffff::9']) await from(ip)
    expect(await refusalOf(port, { 'x-forwarded-for': '10.0.0.1' })).toEqual([429, '5'])
    // The same /64 network, and the same address written as IPv6.
    expect(await refusalOf(port, { 'x-forwarded-for': '2001:db8:1:2:3:4:5:6' })).toEqual([429, '5'])
    expect(await refusalOf(port, { 'x-forwarded-for': '::ffff:10.0.0.1' })).toEqual([429, '5'])
    await from('2001:db8:1:3::1')
    const other = await from('10.0.0.2')
    expect(await refusalOf(port, { 'x-forwarded-for': '10.0.0.2' })).toEqual([429, '5'])
    other.socket.close()
    await eventually(
      async () =>
        from('10.0.0.2').then(
          () => true,
          () => false
        ),
      'a place'
    )
  })

  test('without trustProxy, a client cannot fake other addresses', async () => {
    const { ws, port } = await serve({ maxConnectionsPerIp: 1 })
    await connect(ws('/ws'), [], { headers: { 'x-forwarded-for': '10.0.0.1' } })
    expect(await refusalOf(port, { 'x-forwarded-for': '10.0.0.2' })).toEqual([429, '5'])
  })

  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['::FFFF:127.0.0.1', '127.0.0.1'],
    ['::1', '0:0:0:0::/64'],
    ['2001:DB8::1', '2001:db8:0:0::/64'],
    ['2001:0db8:0000:0000:1:2:3:4', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['1:2:3::', '1:2:3:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', '']
  ])('%s belongs to %s', (ip, network) => {
    expect(networkOf(ip)).toBe(network)
  })
})

describe('time limits', () => {
  test('firstMessageTimeout: closes a silent client with 1008, even if it pings, but not one that sends a message', async () => {
    const { ws } = await serve({ firstMessageTimeout: 300, maxLifetime: 0 })
    const [silent, talking, pinging] = await Promise.all([connect(ws('/ws')), connect(ws('/ws')), connect(ws('/ws'))])
    talking.socket.send('hello')
    pinging.socket.ping()
    expect(await silent.close()).toEqual({ code: 1008, reason: 'first message timeout' })
    expect(await pinging.close()).toEqual({ code: 1008, reason: 'first message timeout' })
    expect(await talking.next()).toBe('hello')
    talking.socket.send('still here')
    expect(await talking.next()).toBe('still here')
  })

  test('maxLifetime: closes a connection of that age with 1001, even if it is busy', async () => {
    const { ws } = await serve({ maxLifetime: 300 })
    const client = await connect(ws('/ws'))
    const timer = setInterval(() => client.socket.readyState === 1 && client.socket.send('busy'), 20)
    expect(await client.close()).toEqual({ code: 1001, reason: 'lifetime over' })
    clearInterval(timer)
  })
})

describe('frames', () => {
  const open = async (config: Partial<WebSocketConfig>) => new RawClient((await serve(config)).port).open('/ws')

  test('maxFragments: one more fragment closes with 1008', async () => {
    const client = await open({ maxFragments: 4 })
    const fragment = (opcode: number, fin = false) => clientFrame(opcode, 'x', { fin })
    client.socket.write(Buffer.concat([fragment(1), fragment(0), fragment(0), fragment(0, true)]))
    expect((await client.frame()).payload.toString()).toBe('xxxx')
    client.socket.write(Buffer.concat([fragment(1), fragment(0), fragment(0), fragment(0), fragment(0, true)]))
    expect(await client.closeCode()).toBe(1008)
  })

  test('maxBufferedChunks: a frame that arrives in more chunks closes with 1008', async () => {
    const client = await open({ maxBufferedChunks: 8 })
    const frame = clientFrame(1, 'x'.repeat(1000))
    for (let i = 0; i < 200 && !client.isEnded; i++) {
      client.socket.write(frame.subarray(i, i + 1))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    expect(await client.closeCode()).toBe(1008)
  })

  test.each([
    ['pings', 9],
    ['unsolicited pongs', 10]
  ])('maxControlFrames: a flood of %s closes with 1008', async (_what, opcode) => {
    const client = await open({ maxControlFrames: 50 })
    client.socket.write(Buffer.concat(Array.from({ length: 200 }, () => clientFrame(opcode, ''))))
    let frame = await client.frame()
    while (frame.opcode === 10) frame = await client.frame()
    expect([frame.opcode, frame.payload.readUInt16BE(0), frame.payload.subarray(2).toString()]).toEqual([
      8,
      1008,
      'too many control frames'
    ])
  })
})
