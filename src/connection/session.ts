import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyBaseLogger } from 'fastify'
import type { WebSocketConfig } from '../config/route-config.ts'
import { now } from '../internal/clock.ts'
import { CloseCode, CloseError, type CloseInfo } from '../internal/close-codes.ts'
import { BinaryMessage, PongMessage, TextMessage, type WebSocketMessage } from '../internal/message.ts'
import type { Scheduler } from '../internal/scheduler.ts'
import { CloseState } from './close-state.ts'
import { setUpCompression } from './compression/compression.ts'
import type { DeflateParams } from './compression/deflate.ts'
import type { CompressedSession } from './compression/inflater.ts'
import { bytesAfterLength, hasClientEnded, hasSentClose, keepHalfOpen, unparsed } from './ws-private.ts'
import { Heartbeat, type HeartbeatSession } from './heartbeat.ts'
import { Lifetime } from './lifetime.ts'
import { CloseFinder } from './read/close-finder.ts'
import { FloodCounter } from './read/flood-counter.ts'
import { MessageEmitter } from './read/message-emitter.ts'
import { type RateLimitedSession, RateLimiter } from './read/rate-limiter.ts'
import { type MessageSource, ReadQueue } from './read/read-queue.ts'
import type { SendClose, ServerSocket, SocketSession } from './socket.ts'
import { type Frame, frameOf } from './write/frame.ts'
import { closeOnFinish } from './write/stream-state.ts'
import { MAX_UNSENT, Writer, type WriterSession } from './write/writer.ts'

/** The timers that all connections of a server share. */
export interface Schedulers {
  /** For heartbeats and deadlines. */
  readonly deadlines: Scheduler
  /** For connections that wait for their rate limit. It is finer, and stops while there are none. */
  readonly throttle: Scheduler
}

/** What is called when something happens on a session, if it is there. See `ConnectionEvents`. */
export interface SessionEvents {
  onMessageIn?: (session: Session, message: WebSocketMessage) => void
  /** The writer has accepted messages and control frames for the client. `bytes` is the size of their frames. */
  onMessagesOut?: (session: Session, messages: number, bytes: number) => void
  /** The send queue of a client was full. Not called again before the client has caught up. */
  onSlow?: (session: Session) => void
}

/** What the sessions of a server share. */
export interface SessionServices {
  readonly schedulers: Schedulers
  readonly events: SessionEvents
}

/**
 * One open socket with its parts: the read queue, the writer, the heartbeat and the close state. The session connects them with
 * each other and with `ws`. `WebSocketConnection` is its public side.
 */
export class Session
  implements SocketSession, MessageSource, HeartbeatSession, CompressedSession, RateLimitedSession, WriterSession
{
  readonly socket: ServerSocket
  /** The stream below the socket. */
  readonly stream: Duplex
  readonly config: WebSocketConfig
  readonly readQueue: ReadQueue
  readonly writer: Writer
  readonly closeState = new CloseState()
  /** How to compress messages to the client; undefined if they are not compressed. */
  readonly deflate: DeflateParams | undefined
  /** How many messages to the client were dropped. */
  dropped = 0
  readonly log: FastifyBaseLogger
  /** When the connection was opened, by `now()`. */
  readonly openedAt = now()
  readonly events: SessionEvents
  /** How many messages came from the client, and how many bytes their payloads had. */
  messagesIn = 0
  bytesIn = 0
  /** How many messages to the client were accepted, and how many bytes they and all control frames have. Dropped ones count, too. */
  messagesOut = 0
  bytesOut = 0
  /** True once the handler has settled. */
  isSettled = false
  /** The `onLimit` callback of the rate limit, if it is a function. */
  onLimit: (() => void) | undefined
  readonly #schedulers: Schedulers
  readonly #heartbeat: Heartbeat
  // These are created when first needed: most connections never need them.
  #lifetime: Lifetime | undefined
  /** The rate limit, if a message over it closes the connection. Otherwise the read queue has it. */
  #closingLimiter: RateLimiter | undefined
  #floodCounter: FloodCounter | undefined
  /** How to close because of a message that could not be inflated. */
  #badMessage: { code: number; reason: string } | undefined
  /** Exists once `ws.socket` is used directly. */
  #messageEmitter: MessageEmitter | undefined
  /** Exists once a bad frame was received. */
  #closeFinder: CloseFinder | undefined

  constructor(
    socket: ServerSocket,
    stream: Duplex,
    config: WebSocketConfig,
    { schedulers, events }: SessionServices,
    log: FastifyBaseLogger
  ) {
    this.socket = socket
    this.stream = stream
    this.config = config
    this.log = log
    this.events = events
    this.#schedulers = schedulers
    this.readQueue = new ReadQueue(this, config.readBufferSize)
    this.writer = new Writer(stream, config, this)
    this.#heartbeat = new Heartbeat(this)
    this.deflate = setUpCompression(this)
    socket.attach(this)
    closeOnFinish(stream)
    schedulers.deadlines.add(this.#heartbeat)
    this.#setUpLimits()
  }

  // ---- For the connection, the hub and the shutdown

  /** Sends a frame; see `Writer.write`. Closes the connection instead if too much is unsent. */
  write(frame: Frame): Promise<void> {
    if (this.writer.wouldOverflow(frame.size)) {
      this.log.warn(
        { unsent: this.writer.unsentBytes, limit: MAX_UNSENT },
        'websocket closed: too many unsent bytes; await the writes'
      )
      this.closeSlow()
    }
    return this.writer.write(frame)
  }

  /** Begins the closing handshake, or completes it. If the client or an earlier call has begun it, the first code stands. */
  close(code: number, reason: string): void {
    if (this.closeState.hasBegun) return
    this.closeState.begin(code, reason)
    this.#closeSocket()
  }

  /** Drops what is queued and closes with 1013. Returns how many messages were dropped. */
  closeSlow(): number {
    if (this.closeState.hasBegun) return 0
    this.closeState.begin(CloseCode.TryAgainLater, 'too slow')
    const dropped = this.writer.clear(() => this.closeState.error())
    this.dropped += dropped
    this.#closeSocket()
    return dropped
  }

  /** Drops the connection at once. */
  terminate(reason = ''): void {
    this.closeState.begin(CloseCode.AbnormalClosure, reason)
    this.socket.terminate()
  }

  /** Drops further messages. Once all earlier ones were read, reads end with this code. Writes still work. */
  stopReading(code: number, reason: string): void {
    if (!this.closeState.hasBegun)
      this.readQueue.end(() => new CloseError(this.closeState.cause ?? { code, reason, wasClean: true }))
  }

  /** Closes with 4401 at this time, in milliseconds since 1970. Another call moves the time. */
  expireAt(time: number): void {
    if (this.closeState.hasBegun) return
    this.#requireLifetime().expireAt(time)
  }

  // ---- For the socket

  get messageEmitter(): MessageEmitter {
    return (this.#messageEmitter ??= new MessageEmitter(this.readQueue, (message, binaryType) =>
      this.socket.emitMessage(message, binaryType)
    ))
  }

  get queuedBytes(): number {
    return this.writer.unsentBytes - this.stream.writableLength
  }

  onClose(code: number | undefined, reason: string, send: SendClose): void {
    if (this.#badMessage !== undefined) ({ code, reason } = this.#badMessage)
    const cause = code ?? CloseCode.NoStatusReceived
    const isByClient = !this.closeState.hasBegun && !this.closeState.isClientDone && hasClientEnded(this.socket)
    if (isByClient && (this.closeState.isDeferred || this.readQueue.hasUnanswered))
      return this.#deferClose(cause, reason, true)
    this.closeState.begin(cause, reason, true)
    this.#stopReceiving()
    // The client's close frame must be read even if the application has paused the socket. Messages before it are dropped.
    if (this.socket.isPaused) this.socket.resumeReading()
    this.writer.end(
      () => this.closeState.error(),
      () => this.#sendClose(send)
    )
  }

  beforeSend(): void {
    this.writer.flush(true)
  }

  onMessage(data: Buffer, isBinary: boolean): void {
    if (this.closeState.cause !== undefined) return this.#countLateFrame()
    this.#heartbeat.onRead()
    this.messagesIn++
    this.bytesIn += data.length
    this.#lifetime?.onMessage()
    const message: WebSocketMessage = { type: isBinary ? BinaryMessage : TextMessage, data }
    this.events.onMessageIn?.(this, message)
    if (this.#closingLimiter?.tryTake(message) ?? true) this.readQueue.push(message)
    else this.#closeForViolation('rate limit exceeded')
  }

  onPing(data: Buffer): void {
    if (this.closeState.cause !== undefined) return this.#countLateFrame()
    this.#heartbeat.onRead()
    this.#countControlFrame()
    this.writer.pong(frameOf(PongMessage, data))
  }

  onPong(): void {
    if (this.closeState.cause !== undefined) return this.#countLateFrame()
    this.#heartbeat.onPong()
    this.#countControlFrame()
  }

  onError(error: Error): void {
    this.log.debug({ err: error }, 'client violated the WebSocket protocol')
    const { code } = error as NodeJS.ErrnoException
    // Only after these errors is it known where the next frame begins.
    if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') this.#findClose(bytesAfterLength(this.socket))
    else if (code === 'WS_ERR_INVALID_UTF8') this.#findClose(0)
  }

  onClosed(received: number, reason: string): void {
    // Usually the end has begun. Not if the client ended TCP while messages before its close frame were still being inflated.
    this.closeState.begin(received, reason)
    this.#schedulers.deadlines.delete(this.#heartbeat)
    if (this.#lifetime !== undefined) this.#schedulers.deadlines.delete(this.#lifetime)
    const hasReceivedClose = received !== CloseCode.AbnormalClosure || this.#closeFinder?.isFound === true
    this.closeState.finish(hasReceivedClose && hasSentClose(this.socket))
    const error = (): CloseError => this.closeState.error()
    this.readQueue.end(error)
    this.writer.fail(error)
    this.#messageEmitter?.finish()
  }

  closeError(): Error {
    return this.closeState.error()
  }

  onListening(isListening: boolean): void {
    if (this.closeState.info !== undefined) return
    if (isListening) this.messageEmitter.start()
    else this.#messageEmitter?.stop()
  }

  onListenerError(event: string, error: unknown): void {
    const { messageEmitter } = this
    if (messageEmitter.hasFailed) return
    messageEmitter.hasFailed = true
    messageEmitter.stop()
    this.close(CloseCode.InternalServerError, 'internal error')
    try {
      this.log.error({ err: error, event }, 'a listener of ws.socket failed')
    } catch {
      // Listeners can throw anything, even values that cannot be logged.
    }
  }

  onPause(): void {
    this.messageEmitter.pause()
    this.socket.pauseReading()
  }

  onResume(): void {
    this.#messageEmitter?.resume()
    if (!this.readQueue.isPaused) this.socket.resumeReading()
  }

  // ---- For the read queue

  pause(): void {
    this.socket.pauseReading()
  }

  resume(): void {
    if (this.#messageEmitter?.isPaused !== true) this.socket.resumeReading()
  }

  onAllAnswered(): void {
    if (this.closeState.isDeferred) this.closeDeferred()
  }

  // ---- For the writer

  onFramesAccepted(messages: number, bytes: number): void {
    this.messagesOut += messages
    this.bytesOut += bytes
    this.events.onMessagesOut?.(this, messages, bytes)
  }

  // ---- For the rate limit and the compression

  onTokens(): void {
    this.readQueue.retry()
  }

  onOverLimit(): void {
    this.onLimit?.()
  }

  onBadMessage(code: number, reason: string): void {
    this.#badMessage = { code, reason }
    this.#findClose(0)
  }

  // ---- For the heartbeat

  get isPaused(): boolean {
    return this.socket.isPaused
  }

  closeDeferred(): void {
    // These arguments have no effect: the cause that was deferred stands.
    this.close(CloseCode.NormalClosure, '')
  }

  // ---- Closing

  /** Closes with 1008. Earlier messages are answered first. */
  #closeForViolation(reason: string): void {
    if (this.readQueue.hasUnanswered) this.#deferClose(CloseCode.PolicyViolation, reason, false)
    else this.close(CloseCode.PolicyViolation, reason)
  }

  /** Takes no more messages. Sends our close frame once the handler asks for more or settles, or after `closeTimeout`. */
  #deferClose(code: number, reason: string, isClientDone: boolean): void {
    if (isClientDone) keepHalfOpen(this.stream)
    const isFirst = !this.closeState.isDeferred
    this.closeState.defer(code, reason, isClientDone)
    if (isFirst) this.#stopReceiving()
  }

  #stopReceiving(): void {
    this.readQueue.stop()
    this.#heartbeat.onClosing()
    // Node.js remembers the address of a closed socket only if it was read before.
    void (this.stream as Partial<Socket>).localAddress
  }

  #closeSocket(): void {
    this.#sendClose((code, reason) => this.socket.close(code, reason))
  }

  #sendClose(send: SendClose): void {
    const { code, reason } = this.closeState.cause as CloseInfo
    send(code === CloseCode.NoStatusReceived ? undefined : code, reason)
  }

  /** Looks for the client's close frame in the data that `ws` does not parse. Skips this many bytes first. */
  #findClose(skip: number): void {
    if (this.#closeFinder !== undefined) return
    const finder = (this.#closeFinder = new CloseFinder(skip))
    for (const chunk of unparsed(this.socket)) finder.read(chunk)
    this.stream.on('data', (chunk: Buffer) => finder.read(chunk))
  }

  // ---- Limits

  /** While we wait for the client's close frame, all other frames are dropped, and after too many of them we stop reading. */
  #countLateFrame(): void {
    if ((this.#floodCounter ??= new FloodCounter()).reachesLateLimit()) this.socket.pauseReading()
  }

  #countControlFrame(): void {
    const { maxControlFrames } = this.config
    if (maxControlFrames > 0 && (this.#floodCounter ??= new FloodCounter()).exceedsControlLimit(maxControlFrames))
      this.#closeForViolation('too many control frames')
  }

  #setUpLimits(): void {
    const { rateLimit, firstMessageTimeout, maxLifetime } = this.config
    if (firstMessageTimeout > 0 || maxLifetime > 0) this.#requireLifetime()
    if (rateLimit === false) return
    const limiter = new RateLimiter(rateLimit, this.#schedulers.throttle, this)
    // In the read queue the limit applies when a message is read, so that `onLimit` is called after earlier messages were
    // answered.
    if (rateLimit.onLimit === 'close') this.#closingLimiter = limiter
    else this.readQueue.limiter = limiter
  }

  #requireLifetime(): Lifetime {
    if (this.#lifetime === undefined) {
      this.#lifetime = new Lifetime(this.config, (code, reason) => this.close(code, reason))
      this.#schedulers.deadlines.add(this.#lifetime)
    }
    return this.#lifetime
  }
}
