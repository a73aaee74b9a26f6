import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { constants, deflateRawSync } from 'node:zlib'
import { ensureDist } from '../support/dist.ts'
import { clientFrame, dropRawClients, RawClient } from '../support/raw-client.ts'

/** At both sides of the size from which a message is no longer in V8's heap, and others. */
const SIZES = [5, 64, 65, 200]
/** What a kept message may take in addition to twice its size: its objects. */
const OBJECTS = 400
/** What the process itself grows by, for example for compiled code. */
const NOISE = 512 * 1024

type Encode = (data: Buffer) => Buffer

const deflated = (data: Buffer): Buffer => deflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)

const KINDS: [name: string, encode: Encode, count: number, every: number][] = [
  ['one of 1001 messages of 1 000 000', (data) => clientFrame(2, data), 1_000_000, 1_001],
  [
    'one of 201 fragmented messages of 200 000',
    (data) => Buffer.concat([clientFrame(2, data.subarray(0, 3), { fin: false }), clientFrame(0, data.subarray(3))]),
    200_000,
    201
  ],
  ['one of 101 compressed messages of 100 000', (data) => clientFrame(2, deflated(data), { rsv: 4 }), 100_000, 101]
]

let child: ChildProcess
let port: number

interface Report {
  port: number
  count: number
  grown: number
  kept: number
  size: number
  worst: { held: number; size: number }
}

const report = async (): Promise<Report> => ((await once(child, 'message')) as [Report])[0]

beforeAll(() => ensureDist(), 60_000)

beforeEach(async () => {
  child = fork(join(__dirname, '..', 'support', 'kept-child.mjs'), { execArgv: ['--expose-gc'] })
  ;({ port } = await report())
})

afterEach(async () => {
  dropRawClients()
  const exited = once(child, 'exit')
  child.send('close')
  await exited
})

/** Sends so many messages, a thousand at a time, and then the text that ends them. */
async function play(path: string, encode: Encode, count: number): Promise<Report> {
  const client = await new RawClient(port).open(path, { 'Sec-WebSocket-Extensions': 'permessage-deflate' })
  const frames = Array.from({ length: 1_000 }, (_, i) => encode(randomBytes(SIZES[i % SIZES.length] as number)))
  const bytes = Buffer.concat(frames)
  for (let sent = 0; sent < count; sent += frames.length)
    if (!client.socket.write(bytes)) await once(client.socket, 'drain')
  const answer = report()
  client.socket.write(clientFrame(1, 'end'))
  return answer
}

describe.each(KINDS)('%s', (_name, encode, count, every) => {
  test('take at most twice their size, in the whole process', async () => {
    await play(`/keep?every=${every}`, encode, count / 10)
    const { grown, kept, size, count: read } = await play(`/keep?every=${every}`, encode, count)
    expect(read).toBe(count)
    expect(kept).toBe(Math.ceil(count / every))
    expect(grown).toBeLessThan(2 * size + kept * OBJECTS + NOISE)
  }, 60_000)

  test('the memory behind each message is at most twice its size', async () => {
    const { worst, count: read } = await play('/look', encode, count / 10)
    expect(read).toBe(count / 10)
    expect(worst.held).toBeLessThanOrEqual(2 * worst.size)
  }, 60_000)
})
