import { isUtf8 } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { isIPv6 } from 'node:net'
import type { FastifyRequest } from 'fastify'
import secureJson from 'secure-json-parse'
import type { WebSocket } from 'ws'
import { assertSendable, assertTimeout, CloseCode, type CloseInfo, fitReason } from '../close.ts'
import { describe, errors } from '../errors.ts'
import { BinaryMessage, type MessageType, PingMessage, PongMessage, TextMessage, type WebSocketMessage } from '../message.ts'
import type { Channel } from './channel.ts'
import { contextOf, type ShutdownState, type WebSocketContext } from './context.ts'
import { COPY_LIMIT, frameOf } from './frame.ts'
import { abortable } from './abortable.ts'
import type { Reader } from './inbound.ts'
import type { WebSocketLocals } from './locals.ts'
import { Messages } from './messages.ts'
import { assertDataType, controlPayload, jsonOf, type MessageData, ownCopy, payloadOf } from './payload.ts'
import { harmless, silenced } from './silenced.ts'

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
  /** The upgrade request. */
  readonly request: FastifyRequest
  /** @internal */
  readonly channel: Channel
  readonly #shutdown: ShutdownState
  #remote: string | undefined
  #local: string | undefined
  #id: string | undefined
  #locals: Map<string, unknown> | undefined
  #context: WebSocketContext | undefined

  /** @internal */
  constructor(channel: Channel, request: FastifyRequest, shutdown: ShutdownState) {
    this.channel = channel
    this.request = request
    this.#shutdown = shutdown
    // Node remembers the address of a socket that is gone only where it was asked for it before.
    void this.#raw.remoteAddress
    const { rateLimit } = channel.config
    if (rateLimit !== false && typeof rateLimit.onLimit === 'function') channel.onLimit = () => void this.#limited(rateLimit.onLimit as (ws: WebSocketConnection) => unknown)
  }

  // ---- Reading

  /**
   * The next message, in the order they came. One reader at a time.
   *
   * @param options.signal gives up waiting when it is aborted; no message is lost by that.
   * @throws CloseError once the connection is closed and all that had arrived was read.
   * @throws FST_BLAZE_WS_CONCURRENT_READ while another read waits.
   */
  readMessage(options?: { signal?: AbortSignal }): Promise<WebSocketMessage> {
    const signal = options?.signal
    if (signal?.aborted) return silenced(signal.reason as Error)
    const { inbound } = this.channel
    const message = inbound.take()
    if (message !== undefined) return Promise.resolve(message)
    return harmless(
      new Promise<WebSocketMessage>((resolve, reject) => {
        const reader: Reader = { message: resolve, end: reject }
        inbound.read(signal === undefined ? reader : abortable(reader, signal, inbound))
      })
    )
  }

  /**
   * The next message, parsed as JSON; objects with `__proto__` or `constructor.prototype` keys are refused.
   *
   * @throws FST_BLAZE_WS_INVALID_JSON, with `closeCode` 1007, where it is none; the connection stays open.
   * @param options.signal as for `readMessage`.
   * @throws CloseError as `readMessage`.
   */
  readJSON<T = unknown>(options?: { signal?: AbortSignal }): Promise<T> {
    const parsed = this.readMessage(options).then(({ type, data }) => {
      if (type === BinaryMessage && !isUtf8(data)) throw invalidJson('it is not UTF-8')
      try {
        return secureJson.parse(data.toString()) as T
      } catch (error) {
        throw invalidJson((error as Error).message)
      }
    })
    return harmless(parsed)
  }

  /** The messages until the connection ends; ends quietly however it was closed, see `closeInfo`. Leaving the loop closes nothing. */
  [Symbol.asyncIterator](): AsyncIterableIterator<WebSocketMessage> {
    return new Messages(this.channel.inbound)
  }

  // ---- Writing

  /**
   * Sends a message. Resolves when the socket took it and no more than `writeBufferSize` is unsent: await it, and a slow
   * client slows you down instead of filling the memory. Not awaiting it is safe.
   *
   * A `PingMessage` or `PongMessage` is sent as such.
   *
   * @throws CloseError (as a rejection, like the others) once the connection is closed.
   * @throws TypeError where the type or the data is of no use, or text is not UTF-8.
   */
  writeMessage(type: MessageType, data: MessageData): Promise<void> {
    try {
      if (type === PingMessage || type === PongMessage) return this.channel.write(frameOf(type, controlPayload(data)))
      assertDataType(type)
      return this.channel.write(frameOf(type, this.#kept(payloadOf(type, data)), this.channel.deflate))
    } catch (error) {
      return silenced(error as Error)
    }
  }

  /** A payload that may still be needed when the write has resolved, which is then in memory of our own. */
  #kept(payload: string | Buffer): string | Buffer {
    const resolvesEarly = payload.length > COPY_LIMIT && payload.length <= this.channel.config.writeBufferSize
    return resolvesEarly && typeof payload !== 'string' ? ownCopy(payload) : payload
  }

  /** Sends a text message. See `writeMessage`. */
  writeText(text: string): Promise<void> {
    if (typeof text === 'string') return this.writeMessage(TextMessage, text)
    return silenced(new errors.INVALID_ARGUMENT('text', `must be a string (for bytes there is writeMessage, for values writeJSON), got ${describe(text)}`))
  }

  /** Sends a binary message. Do not change the bytes before the promise resolves. See `writeMessage`. */
  writeBinary(bytes: Exclude<MessageData, string>): Promise<void> {
    if (typeof bytes !== 'string') return this.writeMessage(BinaryMessage, bytes)
    return silenced(new errors.INVALID_ARGUMENT('bytes', 'must be a Uint8Array or an ArrayBuffer, got string'))
  }

  /** Sends a value as JSON. Rejects with a TypeError where it has no JSON form. See `writeMessage`. */
  writeJSON(value: unknown): Promise<void> {
    try {
      return this.writeMessage(TextMessage, jsonOf(value))
    } catch (error) {
      return silenced(error as Error)
    }
  }

  /**
   * Sends without ever waiting. False where the message was dropped: the connection is closed, or `sendQueueSize` messages
   * already wait for the socket. What was dropped is counted in `dropped`.
   *
   * @throws TypeError where the data is neither string nor bytes, or is to be text and not UTF-8.
   */
  writeAsync(data: MessageData, type: MessageType = TextMessage): boolean {
    assertDataType(type)
    const payload = payloadOf(type, data)
    const taken =
      !this.isClosed() &&
      this.channel.outbound.offer(frameOf(type, typeof payload === 'string' ? payload : ownCopy(payload), this.channel.deflate), false) === 'taken'
    if (!taken) this.channel.dropped++
    return taken
  }

  /** Sends a ping of at most 125 bytes. The peer's pong is taken note of by the heartbeat. */
  ping(data: MessageData = ''): Promise<void> {
    return this.writeMessage(PingMessage, data)
  }

  /** Sends a pong of at most 125 bytes; pings are answered without it. */
  pong(data: MessageData = ''): Promise<void> {
    return this.writeMessage(PongMessage, data)
  }

  // ---- Closing

  /**
   * Closes the connection: what was written goes out, then the close frame. Resolves when it is fully closed; the peer's close
   * frame is waited for 5 seconds. Calling it again is harmless. A reason is cut to the 123 bytes that fit.
   *
   * @throws TypeError or RangeError (as a rejection) where the code cannot be sent (RFC 6455, 7.4).
   */
  close(code: number = CloseCode.NormalClosure, reason = ''): Promise<void> {
    try {
      assertSendable(code, reason)
    } catch (error) {
      return silenced(error as Error)
    }
    this.channel.close(code, fitReason(reason))
    return this.channel.ending.finished()
  }

  /** Closes with 1000 and drops the connection where it is not fully closed after `timeout` milliseconds. */
  closeGracefully(timeout: number): Promise<void> {
    try {
      assertTimeout(timeout)
    } catch (error) {
      return silenced(error as Error)
    }
    const timer = setTimeout(() => this.terminate(), timeout).unref()
    return this.close().finally(() => clearTimeout(timer))
  }

  /** Drops the connection at once, without a close frame and without what was not sent. */
  terminate(): void {
    this.channel.terminate()
  }

  /**
   * Closes with 4401 at this time, when the token that opened the connection runs out. Calling it again moves the time, so that
   * a client can prove itself anew; `Infinity` takes it back. A time in the past closes at once. The time is that of the wall
   * clock; it is looked at twice a second.
   *
   * @param time a Date, or milliseconds since 1970.
   * @throws TypeError (FST_BLAZE_WS_INVALID_ARGUMENT) where it is no time.
   */
  expireAt(time: Date | number): void {
    const milliseconds = Number(time)
    if ((typeof time !== 'number' && !(time instanceof Date)) || Number.isNaN(milliseconds)) {
      throw new errors.INVALID_ARGUMENT('time', `must be a valid Date or milliseconds since 1970, got ${describe(time)}`)
    }
    this.channel.expireAt(milliseconds)
  }

  /** True once the connection is closed or closing: nothing can be written any more. */
  isClosed(): boolean {
    return this.channel.ending.hasBegun
  }

  /** How the connection ended; undefined until it is fully closed. */
  get closeInfo(): CloseInfo | undefined {
    return this.channel.ending.info
  }

  /** Aborted, with a `CloseError` as its reason, when the connection is fully closed. */
  get signal(): AbortSignal {
    return this.channel.ending.signal
  }

  // ---- State

  /** Unique for each connection. */
  get id(): string {
    return (this.#id ??= randomUUID())
  }

  /** The underlying socket of `ws`, for what this class lacks. What is sent on it goes out behind what was written here. */
  get socket(): WebSocket {
    return this.channel.socket
  }

  /** The subprotocol that was chosen; `''` where there is none. */
  get protocol(): string {
    return this.socket.protocol
  }

  /** How many bytes were written and not yet taken by the kernel. */
  get bufferedAmount(): number {
    return this.channel.outbound.unsent
  }

  /** How many messages to this connection were dropped, by `writeAsync` or by the hub. */
  get dropped(): number {
    return this.channel.dropped
  }

  /** `ip:port` of the client (`[ip]:port` for IPv6); the ip is that of Fastify's `trustProxy`. */
  remoteAddr(): string {
    return (this.#remote ??= address(this.request.ip, this.#raw.remotePort))
  }

  /** `ip:port` of our side; `''` where the client cut the connection before this was first asked for. */
  localAddr(): string {
    return (this.#local ??= address(this.#raw.localAddress, this.#raw.localPort))
  }

  /** A limit's answer may fail, and its connection goes on. */
  async #limited(onLimit: (ws: WebSocketConnection) => unknown): Promise<void> {
    try {
      await onLimit(this)
    } catch (error) {
      this.request.log.error({ err: error }, 'onLimit of a rateLimit failed')
    }
  }

  /** A pair of streams in memory, as `injectWS` makes one, has no addresses. */
  get #raw(): Partial<FastifyRequest['socket']> {
    return this.channel.raw as Partial<FastifyRequest['socket']>
  }

  /** The User-Agent header of the upgrade request; `''` where it is absent. */
  userAgent(): string {
    return this.header('user-agent')
  }

  /** A header of the upgrade request, its name in any case; `''` where it is absent. */
  header(name: string): string {
    const headers = this.request.headers
    const key = name.toLowerCase()
    const value = Object.hasOwn(headers, key) ? headers[key] : undefined
    return Array.isArray(value) ? value.join(', ') : (value ?? '')
  }

  /** The request, its parameters and logger, and the server's shutdown. */
  context(): WebSocketContext {
    return (this.#context ??= contextOf(this.request, this.#shutdown))
  }

  /** Keeps a value for as long as the connection lives. */
  setLocal<K extends string>(key: K, value: LocalOf<K>): void {
    ;(this.#locals ??= new Map()).set(key, value)
  }

  /** What `setLocal` kept under this key. */
  getLocal<K extends keyof WebSocketLocals>(key: K): WebSocketLocals[K] | undefined
  getLocal<T = unknown>(key: string): T | undefined
  getLocal(key: string): unknown {
    return this.#locals?.get(key)
  }
}

function invalidJson(detail: string): Error {
  return Object.assign(new errors.INVALID_JSON(detail), { closeCode: CloseCode.InvalidFramePayloadData })
}

function address(ip: string | undefined, port: number | undefined): string {
  if (ip === undefined) return ''
  return `${isIPv6(ip) ? `[${ip}]` : ip}:${port ?? 0}`
}
