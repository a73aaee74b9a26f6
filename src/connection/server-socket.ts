import { WebSocket } from 'ws'
import { assertSendable, fitReason } from '../close.ts'
import { hasBadFrame } from './ws-private.ts'

/** Sends a close frame; without a code, an empty one. */
export type SendClose = (code: number | undefined, reason: string) => void

/** What a server socket tells the connection that owns it. */
export interface SocketOwner {
  /**
   * A closing handshake begins: by us, by the peer's close frame, or by a frame that breaks the protocol.
   * `send` sends the close frame; what was written before must go first.
   */
  onClose(code: number | undefined, reason: string, send: SendClose): void
  /** Something is sent past the connection. */
  beforeSend(): void
  onMessage(data: Buffer, isBinary: boolean): void
  onPing(data: Buffer): void
  onPong(): void
  onError(error: Error): void
  /** The connection is fully closed; `received` is the code of the peer's close frame, 1006 where none came. */
  onClosed(received: number): void
}

/** What is wrong with a frame that `ws` closes for, which gives a code and no reason. */
const BAD_FRAME: Record<number, string> = {
  1002: 'protocol error',
  1007: 'invalid UTF-8',
  1008: 'too many fragments',
  1009: 'message too big'
}

type Data = Parameters<WebSocket['send']>[0]
type SendOptions = Parameters<WebSocket['send']>[1]
type Callback = (error?: Error) => void

/** `ws`'s socket, which tells its owner what comes in, and asks it before it closes and before it sends. */
export class ServerSocket extends WebSocket {
  owner: SocketOwner | undefined

  /** The owner hears of everything before the listeners do, whoever adds or removes them, and at less cost than as one of them. */
  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (this.owner === undefined) return super.emit(event, ...args)
    if (event === 'message') this.owner.onMessage(args[0] as Buffer, args[1] as boolean)
    else this.#tell(this.owner, event, args)
    return this.listenerCount(event) > 0 && super.emit(event, ...args)
  }

  #tell(owner: SocketOwner, event: string | symbol, args: unknown[]): void {
    if (event === 'ping') owner.onPing(args[0] as Buffer)
    else if (event === 'pong') owner.onPong()
    else if (event === 'error') owner.onError(args[0] as Error)
    else if (event === 'close') owner.onClosed(args[0] as number)
  }

  /** `ws` calls this, too: with the peer's code once its close frame came, and with 1002, 1007, 1008 or 1009 on a bad frame. */
  override close(code?: number, reason?: string | Buffer): void {
    if (this.owner === undefined || this.readyState !== WebSocket.OPEN) return super.close(code, reason)
    const text = reason === undefined ? this.#reasonFor(code) : reason.toString()
    // Here, where the caller still is: `ws` would throw when what was written before has gone out.
    if (code !== undefined) assertSendable(code, text)
    this.owner.onClose(code, fitReason(text), (...args) => super.close(...args))
  }

  #reasonFor(code: number | undefined): string {
    return code !== undefined && hasBadFrame(this) ? (BAD_FRAME[code] ?? '') : ''
  }

  /** Not compressed: whoever sends past the connection gets exactly the frame that was asked for. */
  override send(data: Data, callback?: Callback): void
  override send(data: Data, options: SendOptions, callback?: Callback): void
  override send(data: Data, options?: SendOptions | Callback, callback?: Callback): void {
    this.owner?.beforeSend()
    if (typeof options === 'function') super.send(data, { compress: false }, options)
    else super.send(data, { ...options, compress: false }, callback)
  }

  override ping(...args: Parameters<WebSocket['ping']>): void {
    this.owner?.beforeSend()
    super.ping(...args)
  }

  override pong(...args: Parameters<WebSocket['pong']>): void {
    this.owner?.beforeSend()
    super.pong(...args)
  }
}
