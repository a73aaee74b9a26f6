import { RawClient } from '../support/raw-client.ts'
import { connect, eventually } from '../support/server.ts'
import { useTarget } from './target.ts'

const target = useTarget()

const many = (count: number): RawClient[] => Array.from({ length: count }, () => new RawClient(target.port))

describe('a reset', () => {
  test('in the middle of the request', async () => {
    const clients = many(100)
    for (const [i, client] of clients.entries())
      client.socket.write('GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n'.slice(0, i % 50))
    await Promise.all(clients.map(({ socket }) => new Promise((resolve) => socket.write(' ', resolve))))
    for (const client of clients) client.reset()
  })

  test('while hooks run: no handler runs for the clients that left', async () => {
    const { handled } = await target.state()
    const clients = many(40)
    for (const client of clients) client.handshake('/slow')
    await eventually(async () => (await target.state()).waiting === 40)
    for (const [i, client] of clients.entries()) {
      if (i % 2 === 0) client.reset()
      else client.socket.destroy()
    }
    await eventually(async () => (await target.state()).sockets === 0)
    await target.tell('release')
    expect((await target.state()).handled).toBe(handled)
  })

  test('right after the request and the start of a frame', async () => {
    for (const client of many(100)) {
      client.socket.once('connect', () => {
        client.handshake('/echo', {}, Buffer.from([0x81, 0x80]))
        setImmediate(() => client.reset())
      })
    }
  })

  test('of an open connection, with its frame cut at any byte', async () => {
    const clients = await Promise.all(many(100).map((client) => client.open('/echo')))
    for (const [i, client] of clients.entries())
      client.socket.write(Buffer.from([0x01, 0xfe, 0xff, 0xff, 1, 2, 3, 4]).subarray(0, i % 9))
    await eventually(async () => (await target.state()).clients === 100)
    for (const client of clients) client.reset()
  })
})

describe('exhausting the limits', () => {
  test('upgrades waiting for hooks are capped, and the rest get 503', async () => {
    const clients = many(60)
    for (const client of clients) client.handshake('/slow')
    const areFull = eventually(async () => (await target.state()).waiting === 50)
    const refused = await Promise.all(
      clients.map((client) => Promise.race([client.head(), areFull.then(() => undefined)]))
    )
    expect(refused.filter((head) => head?.status === 503)).toHaveLength(10)
    await target.tell('release')
    for (const client of clients) client.reset()
  })

  test('connections per address are capped, and the rest get 429', async () => {
    const clients = many(40)
    for (const client of clients) client.handshake('/few')
    const statuses = await Promise.all(clients.map(async (client) => (await client.head()).status))
    expect([
      statuses.filter((status) => status === 101).length,
      statuses.filter((status) => status === 429).length
    ]).toEqual([20, 20])
  })

  test('clients that send a request byte by byte do not delay the others', async () => {
    const slow = many(50)
    const timer = setInterval(() => {
      for (const { socket } of slow) if (!socket.destroyed) socket.write('G')
    }, 5)
    const client = await connect(target.ws('/echo'))
    for (let i = 0; i < 50; i++) {
      client.socket.send(`${i}`)
      expect(await client.next()).toBe(`${i}`)
    }
    clearInterval(timer)
    client.socket.close()
  })

  test('closes silent sockets: after the first-message timeout, and after the read timeout', async () => {
    const silent = await Promise.all(many(20).map((client) => client.open('/first')))
    expect(await Promise.all(silent.map((client) => client.closeCode()))).toEqual(
      Array.from({ length: 20 }, () => 1008)
    )
    const dead = await Promise.all(many(20).map((client) => client.open('/short')))
    expect(await Promise.all(dead.map((client) => client.closeCode()))).toEqual(Array.from({ length: 20 }, () => 1008))
  })
})

test('a reconnect storm of 2 000 clients at once: all are served', async () => {
  const clients = many(2_000)
  await Promise.all(clients.map((client) => client.open('/echo')))
  await eventually(async () => (await target.state()).clients === 2_000)
  for (const client of clients) client.reset()
}, 60_000)
