import { WebSocket } from 'ws'
import { assertSendable, fitReason } from '../internal/close.ts'
import { BinaryMessage, type WebSocketMessage } from '../internal/message.ts'
import type { BinaryType, MessageEmitter } from './read/message-emitter.ts'
import { hasBadFrame } from './compression/ws-private.ts'

/** Sends a close frame; without a code, an empty one. */
export type SendClose = (code: number | undefined, reason: string) => void

/** What a server socket tells the connection that owns it. */
export interface SocketOwner {
  /** How many bytes wait that the socket's stream does not have yet. */
  readonly queuedBytes: number
  /** Reads for the `message` listeners. */
  readonly emitter: MessageEmitter
  /**
   * A closing handshake begins: by us, by the peer's close frame, or by a frame that breaks the protocol.
   * `send` sends our close frame; what was written before must go first.
   */
  onClose(code: number | undefined, reason: string, send: SendClose): void
  /** Something is sent past the connection. */
  beforeSend(): void
  onMessage(data: Buffer, isBinary: boolean): void
  onPing(data: Buffer): void
  onPong(): void
  onError(error: Error): void
  /** The connection is fully closed; `received` is the code of the peer's close frame, with its reason, or 1006 where none came. */
  onClosed(received: number, reason: string): void
  /** What whoever sends too late is told. */
  endError(): Error
  /** A `message` listener was added, or the last one removed. */
  onListening(isListening: boolean): void
  /** A listener has thrown, or returned a promise that was rejected. */
  onListenerError(event: string, error: unknown): void
  /** `pause()` and `resume()` were called from outside. */
  onPause(): void
  onResume(): void
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
type Listener = (this: WebSocket, ...args: unknown[]) => unknown

const BINARY_TYPES: readonly unknown[] = ['nodebuffer', 'arraybuffer', 'fragments', 'blob'] satisfies BinaryType[]

/**
 * `ws`'s socket, which tells its owner what comes in, and asks it before it closes and before it sends. For those who use it as
 * an ordinary socket of `ws`, it gives `message` listeners what the owner reads for them.
 */
export class ServerSocket extends WebSocket {
  owner: SocketOwner | undefined

  /** The owner hears of everything before the listeners do, whoever adds or removes them, and at less cost than as one of them. */
  override emit(event: string | symbol, ...args: unknown[]): boolean {
    const { owner } = this
    if (owner === undefined) return super.emit(event, ...args)
    if (event === 'message') owner.onMessage(args[0] as Buffer, args[1] as boolean)
    else if (event === 'ping') owner.onPing(args[0] as Buffer)
    else if (event === 'pong') owner.onPong()
    else if (event === 'error') owner.onError(args[0] as Error)
    else if (event === 'close') owner.onClosed(args[0] as number, String(args[1]))
    else return super.emit(event, ...args)
    return event === 'message' || this.#callListeners(event, args)
  }

  /** Gives a message to the `message` listeners, in this form where it is binary. */
  emitMessage({ type, data }: WebSocketMessage, form: BinaryType): void {
    const isBinary = type === BinaryMessage
    this.#callListeners('message', [isBinary ? binaryAs(form, data) : data, isBinary])
  }

  /** A listener that fails must not take the others, and the process, along: `ws` calls from where nobody catches. */
  #callListeners(event: string, args: unknown[]): boolean {
    if (this.listenerCount(event) === 0) return false
    const onError = (error: unknown): void => this.owner?.onListenerError(event, error)
    for (const listener of this.rawListeners(event) as Listener[]) {
      try {
        const result = listener.apply(this, args)
        if (result instanceof Promise) result.catch(onError)
      } catch (error) {
        onError(error)
      }
    }
    return true
  }

  // ---- Listeners, also those that `once`, `addEventListener` and `onmessage` add

  override on(event: string | symbol, listener: (...args: any[]) => void): this {
    super.on(event, listener)
    return this.#listenersChanged(event)
  }

  override addListener(event: string | symbol, listener: (...args: any[]) => void): this {
    return this.on(event, listener)
  }

  override prependListener(event: string | symbol, listener: (...args: any[]) => void): this {
    super.prependListener(event, listener)
    return this.#listenersChanged(event)
  }

  override removeListener(event: string | symbol, listener: (...args: any[]) => void): this {
    super.removeListener(event, listener)
    return this.#listenersChanged(event)
  }

  override off(event: string | symbol, listener: (...args: any[]) => void): this {
    return this.removeListener(event, listener)
  }

  override removeAllListeners(event?: string | symbol): this {
    if (event === undefined) super.removeAllListeners()
    else super.removeAllListeners(event)
    return this.#listenersChanged('message')
  }

  #listenersChanged(event: string | symbol): this {
    if (event === 'message') this.owner?.onListening(this.listenerCount('message') > 0)
    return this
  }

  // ---- Pausing, for the owner's reasons and for those of others

  override pause(): void {
    if (this.owner === undefined) super.pause()
    else this.owner.onPause()
  }

  override resume(): void {
    if (this.owner === undefined) super.resume()
    else this.owner.onResume()
  }

  /** Reads nothing more from the peer. */
  pauseSource(): void {
    super.pause()
  }

  resumeSource(): void {
    super.resume()
  }

  // ---- Closing and sending

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
    if (typeof options === 'function') super.send(data, { compress: false }, this.#told(options))
    else super.send(data, { ...options, compress: false }, this.#told(callback))
  }

  /** Once the end has begun, `ws` calls back with an error of no kind, that nobody can tell from a failure. */
  #told(callback: Callback | undefined): Callback | undefined {
    const { owner } = this
    if (callback === undefined || owner === undefined || this.readyState === WebSocket.OPEN) return callback
    return (error) => callback(error && owner.endError())
  }

  #toldIn<Args extends unknown[]>(args: Args): Args {
    return args.map((arg) => (typeof arg === 'function' ? this.#told(arg as Callback) : arg)) as Args
  }

  override ping(...args: Parameters<WebSocket['ping']>): void {
    this.owner?.beforeSend()
    super.ping(...this.#toldIn(args))
  }

  override pong(...args: Parameters<WebSocket['pong']>): void {
    this.owner?.beforeSend()
    super.pong(...this.#toldIn(args))
  }

  static {
    // The types of `ws` know these two as plain properties, which TypeScript does not let accessors override.
    const unsent = Object.getOwnPropertyDescriptor(WebSocket.prototype, 'bufferedAmount') as {
      get(this: WebSocket): number
    }
    Object.defineProperties(this.prototype, {
      bufferedAmount: {
        get(this: ServerSocket) {
          return unsent.get.call(this) + (this.owner?.queuedBytes ?? 0)
        }
      },
      binaryType: {
        get(this: ServerSocket) {
          return this.owner?.emitter.binaryType ?? 'nodebuffer'
        },
        set(this: ServerSocket, type: BinaryType) {
          // Like `ws`, which ignores what it does not know. Its own receiver keeps to buffers: the owner needs them.
          if (this.owner !== undefined && BINARY_TYPES.includes(type)) this.owner.emitter.binaryType = type
        }
      }
    })
  }
}

function binaryAs(type: BinaryType, data: Buffer): unknown {
  if (type === 'arraybuffer') return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)
  if (type === 'fragments') return [data]
  return type === 'blob' ? new Blob([new Uint8Array(data)]) : data
}
