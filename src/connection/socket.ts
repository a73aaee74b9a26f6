import { WebSocket } from 'ws'
import { assertSendable, fitReason } from '../internal/close-codes.ts'
import { BinaryMessage, type WebSocketMessage } from '../internal/message.ts'
import type { BinaryType, MessageEmitter } from './read/message-emitter.ts'
import { hasBadFrame } from './ws-private.ts'

/** Sends a close frame. Without a code the frame is empty. */
export type SendClose = (code: number | undefined, reason: string) => void

/** The part of a session that its socket uses. An interface, because the session imports the socket. */
export interface SocketSession {
  /** How many bytes wait in the send queue. */
  readonly queuedBytes: number
  /** Reads for the `message` listeners. */
  readonly messageEmitter: MessageEmitter
  /**
   * A closing handshake begins: we close the socket, the application closes it, the client has sent a close frame, or `ws` has
   * received a bad frame. `send` sends our close frame. It may be called later, after earlier frames were sent.
   */
  onClose(code: number | undefined, reason: string, send: SendClose): void
  /** The application is about to send something on `ws.socket`. */
  beforeSend(): void
  onMessage(data: Buffer, isBinary: boolean): void
  onPing(data: Buffer): void
  onPong(): void
  onError(error: Error): void
  /** The socket is closed. `received` and `reason` are those of the client's close frame; 1006 if none came. */
  onClosed(received: number, reason: string): void
  /** The error for sending on a socket that is closing or closed. */
  closeError(): Error
  /** A `message` listener was added, or the last one was removed. */
  onListening(isListening: boolean): void
  /** A listener has thrown, or returned a promise that rejected. */
  onListenerError(event: string, error: unknown): void
  /** The application has called `pause()`. */
  onPause(): void
  /** The application has called `resume()`. */
  onResume(): void
}

/** The close reasons for bad frames. `ws` gives only a code. */
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
 * The socket of `ws`, bound to a session: it reports to the session what comes in, when it is about to close and when the
 * application is about to send. The application can use it like an ordinary socket of `ws`, except that its `message` listeners
 * get what the session reads for them. Without a session it is an ordinary socket.
 */
export class ServerSocket extends WebSocket {
  // Private, because applications set properties of their own on a socket, such as `session`.
  #session: SocketSession | undefined

  /** Binds the socket to its session. */
  attach(session: SocketSession): void {
    this.#session = session
  }

  /** The session gets every event before the listeners. That costs less than to be a listener, and cannot be removed. */
  override emit(event: string | symbol, ...args: unknown[]): boolean {
    const session = this.#session
    if (session === undefined) return super.emit(event, ...args)
    if (event === 'message') session.onMessage(args[0] as Buffer, args[1] as boolean)
    else if (event === 'ping') session.onPing(args[0] as Buffer)
    else if (event === 'pong') session.onPong()
    else if (event === 'error') session.onError(args[0] as Error)
    else if (event === 'close') session.onClosed(args[0] as number, String(args[1]))
    else return super.emit(event, ...args)
    return event === 'message' || this.#callListeners(event, args)
  }

  /** Gives a message to the `message` listeners; a binary one as this type. */
  emitMessage({ type, data }: WebSocketMessage, binaryType: BinaryType): void {
    const isBinary = type === BinaryMessage
    this.#callListeners('message', [isBinary ? binaryAs(binaryType, data) : data, isBinary])
  }

  /** If a listener fails, the others are still called. `ws` emits events where an error would crash the process. */
  #callListeners(event: string, args: unknown[]): boolean {
    if (this.listenerCount(event) === 0) return false
    const onError = (error: unknown): void => this.#session?.onListenerError(event, error)
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

  // ---- Listeners. `once`, `addEventListener` and `onmessage` call these methods, too.

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
    if (event === 'message') this.#session?.onListening(this.listenerCount('message') > 0)
    return this
  }

  // ---- Pausing: `pause` and `resume` are for the application, `pauseReading` and `resumeReading` for the session

  override pause(): void {
    if (this.#session === undefined) super.pause()
    else this.#session.onPause()
  }

  override resume(): void {
    if (this.#session === undefined) super.resume()
    else this.#session.onResume()
  }

  /** Reads nothing more from the stream. */
  pauseReading(): void {
    super.pause()
  }

  resumeReading(): void {
    super.resume()
  }

  // ---- Closing and sending

  /**
   * `ws` calls this, too: with the client's code after its close frame, and with 1002, 1007, 1008 or 1009 after a bad frame.
   */
  override close(code?: number, reason?: string | Buffer): void {
    if (this.#session === undefined || this.readyState !== WebSocket.OPEN) return super.close(code, reason)
    const text = reason === undefined ? this.#reasonFor(code) : reason.toString()
    // Check here, so that the caller gets the error. `ws` would throw later, when earlier frames have been sent.
    if (code !== undefined) assertSendable(code, text)
    this.#session.onClose(code, fitReason(text), (...args) => super.close(...args))
  }

  #reasonFor(code: number | undefined): string {
    return code !== undefined && hasBadFrame(this) ? (BAD_FRAME[code] ?? '') : ''
  }

  /**
   * Never compressed: the application gets exactly the frame that it asked for, and our permessage-deflate cannot compress for
   * `ws`.
   */
  override send(data: Data, callback?: Callback): void
  override send(data: Data, options: SendOptions, callback?: Callback): void
  override send(data: Data, options?: SendOptions | Callback, callback?: Callback): void {
    this.#session?.beforeSend()
    if (typeof options === 'function') super.send(data, { compress: false }, this.#withCloseError(options))
    else super.send(data, { ...options, compress: false }, this.#withCloseError(callback))
  }

  /** While the socket is closing, `ws` calls back with a plain error. A CloseError tells the application what happened. */
  #withCloseError(callback: Callback | undefined): Callback | undefined {
    const session = this.#session
    if (callback === undefined || session === undefined || this.readyState === WebSocket.OPEN) return callback
    return (error) => callback(error && session.closeError())
  }

  #withCloseErrors<Args extends unknown[]>(args: Args): Args {
    return args.map((arg) => (typeof arg === 'function' ? this.#withCloseError(arg as Callback) : arg)) as Args
  }

  override ping(...args: Parameters<WebSocket['ping']>): void {
    this.#session?.beforeSend()
    super.ping(...this.#withCloseErrors(args))
  }

  override pong(...args: Parameters<WebSocket['pong']>): void {
    this.#session?.beforeSend()
    super.pong(...this.#withCloseErrors(args))
  }

  static {
    // The types of `ws` declare these two as plain properties, and TypeScript allows no accessors to override them.
    const bufferedAmount = Object.getOwnPropertyDescriptor(WebSocket.prototype, 'bufferedAmount') as {
      get(this: WebSocket): number
    }
    Object.defineProperties(this.prototype, {
      bufferedAmount: {
        get(this: ServerSocket) {
          return bufferedAmount.get.call(this) + (this.#session?.queuedBytes ?? 0)
        }
      },
      binaryType: {
        get(this: ServerSocket) {
          return this.#session?.messageEmitter.binaryType ?? 'nodebuffer'
        },
        set(this: ServerSocket, type: BinaryType) {
          // Like `ws`, ignore unknown types. Its receiver always makes buffers, which the session needs.
          if (this.#session !== undefined && BINARY_TYPES.includes(type)) this.#session.messageEmitter.binaryType = type
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
