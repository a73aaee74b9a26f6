import type { Duplex } from 'node:stream'
import { CloseCode, closePayload } from '../internal/close-codes.ts'
import { CloseMessage } from '../internal/message.ts'
import { frameOf } from './write/frame.ts'

/**
 * The closing handshake on the wire (RFC 6455, 7.1): each side sends a close frame, and then the server ends TCP first. After a
 * bad frame of the client, the server does not wait for its close frame.
 */
export class ClosingHandshake {
  /** The client's close frame. */
  received: { code: number; reason: string } | undefined
  /** True once the kernel has taken our close frame. */
  hasSent = false
  readonly #stream: Duplex
  /** True if nothing more that comes from the client is read as frames. */
  #isClientDone = false

  constructor(stream: Duplex) {
    this.#stream = stream
  }

  /** Sends our close frame. The code 1005 stands for a frame without a code. */
  send(code: number, reason: string): void {
    if (!this.#stream.writable) return
    this.#stream.write(closeFrame(code, reason), (error) => {
      if (error) return
      this.hasSent = true
      this.#endIfDone()
    })
  }

  /** The client's close frame has come. */
  receive(code: number, reason: string): void {
    this.received = { code, reason }
    this.endAfterSent()
  }

  /** Ends TCP as soon as our close frame is sent. */
  endAfterSent(): void {
    this.#isClientDone = true
    this.#endIfDone()
  }

  #endIfDone(): void {
    if (this.hasSent && this.#isClientDone) this.#stream.end()
  }
}

const NOTHING = Buffer.alloc(0)

function closeFrame(code: number, reason: string): Buffer {
  const payload = code === CloseCode.NoStatusReceived ? NOTHING : closePayload(code, reason)
  return frameOf(CloseMessage, payload).head as Buffer
}
