import type { FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import { assertSendable, assertTimeout, CloseCode, type CloseInfo, fitReason } from '../internal/close.ts'
import type { WebSocketConfig } from '../config/route-config.ts'
import { brand } from '../internal/copies.ts'
import { describe, errors } from '../internal/errors.ts'
import type { LimitedConnection } from '../config/rate-limit.ts'
import {
  BinaryMessage,
  type MessageType,
  PingMessage,
  PongMessage,
  TextMessage,
  type WebSocketMessage
} from '../internal/message.ts'
import { abortable } from './read/abortable-read.ts'
import type { Session } from './session.ts'
import type { ShutdownState } from './context.ts'
import { COPY_LIMIT, frameOf } from './write/frame.ts'
import { ConnectionIdentity } from './identity.ts'
import type { Reader } from './read/read-queue.ts'
import { MessageIterator } from './read/message-iterator.ts'
import {
  assertDataType,
  controlPayload,
  jsonOf,
  type MessageData,
  ownCopy,
  payloadOf,
  valueOf
} from '../internal/payload.ts'
import { markHandled, rejected } from './silenced.ts'

/**
 * A WebSocket connection: read it in a loop, write to it, await the writes.
 *
 * ```ts
 * app.webSocket('/echo', async (ws) => {
 *   for await (const { type, data } of ws) await ws.writeMessage(type, data)
 * })
 * ```
 */
export class WebSocketConnection extends ConnectionIdentity implements AsyncIterable<WebSocketMessage> {
  static {
    brand(this, 'connection')
  }

  /** @internal */
  constructor(session: Session, request: FastifyRequest, shutdown: ShutdownState) {
    super(session, request, shutdown)
    const { rateLimit } = session.config
    const onLimit = rateLimit === false ? undefined : rateLimit.onLimit
    if (typeof onLimit === 'function') session.onLimit = () => void answerLimit(this, onLimit)
  }

  // ---- Reading

  /**
   * The next message, in the order they came. One reader at a time.
   *
   * @param options.signal gives up waiting when it is aborted; no message is lost by that.
   * @throws CloseError once the connection is closed and all that had arrived was read.
   * @throws FST_BLAZE_WS_CONCURRENT_READ while another read waits, or while `socket` has `message` listeners.
   */
  readMessage(options?: { signal?: AbortSignal }): Promise<WebSocketMessage> {
    const signal = options?.signal
    if (signal?.aborted) return rejected(signal.reason as Error)
    const { readQueue } = this.session
    const message = readQueue.take()
    if (message !== undefined) return Promise.resolve(message)
    return markHandled(
      new Promise<WebSocketMessage>((resolve, reject) => {
        const reader: Reader = { message: resolve, end: reject }
        readQueue.read(signal === undefined ? reader : abortable(reader, signal, readQueue))
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
    return markHandled(this.readMessage(options).then((message) => valueOf(message) as T))
  }

  /** The messages until the connection ends; ends quietly however it was closed, see `closeInfo`. Leaving the loop closes nothing. */
  [Symbol.asyncIterator](): AsyncIterableIterator<WebSocketMessage> {
    return new MessageIterator(this.session.readQueue)
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
      if (type === PingMessage || type === PongMessage) return this.session.write(frameOf(type, controlPayload(data)))
      assertDataType(type)
      return this.session.write(frameOf(type, kept(payloadOf(type, data), this.session.config), this.session.deflate))
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
        `must be a string (for bytes there is writeMessage, for values writeJSON), got ${describe(text)}`
      )
    )
  }

  /** Sends a binary message. Do not change the bytes before the promise resolves. See `writeMessage`. */
  writeBinary(bytes: Exclude<MessageData, string>): Promise<void> {
    if (typeof bytes !== 'string') return this.writeMessage(BinaryMessage, bytes)
    return rejected(new errors.INVALID_ARGUMENT('bytes', 'must be a Uint8Array or an ArrayBuffer, got string'))
  }

  /** Sends a value as JSON. Rejects with a TypeError where it has no JSON form. See `writeMessage`. */
  writeJSON(value: unknown): Promise<void> {
    try {
      return this.writeMessage(TextMessage, jsonOf(value))
    } catch (error) {
      return rejected(error as Error)
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
      this.session.writer.offer(
        frameOf(type, typeof payload === 'string' ? payload : ownCopy(payload), this.session.deflate),
        false
      ) === 'taken'
    if (!taken) this.session.dropped++
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
   * Closes the connection: what was written goes out, then the close frame. Resolves when it is fully closed; a peer that does
   * not answer within `closeTimeout` is dropped. Calling it again is harmless, and so is calling it when the peer has closed:
   * the first code stands. A reason is cut to the 123 bytes that fit.
   *
   * @throws TypeError or RangeError (as a rejection) where the code cannot be sent (RFC 6455, 7.4).
   */
  close(code: number = CloseCode.NormalClosure, reason = ''): Promise<void> {
    try {
      assertSendable(code, reason)
    } catch (error) {
      return rejected(error as Error)
    }
    this.session.close(code, fitReason(reason))
    return this.session.closeState.finished()
  }

  /** Closes with 1000 and drops the connection where it is not fully closed after `timeout` milliseconds. */
  closeGracefully(timeout: number): Promise<void> {
    try {
      assertTimeout(timeout)
    } catch (error) {
      return rejected(error as Error)
    }
    const timer = setTimeout(() => this.terminate(), timeout).unref()
    return this.close().finally(() => clearTimeout(timer))
  }

  /** Drops the connection at once, without a close frame and without what was not sent. */
  terminate(): void {
    this.session.terminate()
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
      throw new errors.INVALID_ARGUMENT(
        'time',
        `must be a valid Date or milliseconds since 1970, got ${describe(time)}`
      )
    }
    this.session.expireAt(milliseconds)
  }

  /** True once the connection is closed or closing: nothing can be written any more. */
  isClosed(): boolean {
    return this.session.closeState.hasBegun
  }

  /** How the connection ended; undefined until it is fully closed. */
  get closeInfo(): CloseInfo | undefined {
    return this.session.closeState.info
  }

  /** Aborted, with a `CloseError` as its reason, when the connection is fully closed. */
  get signal(): AbortSignal {
    return this.session.closeState.signal
  }

  // ---- State

  /**
   * The underlying socket of `ws`, for what this class lacks and for libraries that want such a socket. What is sent on it goes
   * out behind what was written here. While it has `message` listeners they get every message and reads are refused. The
   * connection still closes when the handler settles: let it wait for the `close` event.
   */
  get socket(): WebSocket {
    return this.session.socket
  }

  /** How many bytes were written and not yet taken by the kernel. */
  get bufferedAmount(): number {
    return this.session.writer.unsent
  }

  /** How many messages to this connection were dropped, by `writeAsync` or by the hub. */
  get dropped(): number {
    return this.session.dropped
  }
}

/** A payload that may still be needed when the write has resolved, which is then in memory of our own. */
function kept(payload: string | Buffer, { writeBufferSize }: WebSocketConfig): string | Buffer {
  const resolvesEarly = payload.length > COPY_LIMIT && payload.length <= writeBufferSize
  return resolvesEarly && typeof payload !== 'string' ? ownCopy(payload) : payload
}

/** A limit's answer may fail, and its connection goes on. */
async function answerLimit(ws: WebSocketConnection, onLimit: (ws: LimitedConnection) => unknown): Promise<void> {
  try {
    await onLimit(ws)
  } catch (error) {
    ws.request.log.error({ err: error }, 'onLimit of a rateLimit failed')
  }
}
