import { isIPv6, type Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import type { LimitedConnection } from '../config/rate-limit.ts'
import type { WebSocketConfig } from '../config/route-config.ts'
import { addressOf } from '../internal/ip-address.ts'
import { assertSendable, assertTimeout, CloseCode, type CloseInfo, fitReason } from '../internal/close-codes.ts'
import { COPY_LIMIT } from '../internal/header-room.ts'
import { newConnectionId } from '../internal/connection-id.ts'
import { brand } from '../internal/package-copies.ts'
import { describe, errors } from '../internal/errors.ts'
import {
  BinaryMessage,
  type MessageType,
  PingMessage,
  PongMessage,
  TextMessage,
  type WebSocketMessage
} from '../internal/message.ts'
import {
  assertDataType,
  controlPayload,
  jsonOf,
  type MessageData,
  ownCopy,
  payloadOf,
  valueOf
} from '../internal/payload.ts'
import { markHandled, rejected, withTimeout } from '../internal/promises.ts'
import { contextOf, type ShutdownState, type WebSocketContext } from './context.ts'
import type { WebSocketLocals } from './locals.ts'
import { abortable } from './read/abortable-read.ts'
import { MessageIterator } from './read/message-iterator.ts'
import type { Reader } from './read/read-queue.ts'
import type { Session } from './session.ts'
import { frameOf } from './write/frame.ts'

type LocalOf<K extends string> = K extends keyof WebSocketLocals ? WebSocketLocals[K] : unknown

/**
 * A WebSocket connection: read it in a loop, write to it, await the writes.
 *
 * ```ts
 * app.webSocket('/echo', async (ws) => {
 *   for await (const { type, data } of ws) await ws.writeMessage(type, data)
 * })
 * ```
 */
export class WebSocketConnection implements AsyncIterable<WebSocketMessage> {
  static {
    brand(this, 'connection')
  }

  /** The upgrade request. */
  readonly request: FastifyRequest
  /** @internal */
  readonly session: Session
  readonly #shutdown: ShutdownState
  // These are created when first needed: most connections never need them.
  #remoteAddr: string | undefined
  #localAddr: string | undefined
  #id: string | undefined
  #locals: Map<string, unknown> | undefined
  #context: WebSocketContext | undefined

  /** @internal */
  constructor(session: Session, request: FastifyRequest, shutdown: ShutdownState) {
    this.session = session
    session.connection = this
    this.request = request
    this.#shutdown = shutdown
    // Node.js remembers the address of a closed socket only if it was read before.
    void socketOf(session, request).remoteAddress
    const { rateLimit } = session.config
    const onLimit = rateLimit === false ? undefined : rateLimit.onLimit
    if (typeof onLimit === 'function') session.onLimit = () => void callOnLimit(onLimit, this)
  }

  // ---- Reading

  /**
   * Returns the next message, in the order in which the client sent them. Only one read at a time may wait.
   *
   * @param options.signal stops waiting when it is aborted, and rejects with its reason. No message is lost.
   * @throws CloseError if the connection is closed and all messages were read.
   * @throws FST_BLAZE_WS_CONCURRENT_READ if another read waits, or if `socket` has `message` listeners.
   */
  readMessage(options?: { signal?: AbortSignal }): Promise<WebSocketMessage> {
    const signal = options?.signal
    if (signal?.aborted) return rejected(signal.reason as Error)
    const { readQueue } = this.session
    const message = readQueue.take()
    if (message !== undefined) return Promise.resolve(message)
    return markHandled(
      new Promise<WebSocketMessage>((resolve, reject) => {
        const reader: Reader = { message: resolve, end: (error) => reject(error()), refuse: reject }
        readQueue.read(signal === undefined ? reader : abortable(reader, signal, readQueue))
      })
    )
  }

  /**
   * Returns the next message, parsed as JSON. The keys `__proto__` and `constructor.prototype` are refused.
   *
   * @param options.signal like that of `readMessage`.
   * @throws FST_BLAZE_WS_INVALID_JSON, with `closeCode` 1007, if the message is not valid JSON. The connection stays open.
   * @throws CloseError and FST_BLAZE_WS_CONCURRENT_READ like `readMessage`.
   */
  readJSON<T = unknown>(options?: { signal?: AbortSignal }): Promise<T> {
    return markHandled(this.readMessage(options).then((message) => valueOf(message) as T))
  }

  /**
   * Iterates over the messages until the connection ends. The loop then ends without an error; `closeInfo` says why. To leave
   * the loop early does not close the connection.
   *
   * @throws FST_BLAZE_WS_CONCURRENT_READ like `readMessage`.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<WebSocketMessage> {
    return new MessageIterator(this.session.readQueue)
  }

  // ---- Writing

  /**
   * Sends a message. Resolves once at most `writeBufferSize` bytes are unsent. If you await it, a slow client slows the handler
   * down instead of filling the memory. If you do not, a rejection cannot crash the process.
   *
   * The types `PingMessage` and `PongMessage` send a ping or a pong.
   *
   * All errors are rejections of the promise.
   *
   * @throws CloseError if the connection is closing or closed.
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT, a TypeError, if the type or the data is invalid, or if text is not UTF-8.
   * @throws FST_BLAZE_WS_OUT_OF_RANGE, a RangeError, if a ping or pong is longer than 125 bytes.
   */
  writeMessage(type: MessageType, data: MessageData): Promise<void> {
    try {
      if (type === PingMessage || type === PongMessage) return this.session.write(frameOf(type, controlPayload(data)))
      assertDataType(type)
      const payload = copyIfNeeded(payloadOf(type, data), this.session.config)
      return this.session.write(frameOf(type, payload, this.session.deflate))
    } catch (error) {
      return rejected(error as Error)
    }
  }

  /** Sends a text message. See `writeMessage`. */
  writeText(text: string): Promise<void> {
    if (typeof text === 'string') return this.writeMessage(TextMessage, text)
    return rejected(
      new errors.INVALID_ARGUMENT(
        'text',
        `must be a string, got ${describe(text)}; use writeMessage for bytes and writeJSON for other values`
      )
    )
  }

  /** Sends a binary message. Do not change the bytes before the promise resolves. See `writeMessage`. */
  writeBinary(bytes: Exclude<MessageData, string>): Promise<void> {
    if (typeof bytes !== 'string') return this.writeMessage(BinaryMessage, bytes)
    return rejected(new errors.INVALID_ARGUMENT('bytes', 'must be a Uint8Array or an ArrayBuffer, got string'))
  }

  /**
   * Sends a value as a JSON text message. See `writeMessage`.
   *
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT, a TypeError, if the value has no JSON form, such as `undefined` or a cycle.
   */
  writeJSON(value: unknown): Promise<void> {
    try {
      return this.writeMessage(TextMessage, jsonOf(value))
    } catch (error) {
      return rejected(error as Error)
    }
  }

  /**
   * Sends a message if there is room, and never waits. Returns false if the message was dropped, because the connection is
   * closing or closed, or because `sendQueueSize` messages already wait. `dropped` counts these messages.
   *
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT, a TypeError, if the type or the data is invalid, or if text is not UTF-8.
   */
  writeAsync(data: MessageData, type: MessageType = TextMessage): boolean {
    assertDataType(type)
    const payload = payloadOf(type, data)
    const taken =
      !this.isClosed() &&
      this.session.writer.offer(
        frameOf(type, typeof payload === 'string' ? payload : ownCopy(payload), this.session.deflate),
        false
      ) === 'taken'
    if (!taken) this.session.dropped++
    return taken
  }

  /**
   * Sends a ping of at most 125 bytes. See `writeMessage`. You need no pings of your own to detect dead connections:
   * `pingInterval` does.
   */
  ping(data: MessageData = ''): Promise<void> {
    return this.writeMessage(PingMessage, data)
  }

  /** Sends a pong of at most 125 bytes. See `writeMessage`. The client's pings are answered automatically. */
  pong(data: MessageData = ''): Promise<void> {
    return this.writeMessage(PongMessage, data)
  }

  // ---- Closing

  /**
   * Closes the connection. Earlier writes are sent first, then the close frame. Resolves once the connection is fully closed. A
   * client that does not answer within `closeTimeout` is dropped. If the connection is already closing, the first code stands.
   * A reason longer than 123 bytes is cut.
   *
   * All errors are rejections of the promise.
   *
   * @param code 1000 to 1003, 1007 to 1014, or 3000 to 4999 (RFC 6455, 7.4). @default 1000
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT, a TypeError, if the code or the reason has the wrong type.
   * @throws FST_BLAZE_WS_OUT_OF_RANGE, a RangeError, if the code cannot be sent.
   */
  close(code: number = CloseCode.NormalClosure, reason = ''): Promise<void> {
    try {
      assertSendable(code, reason)
    } catch (error) {
      return rejected(error as Error)
    }
    this.session.close(code, fitReason(reason))
    return this.session.closeState.whenClosed()
  }

  /**
   * Closes with 1000, and drops the connection if it is not fully closed after `timeout` milliseconds. Resolves once it is
   * fully closed.
   *
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT or FST_BLAZE_WS_OUT_OF_RANGE, as rejections, if the timeout is not 0 to 2147483647.
   */
  closeGracefully(timeout: number): Promise<void> {
    try {
      assertTimeout(timeout)
    } catch (error) {
      return rejected(error as Error)
    }
    const closed = this.close()
    return withTimeout(closed, timeout, () => {
      this.terminate()
      return closed
    })
  }

  /** Drops the connection at once. No close frame and no waiting messages are sent. */
  terminate(): void {
    this.session.terminate()
  }

  /**
   * Closes with 4401 at this time. Use it if the token that opened the connection expires. Another call moves the time, for
   * example after the client has sent a new token; `Infinity` removes it. A time in the past closes at once. The time is that
   * of the wall clock, and is checked at least twice a second.
   *
   * @param time a Date, or milliseconds since 1970.
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT, a TypeError, if it is not a valid time.
   */
  expireAt(time: Date | number): void {
    const milliseconds = Number(time)
    if ((typeof time !== 'number' && !(time instanceof Date)) || Number.isNaN(milliseconds)) {
      throw new errors.INVALID_ARGUMENT(
        'time',
        `must be a valid Date or milliseconds since 1970, got ${describe(time)}`
      )
    }
    this.session.expireAt(milliseconds)
  }

  /** True once the connection is closing or closed: further writes reject. */
  isClosed(): boolean {
    return this.session.closeState.hasBegun
  }

  /** How the connection ended; undefined until it is fully closed. */
  get closeInfo(): CloseInfo | undefined {
    return this.session.closeState.info
  }

  /** Aborted once the connection is fully closed. Its reason is a `CloseError`. */
  get signal(): AbortSignal {
    return this.session.closeState.signal
  }

  // ---- State

  /**
   * A unique id, even among all nodes of a cluster. A hub accepts it in place of a room name, to send to this connection only.
   */
  get id(): string {
    return (this.#id ??= newConnectionId())
  }

  /** @internal Whether this is its id. If nobody has read the id, nobody can know it, and it is not made for this. */
  isCalled(id: string): boolean {
    return this.#id === id
  }

  /** The negotiated subprotocol; `''` if there is none. */
  get protocol(): string {
    return this.session.protocol
  }

  /** How many bytes were written and not yet taken by the kernel. */
  get bufferedAmount(): number {
    return this.session.writer.unsentBytes
  }

  /** How many messages to this client were dropped, by `writeAsync` or by the hub. */
  get dropped(): number {
    return this.session.dropped
  }

  /**
   * The connection as a socket of the `ws` package, for features that this class lacks and for libraries that expect one. It is
   * made when you first ask for it. Messages that you
   * send on it go out after those that were written here. While it has `message` listeners, they get all messages, and reads
   * reject with FST_BLAZE_WS_CONCURRENT_READ. The connection still closes when the handler settles, so let the handler wait for
   * the `close` event.
   */
  get socket(): WebSocket {
    return this.session.socket
  }

  // ---- The upgrade request

  /** The client's address as `ip:port`, or `[ip]:port` for IPv6. The ip respects Fastify's `trustProxy`. */
  remoteAddr(): string {
    return (this.#remoteAddr ??= formatAddress(
      addressOf(this.request),
      socketOf(this.session, this.request).remotePort
    ))
  }

  /** The server's address as `ip:port`, or `[ip]:port` for IPv6; `''` if the client disconnected before the first call. */
  localAddr(): string {
    return (this.#localAddr ??= this.#readLocalAddress())
  }

  #readLocalAddress(): string {
    const { localAddress, localPort } = socketOf(this.session, this.request)
    return formatAddress(localAddress, localPort)
  }

  /** The `User-Agent` header of the upgrade request; `''` if there is none. */
  userAgent(): string {
    return this.header('user-agent')
  }

  /** A header of the upgrade request; `''` if there is none. The name is case-insensitive. */
  header(name: string): string {
    const headers = this.request.headers
    const key = name.toLowerCase()
    const value = Object.hasOwn(headers, key) ? headers[key] : undefined
    return Array.isArray(value) ? value.join(', ') : (value ?? '')
  }

  /** The upgrade request with its parameters and logger, and the state of the server. */
  context(): WebSocketContext {
    return (this.#context ??= contextOf(this, this.#shutdown))
  }

  // ---- Values of the application

  /** Keeps a value for as long as the connection lives. Declare its type in `WebSocketLocals`. */
  setLocal<K extends string>(key: K, value: LocalOf<K>): void {
    ;(this.#locals ??= new Map()).set(key, value)
  }

  /** Returns the value that `setLocal` has kept under this key; undefined if there is none. */
  getLocal<K extends keyof WebSocketLocals>(key: K): WebSocketLocals[K] | undefined
  getLocal<T = unknown>(key: string): T | undefined
  getLocal(key: string): unknown {
    return this.#locals?.get(key)
  }
}

/** Copies a payload that could still be needed after the write has resolved, when the caller may change its bytes. */
function copyIfNeeded(payload: string | Buffer, { writeBufferSize }: WebSocketConfig): string | Buffer {
  const resolvesEarly = payload.length > COPY_LIMIT && payload.length <= writeBufferSize
  return resolvesEarly && typeof payload !== 'string' ? ownCopy(payload) : payload
}

/** If the callback fails, the error is logged, and the connection goes on. */
async function callOnLimit(onLimit: (ws: LimitedConnection) => unknown, ws: WebSocketConnection): Promise<void> {
  try {
    await onLimit(ws)
  } catch (error) {
    ws.request.log.error({ err: error }, 'onLimit of a rateLimit failed')
  }
}

/**
 * The socket that knows the addresses: the session's stream, except for an upgrade with a body (Node.js 26), whose stream has
 * none. Streams in memory have no addresses at all.
 */
function socketOf({ stream }: Session, request: FastifyRequest): Partial<Socket> {
  return 'remoteAddress' in stream ? (stream as Socket) : (request.raw.socket ?? {})
}

function formatAddress(ip: string | undefined, port: number | undefined): string {
  if (ip === undefined) return ''
  return `${isIPv6(ip) ? `[${ip}]` : ip}:${port ?? 0}`
}
