import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { SocketLike } from '../internal/socket-like.ts'

/**
 * Stands in for the socket of an upgrade, and looks like the socket of a client that has just left. Other listeners of the
 * `upgrade` event get it for upgrades to WebSocket routes: a listener that counts or logs finds the addresses it wants, and a
 * listener that writes to the socket or destroys it does not touch the real one.
 */
export class StandInSocket extends SocketLike {
  readonly #socket: Partial<Socket>

  constructor(stream: Duplex, request: IncomingMessage) {
    super()
    this.#socket = 'remoteAddress' in stream ? (stream as Socket) : (request.socket ?? {})
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
