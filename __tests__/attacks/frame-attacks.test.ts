import { constants, deflateRawSync } from 'node:zlib'
import { clientFrame } from '../support/raw-client.ts'
import { connect, eventually } from '../support/server.ts'
import { useTarget } from './target.ts'

const MIB = 1024 * 1024
const DEFLATE = { 'Sec-WebSocket-Extensions': 'permessage-deflate' }

const target = useTarget()

/** The memory that the server holds. */
const held = async (): Promise<number> => (await target.state()).held

test('a zip bomb, 1 GiB of zeros in 1 MiB, closes with 1009 and is never inflated whole', async () => {
  const before = await held()
  const block = deflateRawSync(Buffer.alloc(64 * MIB), { finishFlush: constants.Z_SYNC_FLUSH })
  const bomb = clientFrame(1, Buffer.concat(Array.from({ length: 16 }, () => block)), { rsv: 4 })
  const clients = await Promise.all(Array.from({ length: 8 }, () => target.open('/echo', DEFLATE)))
  for (const client of clients) client.socket.write(bomb)
  expect(await Promise.all(clients.map((client) => client.closeCode()))).toEqual(Array.from({ length: 8 }, () => 1009))
  expect((await held()) - before).toBeLessThan(32 * MIB)
})

test('100 000 fragments of one byte close with 1008', async () => {
  const client = await target.open('/echo')
  client.socket.write(
    Buffer.concat([
      clientFrame(1, 'x', { fin: false }),
      ...Array.from({ length: 100_000 }, () => clientFrame(0, 'x', { fin: false }))
    ])
  )
  expect(await client.closeCode()).toBe(1008)
})

test('an endless trickle of fragments is closed by the read timeout', async () => {
  const client = await target.open('/short')
  client.socket.write(clientFrame(1, 'x', { fin: false }))
  const timer = setInterval(() => client.isEnded || client.socket.write(clientFrame(0, 'x', { fin: false })), 50)
  expect(await client.closeCode()).toBe(1008)
  clearInterval(timer)
})

test('a flood of pings from a client that does not read takes little memory', async () => {
  const before = await held()
  const client = await target.open('/echo')
  client.socket.pause()
  const flood = Buffer.concat(Array.from({ length: 1_000 }, () => clientFrame(9, 'x'.repeat(125))))
  for (let i = 0; i < 100 && !client.isEnded; i++) await new Promise((resolve) => client.socket.write(flood, resolve))
  expect((await held()) - before).toBeLessThan(16 * MIB)
  client.socket.resume()
  await eventually(() => client.isEnded)
})

test('while 250 MiB are broadcast, a client that does not read is dropped and the others get everything', async () => {
  const before = await held()
  const slow = await target.open('/echo')
  slow.socket.pause()
  const fast = await connect(target.ws('/echo'))
  let got = 0
  fast.socket.on('message', (data: Buffer) => (got += data.length))
  await eventually(async () => (await target.state()).clients === 2)
  await target.tell('broadcast')
  expect((await held()) - before).toBeLessThan(48 * MIB)
  await eventually(() => got === 250 * MIB, 'the whole broadcast')
  await eventually(async () => (await target.state()).clients === 1, 'the end of the slow client')
  fast.socket.terminate()
}, 60_000)

test('100 000 messages to a busy handler take little memory: the client waits', async () => {
  const before = await held()
  const client = await target.open('/busy')
  const flood = Buffer.concat(Array.from({ length: 100_000 }, () => clientFrame(1, 'x')))
  client.socket.write(flood)
  expect((await held()) - before).toBeLessThan(8 * MIB)
})

test('20 000 messages to a rate-limited route are all read, at its rate', async () => {
  const client = await target.open('/limited')
  client.socket.write(Buffer.concat(Array.from({ length: 20_000 }, (_, i) => clientFrame(1, `${i}`))))
  for (let i = 0; i < 20_000; i++) expect((await client.frame()).payload.toString()).toBe(`${i}`)
}, 60_000)
