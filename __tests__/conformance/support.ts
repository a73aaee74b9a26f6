import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import {
  type CloseInfo,
  isCloseError,
  type WebSocketConfig,
  type WebSocketConnection,
  type WebSocketMessage
} from '../../src/index.ts'
import { clientFrame, dropRawClients, RawClient, type WireFrame } from '../support/raw-client.ts'
import { closeServers, startServer } from '../support/server.ts'

export const CONTINUATION = 0
export const TEXT = 1
export const BINARY = 2
export const CLOSE = 8
export const PING = 9
export const PONG = 10
/** The bit RSV1, as an argument of `clientFrame`. */
export const RSV1 = 4
export const DEFLATE = { 'Sec-WebSocket-Extensions': 'permessage-deflate' }

/** A message; its bytes are latin1, because strings compare faster than buffers and read better in a failure. */
export interface Message {
  type: number
  data: string
}

export function message(type: number, data: Buffer | string): Message {
  return { type, data: Buffer.from(data as string).toString('latin1') }
}

/** The bytes of a hexadecimal string, which may contain spaces. */
export function hex(digits: string): Buffer {
  return Buffer.from(digits.replaceAll(' ', ''), 'hex')
}

const ECHOES: Record<
  string,
  (app: FastifyInstance, ws: WebSocketConnection, note: (message: WebSocketMessage) => void) => Promise<void>
> = {
  async loop(_app, ws, note) {
    for await (const message of ws) {
      note(message)
      await ws.writeMessage(message.type, message.data).catch(unlessClosed)
    }
  },
  async read(_app, ws, note) {
    for (;;) {
      const message = await ws.readMessage()
      note(message)
      await ws.writeMessage(message.type, message.data).catch(unlessClosed)
    }
  },
  async hub(app, ws, note) {
    app.wsHub.join(ws, ws.id)
    for await (const message of ws) {
      note(message)
      app.wsHub.to(ws.id).broadcast(message.data, { type: message.type })
    }
  }
}

/** A handler that can no longer answer must go on reading, or the tests would miss messages. */
function unlessClosed(error: unknown): void {
  if (!isCloseError(error)) throw error
}

/** A route that echoes messages, with or without compression negotiated. */
export interface Variant {
  title: string
  path: string
  isCompressed: boolean
}

const TITLES = { loop: 'echo by for await', read: 'echo by readMessage', hub: 'echo by the hub' }

/** Each kind of route, without compression. */
export const routes: Variant[] = Object.entries(TITLES).map(([name, title]) => ({
  title,
  path: `/${name}`,
  isCompressed: false
}))

/** Each kind of route, with and without compression negotiated. */
export const variants: Variant[] = routes.flatMap((route) => [
  route,
  { ...route, title: `${route.title}, permessage-deflate`, isCompressed: true }
])

/** One kind of route with and without compression, for tests of frames that never reach a handler. */
export const modes: Variant[] = variants.slice(0, 2)

/** Compresses a message as RFC 7692, 7.2.1 says, with no context. */
export function deflated(data: Buffer | string): Buffer {
  return deflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
}

/** Inflates a message as RFC 7692, 7.2.2 says, with no context and a window no larger than negotiated. */
export function inflated(payload: Buffer, windowBits = 15): Buffer {
  const input = Buffer.concat([payload, hex('0000ffff')])
  // If it wrote one large chunk of output, zlib would not notice a distance beyond the window.
  return inflateRawSync(input, { finishFlush: constants.Z_SYNC_FLUSH, windowBits, chunkSize: 64 })
}

/** The frames of one message, one frame for each piece of its payload. */
export function fragments(type: number, pieces: (Buffer | string)[], rsv = 0): Buffer[] {
  const last = pieces.length - 1
  return pieces.map((piece, i) =>
    clientFrame(i === 0 ? type : CONTINUATION, piece, { fin: i === last, rsv: i === 0 ? rsv : 0 })
  )
}

/** Cuts bytes into pieces of a size; empty input gives one empty piece. */
export function pieces(data: Buffer, size: number): Buffer[] {
  const all: Buffer[] = []
  for (let at = 0; at < data.length || at === 0; at += size) all.push(data.subarray(at, at + size))
  return all
}

/** The payload of a close frame. */
export function closePayload(code: number, reason: Buffer | string = ''): Buffer {
  return Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason as string)])
}

export function closeFrame(code = 1000, reason: Buffer | string = ''): Buffer {
  return clientFrame(CLOSE, closePayload(code, reason))
}

/** What the handler of one connection saw. */
interface Witness {
  received: Message[]
  ended: Promise<CloseInfo>
  end: (info: CloseInfo) => void
}

function makeWitness(): Witness {
  let end: (info: CloseInfo) => void = () => {}
  const ended = new Promise<CloseInfo>((resolve) => {
    end = resolve
  })
  return { received: [], ended, end }
}

/** How a connection ended, as both sides saw it. */
export interface Outcome {
  /** The code of the server's close frame; 1005 if the frame is empty. */
  code: number
  reason: string
  /** The frames before the close frame. */
  answers: WireFrame[]
  /** The messages among `answers`. */
  echoes: Message[]
  received: Message[]
  closeInfo: CloseInfo
}

/** One connection, on the wire and in its handler. */
export class Session {
  readonly client: RawClient
  readonly witness: Witness
  readonly #isCompressed: boolean

  constructor(client: RawClient, witness: Witness, isCompressed: boolean) {
    this.client = client
    this.witness = witness
    this.#isCompressed = isCompressed
  }

  /** Sends frames in one segment. */
  send(...frames: Buffer[]): this {
    this.client.socket.write(Buffer.concat(frames))
    return this
  }

  /** The frames of a message, in pieces of a size, compressed if compression was negotiated. */
  encode(type: number, data: Buffer | string, size = Number.POSITIVE_INFINITY): Buffer[] {
    const payload = this.#isCompressed ? deflated(data) : Buffer.from(data as string)
    return fragments(type, pieces(payload, size), this.#isCompressed ? RSV1 : 0)
  }

  /** The next frame, which must be a whole message. */
  async message(): Promise<Message> {
    return this.#decode(await this.client.frame())
  }

  #decode({ fin, rsv1, opcode, payload }: WireFrame): Message {
    if (!fin || opcode > BINARY || opcode === CONTINUATION)
      throw new Error(`no whole message: opcode ${opcode}, fin ${fin}`)
    if (rsv1 && !this.#isCompressed) throw new Error('compressed, and that was not negotiated')
    return message(opcode, rsv1 ? inflated(payload) : payload)
  }

  /** Waits for the end: only the end of TCP may follow the server's close frame. */
  async outcome(): Promise<Outcome> {
    const answers: WireFrame[] = []
    let frame = await this.client.frame()
    for (; frame.opcode !== CLOSE; frame = await this.client.frame()) answers.push(frame)
    const { payload } = frame
    if (await this.client.frame().catch(() => undefined)) throw new Error('a frame came behind the close frame')
    const code = payload.length === 0 ? 1005 : payload.readUInt16BE(0)
    const echoes = answers.filter(({ opcode }) => opcode < CLOSE).map((frame) => this.#decode(frame))
    return {
      code,
      reason: payload.toString('utf8', 2),
      answers,
      echoes,
      received: this.witness.received,
      closeInfo: await this.witness.ended
    }
  }
}

/** Expects that the handler got all of `echoed` in order, and that the client got all of it back. */
export async function expectEchoes(session: Session, ...echoed: Message[]): Promise<void> {
  const answers: Message[] = []
  for (const _message of echoed) answers.push(await session.message())
  expect(answers).toEqual(echoed)
  expect(session.witness.received).toEqual(echoed)
}

/**
 * Sends a good message and then frames for which the server must fail the connection. Both sides get this code, the handler
 * gets only the good message, and its answer comes before the close frame.
 */
export async function expectFailure(session: Session, frames: Buffer[], code: number): Promise<void> {
  const outcome = await session.send(clientFrame(TEXT, 'before'), ...frames).outcome()
  expect(outcome.code).toBe(code)
  expect(outcome.received).toEqual([message(TEXT, 'before')])
  expect(outcome.echoes).toEqual([message(TEXT, 'before')])
  expect(outcome.closeInfo.code).toBe(code)
}

export interface EchoServer {
  app: FastifyInstance
  port: number
  open(variant: Variant, headers?: Record<string, string>): Promise<Session>
}

/** Starts a server with a route of each kind before the tests of a `describe` and closes it after them. */
export function useEchoServer(
  config: Partial<WebSocketConfig> = {},
  setUp: (app: FastifyInstance) => void = () => {}
): EchoServer {
  const witnesses: Witness[] = []
  const addRoutes = (app: FastifyInstance): void => {
    for (const [name, echo] of Object.entries(ECHOES)) {
      app.webSocket(`/${name}`, (ws) => {
        const witness = witnesses[Number(ws.context().query('session'))] ?? makeWitness()
        return observe(ws, witness, () => echo(app, ws, ({ type, data }) => witness.received.push(message(type, data))))
      })
    }
    setUp(app)
  }
  const server = {} as EchoServer
  beforeAll(async () => {
    const { app, port } = await startServer(addRoutes, {
      config: { pingInterval: 0, compressionThreshold: 0, ...config }
    })
    Object.assign(server, { app, port })
  })
  afterEach(dropRawClients)
  afterAll(closeServers)
  server.open = async ({ path, isCompressed }, headers = isCompressed ? DEFLATE : {}) => {
    const witness = makeWitness()
    const number = witnesses.push(witness) - 1
    return new Session(
      await new RawClient(server.port).open(`${path}?session=${number}`, headers),
      witness,
      isCompressed
    )
  }
  return server
}

async function observe(ws: WebSocketConnection, witness: Witness, echo: () => Promise<void>): Promise<void> {
  await echo().catch(unlessClosed)
  const { signal } = ws
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
  witness.end(ws.closeInfo as CloseInfo)
}
