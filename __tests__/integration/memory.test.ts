import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { ensureDist } from '../support/dist.ts'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { connect, eventually } from '../support/server.ts'

interface Report {
  port: number
  heldMiB: number
  open: number
  done: string
  hub: { clients: number; rooms: number }
}

let child: ChildProcess
let port: number

/** Sends a command to the server's process and waits for its answer. */
async function ask(command: string): Promise<Report> {
  const answer = waitFor((report) => 'command' in report)
  child.send(command)
  return answer
}

async function waitFor(condition: (report: Report) => boolean): Promise<Report> {
  for (;;) {
    const [report] = (await once(child, 'message')) as [Report]
    if (condition(report)) return report
  }
}

beforeAll(() => ensureDist(), 60_000)

beforeEach(async () => {
  child = fork(join(__dirname, '..', 'support', 'memory-child.mjs'), { execArgv: ['--expose-gc'] })
  ;({ port } = await waitFor((report) => 'port' in report))
  await ask('start')
})

afterEach(async () => {
  if (!child.connected) return
  const exited = once(child, 'exit')
  child.send('finish')
  child.send('close')
  await exited
})

/** Writes until the peer takes no more for a while, or `total` bytes are sent; returns how many it took. */
async function pour(client: RawClient, frame: Buffer, total: number): Promise<number> {
  let taken = 0
  while (taken < total) {
    const flushed = new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), 1_000)
      client.socket.write(frame, () => {
        clearTimeout(timer)
        resolve(true)
      })
    })
    if (!(await flushed)) break
    taken += frame.length
  }
  return taken
}

const MIB = 1024 * 1024

test('200 MiB sent to a handler that does not read are held back by TCP', async () => {
  const client = await new RawClient(port).open('/deaf')
  const taken = await pour(client, clientFrame(2, Buffer.alloc(64 * 1024)), 200 * MIB)
  const report = await ask('report')
  expect(taken).toBeLessThan(32 * MIB)
  expect(report.heldMiB).toBeLessThan(4)
  client.reset()
}, 60_000)

test('compressed messages are not inflated before the handler reads them', async () => {
  const client = await new RawClient(port).open('/deaf', {
    'Sec-WebSocket-Extensions': 'permessage-deflate; client_no_context_takeover'
  })
  const zeros = deflateRawSync(Buffer.alloc(MIB), { finishFlush: 2 }).subarray(0, -4)
  const frame = clientFrame(2, zeros, { rsv: 4 })
  await pour(client, Buffer.concat(Array.from({ length: 16 }, () => frame)), 64 * MIB)
  const report = await ask('report')
  expect(report.heldMiB).toBeLessThan(6)
  client.reset()
}, 60_000)

test.each([
  ['awaited', 2],
  ['unawaited', 4],
  ['async', 6],
  ['async/dropOldest', 6],
  ['broadcast', 4],
  ['broadcast/dropNewest', 12],
  ['broadcast/dropOldest', 12],
  ['broadcast/coalesce', 12]
])(
  '200 MiB written by "%s" to a client that does not read take at most %d MiB',
  async (name, limit) => {
    const client = await new RawClient(port).open(`/${name}`)
    client.socket.pause()
    if (name === 'awaited') await new Promise((resolve) => setTimeout(resolve, 500))
    else await waitFor((report) => report.done !== undefined)
    const report = await ask('report')
    expect(report.heldMiB).toBeLessThan(limit)
    client.reset()
  },
  60_000
)

test('20 000 connections opened and closed leave nothing behind', async () => {
  const url = `ws://127.0.0.1:${port}/leak`
  const churn = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i += 100) {
      const clients = await Promise.all(
        Array.from({ length: 100 }, () => connect(url, [], { perMessageDeflate: false }))
      )
      for (const [n, client] of clients.entries()) {
        client.socket.send('hello')
        if (n % 3 === 0) client.socket.terminate()
        else client.socket.close(1000)
      }
      await Promise.all(clients.map((client) => client.close()))
    }
  }
  await churn(2_000)
  await eventually(async () => (await ask('report')).open === 0, 'the end of all connections')
  await ask('start')
  await churn(18_000)
  await eventually(async () => (await ask('report')).hub.clients === 0, 'the end of all connections')
  const report = await ask('report')
  expect(report.hub).toMatchObject({ clients: 0, rooms: 0 })
  expect(report.heldMiB).toBeLessThan(2)
  child.send('close')
  // The plugin does not keep the process alive.
  expect(await once(child, 'exit')).toEqual([0, null])
}, 120_000)
