import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'

/** A frame as it came over the wire. */
export interface WireFrame {
  fin: boolean
  rsv1: boolean
  opcode: number
  payload: Buffer
}

/** Builds a client's frame, valid or not. */
export function clientFrame(
  opcode: number,
  payload: Buffer | string = '',
  {
    fin = true,
    rsv = 0,
    masked = true,
    length,
    minHead = 2
  }: { fin?: boolean; rsv?: number; masked?: boolean; length?: number; minHead?: 2 | 4 | 10 } = {}
): Buffer {
  const data = Buffer.from(payload as string)
  const size = length ?? data.length
  // With `minHead` the length can have more bytes than it needs.
  const head = Buffer.alloc(Math.max(minHead, size < 126 ? 2 : size < 65_536 ? 4 : 10))
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode
  head[1] = (masked ? 0x80 : 0) | (head.length === 2 ? size : head.length === 4 ? 126 : 127)
  if (head.length === 4) head.writeUInt16BE(size, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(size), 2)
  if (!masked) return Buffer.concat([head, data])
  const mask = randomBytes(4)
  return Buffer.concat([head, mask, data.map((byte, i) => byte ^ (mask[i % 4] as number))])
}

const open = new Set<RawClient>()

/** Drops the clients that are still connected. */
export function dropRawClients(): void {
  for (const client of open) client.socket.destroy()
  open.clear()
}

/** A client on a bare TCP socket, for things that a well-behaved client never does. */
export class RawClient {
  readonly socket: Socket
  #chunks: Buffer[] = []
  #wake: (() => void)[] = []
  isEnded = false

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    open.add(this)
    this.socket.on('data', (chunk) => {
      this.#chunks.push(chunk)
      this.#notify()
    })
    for (const event of ['end', 'close', 'error'] as const) {
      this.socket.on(event, () => {
        this.isEnded = true
        this.#notify()
      })
    }
  }

  get #bytes(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] ?? Buffer.alloc(0)
  }

  set #bytes(rest: Buffer) {
    this.#chunks = [rest]
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }

  async #more(): Promise<void> {
    if (this.isEnded) throw new Error('the server has ended the connection')
    await new Promise<void>((resolve) => this.#wake.push(resolve))
  }

  /** Sends an opening handshake, with more bytes in the same segment if given. */
  handshake(
    path: string,
    headers: Record<string, string> = {},
    behind: Buffer = Buffer.alloc(0),
    method = 'GET'
  ): void {
    const all: Record<string, string> = {
      Host: 'localhost',
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      ...headers
    }
    const lines = Object.entries(all)
      .filter(([, value]) => value !== '')
      .map(([name, value]) => `${name}: ${value}`)
    this.socket.write(
      Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`), behind])
    )
  }

  /** The head of the HTTP answer: status line and headers. */
  async head(): Promise<{ status: number; headers: Map<string, string> }> {
    let end = -1
    while ((end = this.#bytes.indexOf('\r\n\r\n')) === -1) await this.#more()
    const [statusLine = '', ...lines] = this.#bytes.toString('latin1', 0, end).split('\r\n')
    this.#bytes = this.#bytes.subarray(end + 4)
    const headers = new Map(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)])
    )
    return { status: Number(statusLine.split(' ')[1]), headers }
  }

  /** Opens a WebSocket connection; throws if the answer is not 101. */
  async open(path: string, headers?: Record<string, string>, behind?: Buffer): Promise<this> {
    this.handshake(path, headers, behind)
    const { status } = await this.head()
    if (status !== 101) throw new Error(`the server answered ${status}`)
    return this
  }

  /** The next bytes as received, for details that a parser would hide. */
  async bytes(count: number): Promise<Buffer> {
    while (this.#bytes.length < count) await this.#more()
    const bytes = this.#bytes.subarray(0, count)
    this.#bytes = this.#bytes.subarray(count)
    return bytes
  }

  /** The next frame. */
  async frame(): Promise<WireFrame> {
    for (;;) {
      const frame = this.#parse()
      if (frame !== undefined) return frame
      await this.#more()
    }
  }

  /** The close code of the next close frame; earlier frames are skipped. */
  async closeCode(): Promise<number> {
    for (;;) {
      const { opcode, payload } = await this.frame()
      if (opcode === 8) return payload.length === 0 ? 1005 : payload.readUInt16BE(0)
    }
  }

  #parse(): WireFrame | undefined {
    const bytes = this.#bytes
    if (bytes.length < 2) return undefined
    const short = (bytes[1] as number) & 0x7f
    const offset = short < 126 ? 2 : short === 126 ? 4 : 10
    if (bytes.length < offset) return undefined
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
    if (bytes.length < offset + length) return undefined
    this.#bytes = bytes.subarray(offset + length)
    const first = bytes[0] as number
    return {
      fin: (first & 0x80) !== 0,
      rsv1: (first & 0x40) !== 0,
      opcode: first & 0x0f,
      payload: bytes.subarray(offset, offset + length)
    }
  }

  /** Ends the connection with a TCP reset. */
  reset(): void {
    // Node cannot reset a socket whose own FIN is in flight: the handle stays, and the process spins instead of exiting.
    if (this.socket.writableEnded) this.socket.destroy()
    else this.socket.resetAndDestroy()
  }
}
