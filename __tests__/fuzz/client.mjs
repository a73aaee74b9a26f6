// The client's side of a fuzzed connection: a bare socket, and a decoder for the server's frames.
import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { isUtf8 } from './oracle.mjs'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

/** The Sec-WebSocket-Accept that belongs to a key (RFC 6455, 4.2.2). */
export const acceptFor = (key) =>
  createHash('sha1')
    .update(key + GUID)
    .digest('base64')

/** A socket that keeps the received bytes and can wait for a condition. */
export class Wire {
  #wake = () => {}
  #deadline
  #chunks = []
  /** True once the server has ended its side or the connection is gone. */
  isEnded = false
  isClosed = false

  constructor(port, time) {
    this.#deadline = performance.now() + time
    // Half-open: after the server has ended its side, the client decides when to end its own.
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    this.socket.on('data', (chunk) => this.#chunks.push(chunk))
    this.socket.on('end', () => (this.isEnded = true))
    this.socket.on('close', () => (this.isEnded = this.isClosed = true))
    this.socket.on('error', (error) => (this.error = error))
    for (const event of ['data', 'end', 'close']) this.socket.on(event, () => this.#wake())
  }

  /** The bytes received since the last call. */
  take() {
    return Buffer.concat(this.#chunks.splice(0))
  }

  /** True once the condition holds; false if the connection runs out of time first. */
  async until(condition, time = Infinity) {
    const end = Math.min(this.#deadline, performance.now() + time)
    while (!condition()) {
      const left = end - performance.now()
      if (left <= 0) return false
      await this.#event(left)
    }
    return true
  }

  #event(time) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, time)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** Resets the connection, so that no port is left waiting for late packets. */
  drop() {
    if (this.isClosed) return
    if (this.socket.writableEnded || this.socket.connecting) this.socket.destroy()
    else this.socket.resetAndDestroy()
  }
}

export const request = (path) =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n\r\n`

/** Decodes the server's frames, and reports everything that a server must not send. */
export class Answers {
  #rest = Buffer.alloc(0)
  #isOpen = false
  messages = []
  pongs = []
  /** The code of the close frame; 1005 for an empty one. */
  code
  flaw

  push(bytes) {
    if (bytes.length === 0) return
    this.#rest = Buffer.concat([this.#rest, bytes])
    if (!this.#isOpen) this.#head()
    while (this.#isOpen && this.flaw === undefined && this.#frame()) {
      // Until no complete frame is left.
    }
  }

  /** True in the middle of a frame. */
  get isInFrame() {
    return this.#rest.length > 0
  }

  #head() {
    const end = this.#rest.indexOf('\r\n\r\n')
    if (end === -1) return
    const head = this.#rest.toString('latin1', 0, end)
    if (!head.startsWith('HTTP/1.1 101 ') || !head.includes(acceptFor(KEY)))
      this.flaw = `the handshake was answered with ${head}`
    this.#rest = this.#rest.subarray(end + 4)
    this.#isOpen = true
  }

  #frame() {
    const bytes = this.#rest
    if (bytes.length < 2) return false
    const short = bytes[1] & 0x7f
    const start = short < 126 ? 2 : short === 126 ? 4 : 10
    if (bytes.length < start) return false
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
    if (bytes.length < start + length) return false
    this.#rest = bytes.subarray(start + length)
    if (short > 125 && length < (short === 126 ? 126 : 65_536)) this.flaw = 'a length in more bytes than needed'
    else if (bytes[1] > 0x7f) this.flaw = 'a masked frame'
    else if (this.code !== undefined) this.flaw = 'a frame behind the close frame'
    else this.#take(bytes[0], bytes.subarray(start, start + length))
    return true
  }

  #take(first, payload) {
    if (first === 0x81 || first === 0x82) this.messages.push({ type: first & 0x0f, data: payload })
    else if (first === 0x8a && payload.length < 126) this.pongs.push(payload)
    else if (first === 0x88 && payload.length < 126 && payload.length !== 1 && isUtf8(payload.subarray(2)))
      this.code = payload.length === 0 ? 1005 : payload.readUInt16BE(0)
    else
      this.flaw = `a frame that begins with ${first.toString(16)} and has ${payload.length} bytes: ${payload.toString('hex', 0, 200)}`
  }
}
