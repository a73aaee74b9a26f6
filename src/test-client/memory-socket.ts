import { immediate } from '../internal/event-loop.ts'
import { SocketLike } from '../internal/socket-like.ts'
import { unpooledCopy } from '../internal/unpooled.ts'

type Done = (error?: Error) => void

/**
 * One end of a connection in memory. It behaves like a TCP socket on loopback: bytes arrive in a later turn, writes wait while
 * the other end does not read, and an end that is destroyed ends the other one.
 */
export class MemorySocket extends SocketLike {
  readonly remoteAddress = '127.0.0.1'
  readonly remotePort = 0
  readonly remoteFamily = 'IPv4'
  readonly localAddress = '127.0.0.1'
  readonly localPort = 0
  /** True for servers with TLS, whose connections are given to them decrypted. */
  readonly encrypted: boolean
  /** What servers for both HTTP/2 and HTTP/1.1 look at. */
  readonly alpnProtocol = false
  bytesWritten = 0
  /** Set by `pair`. */
  #peer!: MemorySocket
  /** Completes the write of the other end, once this end is read from. */
  #onRead: Done | undefined
  #hasEnded = false

  private constructor(encrypted: boolean) {
    super()
    this.encrypted = encrypted
    // A socket that was reset by its peer must not crash the process if nobody listens any more.
    this.on('error', () => {})
  }

  /** Both ends of a new connection. */
  static pair(encrypted: boolean): [MemorySocket, MemorySocket] {
    const one = new MemorySocket(encrypted)
    const other = new MemorySocket(encrypted)
    one.#peer = other
    other.#peer = one
    return [one, other]
  }

  override _read(): void {
    const done = this.#onRead
    this.#onRead = undefined
    done?.()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.bytesWritten += chunk.length
    const peer = this.#peer
    // Each side may change the bytes that it has received.
    immediate(() => peer.#receive(unpooledCopy(chunk), done))
  }

  override _final(done: Done): void {
    const peer = this.#peer
    immediate(() => {
      peer.#end()
      done()
    })
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#onRead?.(reset())
    this.#onRead = undefined
    const peer = this.#peer
    immediate(() => peer.#end())
    done(error)
  }

  #receive(chunk: Buffer, done: Done): void {
    if (this.destroyed) done(reset())
    else if (this.push(chunk)) done()
    else this.#onRead = done
  }

  #end(): void {
    if (this.destroyed || this.#hasEnded) return
    this.#hasEnded = true
    this.push(null)
  }
}

function reset(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
}
