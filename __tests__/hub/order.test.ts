import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { WebSocket } from 'ws'
import { BinaryMessage, TextMessage, type WebSocketConnection } from '../../src/index.ts'
import { closeServers, eventually, startServer } from '../support/server.ts'

const CLIENTS = 200
const ROOMS = 8

afterEach(closeServers)

const who = fc.nat(CLIENTS - 1)
const room = fc.nat(ROOMS - 1)
const size = fc.oneof(
  { weight: 8, arbitrary: fc.nat(300) },
  { weight: 3, arbitrary: fc.nat(6_000) },
  { weight: 1, arbitrary: fc.nat(40_000) }
)
const isBinary = fc.boolean()
const step = <Name extends string>(name: Name) =>
  fc.record({ do: fc.constant(name), who, room, size, isBinary, isNoise: fc.boolean() })
const action = fc.oneof(
  { weight: 3, arbitrary: step('join') },
  { weight: 1, arbitrary: step('leave') },
  { weight: 3, arbitrary: step('unicast') },
  { weight: 1, arbitrary: step('offer') },
  { weight: 4, arbitrary: step('room') },
  { weight: 2, arbitrary: step('rooms') },
  { weight: 4, arbitrary: step('all') },
  { weight: 2, arbitrary: step('except') },
  { weight: 2, arbitrary: step('ping') },
  { weight: 1, arbitrary: step('close') },
  { weight: 1, arbitrary: step('sayAndClose') },
  { weight: 3, arbitrary: step('again') },
  { weight: 2, arbitrary: step('turn') },
  { weight: 1, arbitrary: step('tick') }
)

/** One line for a message, ping or close frame that a client sees, with a digest of its bytes. */
const line = (kind: string, data: Buffer): string =>
  `${kind} ${data.length} ${createHash('md5').update(data).digest('base64')}`

class Observer {
  readonly seen: string[] = []
  readonly socket: WebSocket
  readonly closed: Promise<void>

  constructor(url: string, isCompressed: boolean) {
    this.socket = new WebSocket(url, { perMessageDeflate: isCompressed })
    this.socket.on('message', (data: Buffer, isBinaryMessage: boolean) =>
      this.seen.push(line(isBinaryMessage ? 'binary' : 'text', data))
    )
    this.socket.on('ping', (data: Buffer) => this.seen.push(line('ping', data)))
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        this.seen.push(line(`close ${code}`, reason))
        resolve()
      })
    })
  }
}

/** Bytes that compress well or not at all, and differ for each number. */
function payloadOf(number: number, length: number, isNoise: boolean, isText: boolean): Buffer {
  const start = Buffer.from(`${number}:`)
  if (!isNoise)
    return Buffer.concat(
      [start, Buffer.alloc(length, 'é ')].map((part) =>
        isText ? Buffer.from(part.toString().replaceAll('\ufffd', '?')) : part
      )
    )
  const noise = Buffer.concat(
    Array.from({ length: Math.ceil(length / 64) }, (_, i) => createHash('sha512').update(`${number} ${i}`).digest())
  )
  return Buffer.concat([
    start,
    isText ? Buffer.from(noise.toString('base64').slice(0, length)) : noise.subarray(0, length)
  ])
}

test('each of 200 clients gets exactly its own messages, in order and byte for byte, and the close frame last', async () => {
  const server = await startServer(
    (app) => {
      app.webSocket('/:number', async (ws, request) => {
        connections.set(Number((request.params as { number: string }).number), ws)
        app.wsHub.register(ws)
        for await (const message of ws) void message
      })
    },
    { config: { compressionThreshold: 200, sendQueueSize: 1_000 } }
  )
  const connections = new Map<number, WebSocketConnection>()
  const hub = server.app.wsHub

  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 20, maxLength: 150 }), async (actions) => {
      connections.clear()
      const observers = Array.from({ length: CLIENTS }, (_, i) => new Observer(server.ws(`/${i}`), i % 2 === 1))
      await eventually(() => hub.getClientCount() === CLIENTS && connections.size === CLIENTS)
      const numbers = [...observers.keys()]
      const open = new Set(numbers)
      const members = Array.from({ length: ROOMS }, () => new Set<number>())
      const expected = numbers.map((): string[] => [])
      let repeat: (() => void) | undefined

      for (const [
        i,
        { do: what, who: number, room: r, size: length, isBinary: binary, isNoise }
      ] of actions.entries()) {
        const ws = connections.get(number) as WebSocketConnection
        const inRoom = members[r] as Set<number>
        const next = (r + 1) % ROOMS
        const type = binary ? BinaryMessage : TextMessage
        const expect_ = (receivers: Iterable<number>, text: string): void => {
          for (const receiver of receivers) if (open.has(receiver)) expected[receiver]?.push(text)
        }
        const say = (n: number, receivers: Iterable<number>, send: (data: Buffer) => void): void => {
          const data = payloadOf(n, length, isNoise, !binary)
          expect_(receivers, line(binary ? 'binary' : 'text', data))
          send(data)
        }
        const close = (): void => {
          if (open.has(number)) expected[number]?.push(line('close 4000', Buffer.from(`at ${i}`)))
          open.delete(number)
          for (const room_ of members) room_.delete(number)
          void ws.close(4000, `at ${i}`)
        }
        const unicast = (n: number): void => say(n, [number], (data) => void ws.writeMessage(type, data))
        if (what === 'join' && hub.join(ws, `room ${r}`)) inRoom.add(number)
        if (what === 'leave') {
          hub.leave(ws, `room ${r}`)
          inRoom.delete(number)
        }
        if (what === 'unicast') unicast(i)
        if (what === 'offer') say(i, [number], (data) => void ws.writeAsync(data, type))
        if (what === 'room')
          (repeat = () => say(i, [...inRoom], (data) => void hub.to(`room ${r}`).broadcast(data, { type })))()
        if (what === 'rooms')
          say(
            i,
            new Set([...inRoom, ...(members[next] as Set<number>)]),
            (data) => void hub.to([`room ${r}`, `room ${next}`]).broadcast(data, { type })
          )
        if (what === 'all') (repeat = () => say(i, [...open], (data) => void hub.broadcast(data, { type })))()
        if (what === 'except')
          say(
            i,
            numbers.filter((n) => n !== number),
            (data) => void hub.broadcast(data, { type, except: ws })
          )
        if (what === 'again') for (let n = 0; n < 5; n++) repeat?.()
        if (what === 'ping') {
          expect_([number], line('ping', Buffer.from(`${i}`)))
          void ws.ping(`${i}`)
        }
        if (what === 'sayAndClose') unicast(i)
        if (what === 'sayAndClose' || what === 'close') close()
        if (what === 'turn') await new Promise((resolve) => setImmediate(resolve))
        if (what === 'tick') await Promise.resolve()
      }
      for (const number of open) {
        expected[number]?.push(line('close 1000', Buffer.from('done')))
        void connections.get(number)?.close(1000, 'done')
      }
      await Promise.all(observers.map(({ closed }) => closed))
      expect(observers.map(({ seen }) => seen)).toEqual(expected)
    }),
    { numRuns: Number(process.env['ORDER_RUNS'] ?? 15) }
  )
}, 120_000)
