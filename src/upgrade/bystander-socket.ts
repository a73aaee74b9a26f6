import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'

/**
 * Looks like the socket of a client that has just left. It is for listeners of the server's `upgrade` event that are told of an
 * upgrade which is not theirs: a listener that counts or logs learns what it wants, and one that writes to the socket or
 * destroys it does no harm.
 */
export class BystanderSocket extends Duplex {
  readonly #socket: Partial<Socket>

  constructor({ socket, request }: { socket: Duplex; request: IncomingMessage }) {
    super()
    this.#socket = 'remoteAddress' in socket ? (socket as Socket) : (request.socket ?? {})
    this.on('error', ignore)
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress
  }

  get remotePort(): number | undefined {
    return this.#socket.remotePort
  }

  get remoteFamily(): string | undefined {
    return this.#socket.remoteFamily
  }

  get localAddress(): string | undefined {
    return this.#socket.localAddress
  }

  get localPort(): number | undefined {
    return this.#socket.localPort
  }

  get encrypted(): boolean {
    return (this.#socket as { encrypted?: boolean }).encrypted === true
  }

  get bytesWritten(): number {
    return 0
  }

  get bytesRead(): number {
    return 0
  }

  setTimeout(): this {
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  destroySoon(): void {
    this.destroy()
  }

  override _read(): void {}

  override _write(_chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    done()
    this.destroy()
  }

  override _final(done: () => void): void {
    done()
    this.destroy()
  }
}

function ignore(): void {}
