import type { Duplex } from 'node:stream'
import type { FastifyBaseLogger } from 'fastify'
import { WebSocket } from 'ws'
import { assertSendable, CloseCode, fitReason } from '../internal/close-codes.ts'
import { nextTick } from '../internal/event-loop.ts'
import { BinaryMessage, type WebSocketMessage } from '../internal/message.ts'
import type { CloseState } from './close-state.ts'
import { type BinaryType, MessageEmitter } from './read/message-emitter.ts'
import type { ReadQueue } from './read/read-queue.ts'
import type { Writer } from './write/writer.ts'
import {
  bufferedBytes,
  type Data,
  newSender,
  type Sender,
  type SendOptions,
  setStream,
  setWasClean,
  UnconnectedWebSocket
} from './ws-private.ts'

/** The part of a session that its socket uses. An interface, because the session imports the socket. */
export interface SocketSession {
  readonly stream: Duplex
  readonly protocol: string
  /** True if permessage-deflate was negotiated. */
  readonly isCompressed: boolean
  readonly log: FastifyBaseLogger
  readonly closeState: CloseState
  readonly readQueue: ReadQueue
  readonly writer: Pick<Writer, 'flush' | 'unsentBytes'>
  close(code: number, reason: string): void
  terminate(): void
  /** Reads from the stream, or stops: `isHeld` of the socket may have changed. */
  updateFlow(): void
}

type Callback = (error?: Error) => void
type Listener = (this: WebSocket, ...args: unknown[]) => unknown

const BINARY_TYPES: readonly unknown[] = ['nodebuffer', 'arraybuffer', 'fragments', 'blob'] satisfies BinaryType[]
const NOTHING = Buffer.alloc(0)

/**
 * A connection in the form of a socket of `ws`, for libraries that expect one. It exists only if the application asks for it,
 * and reads and writes through the session. Its `message` listeners get what the session reads for them.
 */
export class ServerSocket extends UnconnectedWebSocket {
  // Private, because applications set properties of their own on a socket, such as `session`.
  readonly #session: SocketSession
  /** Reads for the `message` listeners. */
  readonly #emitter: MessageEmitter
  /** True after a listener has failed. The connection is closed then, and further failures are ignored. */
  #hasFailed = false
  #sender: Sender | undefined

  constructor(session: SocketSession) {
    super(null, undefined, {})
    this.#session = session
    this.#emitter = new MessageEmitter(session.readQueue, (message, binaryType) =>
      this.#emitMessage(message, binaryType)
    )
    setStream(this, session.stream)
  }

  // ---- Events

  /** Gives a message to the `message` listeners; a binary one as this type. */
  #emitMessage({ type, data }: WebSocketMessage, binaryType: BinaryType): void {
    const isBinary = type === BinaryMessage
    this.callListeners('message', isBinary ? binaryAs(binaryType, data) : data, isBinary)
  }

  /** The connection is closed. `code` and `reason` are those of the client's close frame. */
  emitClose(code: number, reason: string, wasClean: boolean): void {
    this.#emitter.finish()
    setWasClean(this, wasClean)
    this.callListeners('close', code, Buffer.from(reason))
  }

  /** If a listener fails, the others are still called, and the process does not crash. */
  callListeners(event: string, ...args: unknown[]): void {
    const onError = (error: unknown): void => this.#onListenerError(event, error)
    for (const listener of this.rawListeners(event) as Listener[]) {
      try {
        const result = listener.apply(this, args)
        if (result instanceof Promise) result.catch(onError)
      } catch (error) {
        onError(error)
      }
    }
  }

  #onListenerError(event: string, error: unknown): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    this.#emitter.stop()
    this.#session.close(CloseCode.InternalServerError, 'internal error')
    try {
      this.#session.log.error({ err: error, event }, 'a listener of ws.socket failed')
    } catch {
      // Listeners can throw anything, even values that cannot be logged.
    }
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
    if (event !== 'message' || this.#session.closeState.info !== undefined) return this
    if (this.listenerCount('message') > 0) this.#emitter.start()
    else this.#emitter.stop()
    return this
  }

  // ---- Pausing

  /** True from `pause()` to `resume()`. */
  get isHeld(): boolean {
    return this.#emitter.isPaused
  }

  override pause(): void {
    this.#emitter.pause()
    this.#session.updateFlow()
  }

  override resume(): void {
    this.#emitter.resume()
    this.#session.updateFlow()
  }

  // ---- Closing and sending

  override close(code?: number, reason?: string | Buffer): void {
    const text = reason?.toString() ?? ''
    if (code !== undefined) assertSendable(code, text)
    this.#session.close(code ?? CloseCode.NoStatusReceived, fitReason(text))
  }

  override terminate(): void {
    this.#session.terminate()
  }

  /** Never compressed: the application gets exactly the frame that it asked for. */
  override send(data: Data, callback?: Callback): void
  override send(data: Data, options: SendOptions, callback?: Callback): void
  override send(data: Data, options?: SendOptions | Callback, callback?: Callback): void {
    if (typeof options === 'function') return this.send(data, {}, options)
    const payload = typeof data === 'number' ? String(data) : data || NOTHING
    const binary = typeof payload !== 'string'
    this.#send(callback, (sender) =>
      sender.send(payload, { binary, ...options, fin: options?.fin ?? true, mask: false, compress: false }, callback)
    )
  }

  override ping(...args: Parameters<WebSocket['ping']>): void {
    const { data, callback } = controlArguments(args)
    this.#send(callback, (sender) => sender.ping(data, false, callback))
  }

  override pong(...args: Parameters<WebSocket['pong']>): void {
    const { data, callback } = controlArguments(args)
    this.#send(callback, (sender) => sender.pong(data, false, callback))
  }

  /** Calls back with a CloseError if the socket is closing, so that the application learns what has happened. */
  #send(callback: Callback | undefined, send: (sender: Sender) => void): void {
    const { stream, closeState, writer } = this.#session
    if (this.readyState !== WebSocket.OPEN) {
      if (callback !== undefined) nextTick(() => callback(closeState.error()))
      return
    }
    writer.flush(true)
    send((this.#sender ??= newSender(stream)))
  }

  // ---- State

  #readyState(): 1 | 2 | 3 {
    const { stream, closeState } = this.#session
    if (closeState.info !== undefined) return WebSocket.CLOSED
    return closeState.hasBegun || !stream.writable ? WebSocket.CLOSING : WebSocket.OPEN
  }

  static {
    // The types of `ws` declare these as plain properties, and TypeScript allows no accessors to override them.
    Object.defineProperties(this.prototype, {
      binaryType: {
        get(this: ServerSocket) {
          return this.#emitter.binaryType
        },
        set(this: ServerSocket, type: BinaryType) {
          // Like `ws`, ignore unknown types.
          if (BINARY_TYPES.includes(type)) this.#emitter.binaryType = type
        }
      },
      ...getters({
        readyState: (socket) => socket.#readyState(),
        protocol: (socket) => socket.#session.protocol,
        extensions: (socket) => (socket.#session.isCompressed ? 'permessage-deflate' : ''),
        isPaused: (socket) => socket.#session.stream.isPaused(),
        bufferedAmount: (socket) =>
          socket.#session.writer.unsentBytes + (socket.#sender === undefined ? 0 : bufferedBytes(socket.#sender))
      })
    })
  }
}

function getters(get: Record<string, (socket: ServerSocket) => unknown>): PropertyDescriptorMap {
  return Object.fromEntries(
    Object.entries(get).map(([name, read]) => [
      name,
      {
        configurable: true,
        enumerable: true,
        get(this: ServerSocket) {
          return read(this)
        }
      }
    ])
  )
}

/** The arguments of `ping` and `pong`: data, whether to mask it, and a callback, all optional. */
function controlArguments(args: unknown[]): { data: Data; callback: Callback | undefined } {
  const callback = args.find((arg) => typeof arg === 'function') as Callback | undefined
  const [data] = args
  if (data === callback) return { data: NOTHING, callback }
  return { data: typeof data === 'number' ? String(data) : ((data || NOTHING) as Data), callback }
}

function binaryAs(type: BinaryType, data: Buffer): unknown {
  if (type === 'arraybuffer') return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)
  if (type === 'fragments') return [data]
  return type === 'blob' ? new Blob([new Uint8Array(data)]) : data
}
