import { once } from 'node:events'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify, { type FastifyInstance } from 'fastify'
import { WebSocket } from 'ws'
import { networkOf } from '../../src/internal/ip-address.ts'
import blazeWs, { type WebSocketConfig } from '../../src/index.ts'
import { RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'
import { echo } from '../upgrade/support.ts'

afterEach(closeServers)

const LIMITS: Partial<WebSocketConfig>[] = [
  { maxConnectionsPerIp: 1 },
  { maxConnections: 2 },
  { maxConnections: 2, maxConnectionsPerIp: 1 }
]

async function echoes(socket: WebSocket): Promise<string> {
  socket.send('hello')
  const [data] = (await once(socket, 'message')) as [Buffer]
  return data.toString()
}

describe('a client without an address', () => {
  const path = (): string => join(tmpdir(), `blaze-${process.pid}-${Math.random().toString(36).slice(2)}.sock`)

  test.each(LIMITS)('on a Unix socket, with %j: connects, and only maxConnections limits it', async (config) => {
    const app = Fastify()
    await app.register(blazeWs)
    app.webSocketWithConfig(
      '/ws',
      async (ws) => {
        await ws.writeText(`${ws.remoteAddr()}|${ws.localAddr()}`)
        await echo(ws)
      },
      config
    )
    const socketPath = path()
    await app.listen({ path: socketPath })
    const clients = await Promise.all([1, 2].map(() => connect(`ws+unix:${socketPath}:/ws`)))
    for (const client of clients) {
      expect(await client.next()).toBe('|')
      client.socket.send('hello')
      expect(await client.next()).toBe('hello')
    }
    const third = await connect(`ws+unix:${socketPath}:/ws`).then(
      () => 'open',
      (error: Error) => error.message
    )
    expect(third).toMatch(config.maxConnections === undefined ? 'open' : /503/)
    await app.close()
  })

  test('on a Unix socket behind a proxy: maxConnectionsPerIp counts the forwarded address', async () => {
    const app = Fastify({ trustProxy: () => true })
    await app.register(blazeWs)
    app.webSocketWithConfig('/ws', echo, { maxConnectionsPerIp: 1 })
    const socketPath = path()
    await app.listen({ path: socketPath })
    const open = (ip: string) => connect(`ws+unix:${socketPath}:/ws`, [], { headers: { 'x-forwarded-for': ip } })
    await open('198.51.100.7')
    await open('198.51.100.8')
    await expect(open('198.51.100.7')).rejects.toThrow('429')
    await app.close()
  })

  test.each(LIMITS)('injected, with %j: connects', async (config) => {
    for (const trustProxy of [false, true]) {
      const app = Fastify({ trustProxy })
      await app.register(blazeWs)
      app.webSocketWithConfig(
        '/ws',
        async (ws) => {
          await ws.writeText(ws.remoteAddr())
          await echo(ws)
        },
        config
      )
      await app.ready()
      const messages: string[] = []
      const socket = (await app.injectWS(
        '/ws',
        {},
        { onInit: (client) => client.on('message', (data: Buffer) => messages.push(data.toString())) }
      )) as unknown as WebSocket
      await eventually(() => messages.length === 1)
      expect(messages).toEqual([''])
      expect(await echoes(socket)).toBe('hello')
      await app.close()
    }
  })

  test('leaves while a hook runs: no error is logged, and the client does not count towards the limits', async () => {
    let go: () => void = () => {}
    const { port, ws, logs } = await startServer((app) => {
      app.webSocketWithConfig(
        '/ws',
        echo,
        { maxConnections: 1, maxConnectionsPerIp: 1 },
        {
          preHandler: (request) =>
            request.url === '/ws?slow' ? new Promise<void>((resolve) => (go = resolve)) : Promise.resolve()
        }
      )
      app.webSocketWithConfig('/origin', echo, {
        checkOrigin: () => new Promise<boolean>((resolve) => (go = () => resolve(true)))
      })
    })
    for (const leave of ['reset', 'end'] as const) {
      for (const target of ['/ws?slow', '/origin']) {
        go = () => {}
        const untouched = go
        const client = new RawClient(port)
        client.handshake(target)
        await eventually(() => go !== untouched)
        if (leave === 'reset') client.reset()
        else client.socket.end()
        await eventually(() => client.isEnded, 'the socket to end')
        go()
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    const client = await connect(ws('/ws'))
    expect(await echoes(client.socket)).toBe('hello')
    expect(logs.filter(({ level }) => level >= 40)).toEqual([])
  })
})

describe('an address in the format of a proxy', () => {
  const serve = (): ReturnType<typeof startServer> =>
    startServer(
      (app: FastifyInstance) =>
        void app.webSocketWithConfig(
          '/ws',
          async (ws) => {
            await ws.writeText(ws.remoteAddr())
            await echo(ws)
          },
          { maxConnectionsPerIp: 1 }
        ),
      { fastify: { trustProxy: '127.0.0.1' } }
    )
  const open = (url: string, ip: string) => connect(url, [], { headers: { 'x-forwarded-for': ip } })

  test.each([
    ['198.51.100.7:5555', '198.51.100.7:6666', '198.51.100.8:5555', /^198\.51\.100\.7:\d+$/],
    ['198.51.100.7', '198.51.100.7:6666', '198.51.100.8', /^198\.51\.100\.7:\d+$/],
    ['[2001:db8:1::1]:5555', '[2001:db8:1::2]:6666', '[2001:db8:1:1::1]:5555', /^\[2001:db8:1::1\]:\d+$/],
    ['[2001:db8:1::1]', '2001:db8:1:0:ffff::1', '2001:db8:2::1', /^\[2001:db8:1::1\]:\d+$/],
    ['::ffff:198.51.100.7', '198.51.100.7', '::ffff:198.51.100.8', /198\.51\.100\.7/],
    ['::ffff:c633:6407', '198.51.100.7:1', '::ffff:c633:6408', /c633:6407/],
    ['[::ffff:198.51.100.7]:1', '198.51.100.7:2', '[::ffff:198.51.100.8]:1', /198\.51\.100\.7/]
  ])('%s and %s are one client, %s is another', async (one, same, other, address) => {
    const { ws } = await serve()
    expect(await (await open(ws('/ws'), one)).next()).toMatch(address)
    await expect(open(ws('/ws'), same)).rejects.toThrow('429')
    await open(ws('/ws'), other)
  })

  test.each(['unknown', '_hidden', 'not an address', ''])('the invalid address %j causes no error', async (ip) => {
    const { ws, logs } = await serve()
    await open(ws('/ws'), ip)
    expect(logs.filter(({ level }) => level >= 50)).toEqual([])
  })

  test('all spellings of an address map to the same network', () => {
    expect(
      [
        '2001:DB8:1:2:3:4:5:6',
        '2001:db8:1:2::',
        '2001:0db8:0001:0002::1',
        '2001:db8:1:2:0:0:192.0.2.1',
        '2001:db8:1:2::1%eth0'
      ].map(networkOf)
    ).toEqual(Array(5).fill('2001:db8:1:2::/64'))
    expect(['192.0.2.1', '::ffff:192.0.2.1', '::FFFF:c000:201', '0:0:0:0:0:ffff:c000:0201'].map(networkOf)).toEqual(
      Array(4).fill('192.0.2.1')
    )
    expect(['::1', '::', 'fe80::1%en0'].map(networkOf)).toEqual(['0:0:0:0::/64', '0:0:0:0::/64', 'fe80:0:0:0::/64'])
    expect(['unknown', '1.2.3', ':::', ''].map(networkOf)).toEqual(['unknown', '1.2.3', ':::', ''])
  })
})

test('accepts sockets passed in by server.emit("connection")', async () => {
  const { app } = await startServer(
    (server) => void server.webSocketWithConfig('/ws', echo, { maxConnectionsPerIp: 1 })
  )
  const front = createServer((socket) => void app.server.emit('connection', socket))
  const path = join(tmpdir(), `blaze-front-${process.pid}.sock`)
  await new Promise<void>((resolve) => front.listen(path, resolve))
  const client = await connect(`ws+unix:${path}:/ws`)
  expect(await echoes(client.socket)).toBe('hello')
  client.socket.terminate()
  await new Promise((resolve) => front.close(resolve))
})
