import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyBaseLogger } from 'fastify'
import { CloseCode, CloseError, type CloseInfo } from '../internal/close.ts'
import type { WebSocketConfig } from '../config/route-config.ts'
import { BinaryMessage, PingMessage, PongMessage, TextMessage, type WebSocketMessage } from '../internal/message.ts'
import { CloseFinder } from './read/close-finder.ts'
import { setUpDeflate } from './compression/compression.ts'
import type { DeflateParams } from './compression/deflate.ts'
import { CloseState } from './close-state.ts'
import { Expiry } from './expiry.ts'
import { FrameCounter } from './read/frame-counter.ts'
import { type Frame, frameOf } from './write/frame.ts'
import { ReadQueue } from './read/read-queue.ts'
import { Heartbeat } from './heartbeat.ts'
import { MAX_UNSENT, Writer } from './write/writer.ts'
import { MessageEmitter } from './read/message-emitter.ts'
import { closeOnFinish } from './write/stream.ts'
import { RateLimiter } from './read/rate-limiter.ts'
import type { SendClose, ServerSocket, SocketOwner } from './socket.ts'
import { now, type Scheduler } from '../internal/scheduler.ts'
import { bytesBehindLength, hasPeerEnded, hasSentClose, keepHalfOpen, unparsed } from './compression/ws-private.ts'

const EMPTY_PING = frameOf(PingMessage, '')

/** The timers that all connections of a server share. */
export interface Schedulers {
  /** For heartbeats and deadlines. */
  readonly deadlines: Scheduler
  /** For those who have to wait a moment: finer, and still while nobody does. */
  readonly throttle: Scheduler
}

/**
 * One open socket with its parts: what comes in, what goes out, the deadlines, and how it ends. It binds them to `ws` and to
 * each other; the public side of it is `WebSocketConnection`.
 */
export class Session implements SocketOwner {
  readonly socket: ServerSocket
  /** What the socket reads from and writes to. */
  readonly raw: Duplex
  readonly config: WebSocketConfig
  readonly readQueue: ReadQueue
  readonly writer: Writer
  readonly closeState = new CloseState()
  /** How compressed messages are sent; undefined where none are. */
  readonly deflate: DeflateParams | undefined
  /** How many messages to this connection were dropped. */
  dropped = 0
  readonly log: FastifyBaseLogger
  /** When it was opened, by `now()`. */
  readonly openedAt = now()
  /** What came in: messages, and the bytes of their payloads. */
  messagesIn = 0
  bytesIn = 0
  /** True once the handler of the connection has settled. */
  isSettled = false
  /** Called for a message over the rate limit, where that neither waits nor closes. */
  onLimit: (() => void) | undefined
  readonly #clocks: Schedulers
  readonly #liveness: Heartbeat
  #expiry: Expiry | undefined
  /** Where a message over the limit closes the connection. */
  #limiter: RateLimiter | undefined
  /** Made at the first frame that it counts. */
  #flood: FrameCounter | undefined
  /** What to close with for a message that could not be inflated. */
  #failure: { code: number; reason: string } | undefined
  /** Made when `socket` is used as a bare socket. */
  #pump: MessageEmitter | undefined
  /** Made when we refuse a message for good. */
  #closeFinder: CloseFinder | undefined

  constructor(socket: ServerSocket, raw: Duplex, config: WebSocketConfig, clocks: Schedulers, log: FastifyBaseLogger) {
    this.socket = socket
    this.raw = raw
    this.config = config
    this.log = log
    this.#clocks = clocks
    this.readQueue = new ReadQueue(this, config.readBufferSize)
    this.writer = new Writer(raw, config)
    this.#liveness = new Heartbeat(this)
    this.deflate = setUpDeflate(this)
    socket.owner = this
    closeOnFinish(raw)
    clocks.deadlines.add(this.#liveness)
    this.#setUpLimits()
  }

  /** Sends a frame, see `Outbound.write`; a connection with too much unsent is closed instead. */
  write(frame: Frame): Promise<void> {
    if (this.writer.wouldOverflow(frame.size)) {
      this.log.warn(
        { unsent: this.writer.unsent, limit: MAX_UNSENT },
        'websocket closed, too much unsent: await the writes'
      )
      this.closeSlow()
    }
    return this.writer.write(frame)
  }

  /** Begins the closing handshake, or completes it: where the peer has begun, its code stands. */
  close(code: number, reason: string): void {
    if (this.closeState.hasBegun) return
    this.closeState.begin(code, reason)
    this.#closeSocket()
  }

  /** Drops what waits and closes with 1013. Says how many messages were dropped. */
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

  /** No more messages are taken, but it can still be written to; reads end with this code once all was read. */
  stopReading(code: number, reason: string): void {
    if (!this.closeState.hasBegun)
      this.readQueue.end(() => new CloseError(this.closeState.cause ?? { code, reason, wasClean: true }))
  }

  /** Closes with 4401 at this time, in milliseconds since 1970; called again, it moves the time. */
  expireAt(time: number): void {
    if (this.closeState.hasBegun) return
    this.#requireExpiry().expireAt(time)
  }

  // ---- From the socket

  get emitter(): MessageEmitter {
    return (this.#pump ??= new MessageEmitter(this.readQueue, this.socket))
  }

  get queuedBytes(): number {
    return this.writer.unsent - this.raw.writableLength
  }

  onClose(code: number | undefined, reason: string, send: SendClose): void {
    if (this.#failure !== undefined) ({ code, reason } = this.#failure)
    const due = code ?? CloseCode.NoStatusReceived
    const isByPeer = !this.closeState.hasBegun && !this.closeState.isHeldForPeer && hasPeerEnded(this.socket)
    if (isByPeer && (this.closeState.isHeld || this.readQueue.isBusy)) return this.#hold(due, reason, true)
    this.closeState.begin(due, reason, true)
    this.#stopReceiving()
    // What comes now is dropped, and the peer's answer must not wait for whoever has paused the socket.
    if (this.socket.isPaused) this.socket.resumeSource()
    this.writer.end(
      () => this.closeState.error(),
      () => this.#sendClose(send)
    )
  }

  beforeSend(): void {
    this.writer.flush(true)
  }

  onMessage(data: Buffer, isBinary: boolean): void {
    if (this.closeState.cause !== undefined) return this.#countLate()
    this.#liveness.heard()
    this.messagesIn++
    this.bytesIn += data.length
    this.#expiry?.heard()
    const message: WebSocketMessage = { type: isBinary ? BinaryMessage : TextMessage, data }
    if (this.#limiter?.takes(message) ?? true) this.readQueue.push(message)
    else this.#refuse('rate limit exceeded')
  }

  onPing(data: Buffer): void {
    if (this.closeState.cause !== undefined) return this.#countLate()
    this.#liveness.heard()
    this.#countControl()
    this.writer.pong(frameOf(PongMessage, data))
  }

  onPong(): void {
    if (this.closeState.cause !== undefined) return this.#countLate()
    this.#liveness.ponged()
    this.#countControl()
  }

  onError(error: Error): void {
    this.log.debug({ err: error }, 'websocket failed by its client')
    const { code } = error as NodeJS.ErrnoException
    // Behind these the next frame can be found.
    if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') this.#findClose(bytesBehindLength(this.socket))
    else if (code === 'WS_ERR_INVALID_UTF8') this.#findClose(0)
  }

  onClosed(received: number, reason: string): void {
    // A close frame behind messages that were still being inflated when the peer ended TCP is first heard of here.
    this.closeState.begin(received, reason)
    this.#clocks.deadlines.delete(this.#liveness)
    if (this.#expiry !== undefined) this.#clocks.deadlines.delete(this.#expiry)
    const hasReceived = received !== CloseCode.AbnormalClosure || this.#closeFinder?.isFound === true
    this.closeState.finish(hasReceived && hasSentClose(this.socket))
    const error = (): CloseError => this.closeState.error()
    this.readQueue.end(error)
    this.writer.fail(error)
    this.#pump?.finish()
  }

  endError(): Error {
    return this.closeState.error()
  }

  onListening(isListening: boolean): void {
    if (this.closeState.info !== undefined) return
    if (isListening) this.emitter.start()
    else this.#pump?.stop()
  }

  onListenerError(event: string, error: unknown): void {
    const { emitter } = this
    if (emitter.hasFailed) return
    emitter.hasFailed = true
    emitter.stop()
    this.close(CloseCode.InternalServerError, 'internal error')
    try {
      this.log.error({ err: error, event }, 'a listener of ws.socket failed')
    } catch {
      // Anything can be thrown, also what cannot be logged.
    }
  }

  onPause(): void {
    this.emitter.pause()
    this.socket.pauseSource()
  }

  onResume(): void {
    this.#pump?.resume()
    if (!this.readQueue.isPaused) this.socket.resumeSource()
  }

  reopen(): void {
    this.readQueue.reopen()
  }

  limited(): void {
    this.onLimit?.()
  }

  onBadMessage(code: number, reason: string): void {
    this.#failure = { code, reason }
    this.#findClose(0)
  }

  // ---- From the unread messages

  pause(): void {
    this.socket.pauseSource()
  }

  resume(): void {
    if (this.#pump?.isPaused !== true) this.socket.resumeSource()
  }

  exhausted(): void {
    if (this.closeState.isHeld) this.overdue()
  }

  // ---- From the deadlines

  get isPaused(): boolean {
    return this.socket.isPaused
  }

  ping(): void {
    void this.writer.write(EMPTY_PING)
  }

  idle(): void {
    this.close(CloseCode.PolicyViolation, 'read timeout')
  }

  overdue(): void {
    // The cause is known: it stands.
    this.close(CloseCode.NormalClosure, '')
  }

  dead(reason: string): void {
    this.terminate(reason)
  }

  /** The client has broken a rule: it gets 1008, and before that the answers to what came earlier. */
  #refuse(reason: string): void {
    if (this.readQueue.isBusy) this.#hold(CloseCode.PolicyViolation, reason, false)
    else this.close(CloseCode.PolicyViolation, reason)
  }

  /** Nothing more is taken. Our close frame waits until the handler asks for more or settles, `closeTimeout` at most. */
  #hold(code: number, reason: string, isPeerDone: boolean): void {
    if (isPeerDone) keepHalfOpen(this.raw)
    const isFirst = !this.closeState.isHeld
    this.closeState.hold(code, reason, isPeerDone)
    if (isFirst) this.#stopReceiving()
  }

  #stopReceiving(): void {
    this.readQueue.stop()
    this.#liveness.closing()
    // Node remembers the address of a socket that is gone only where it was asked for it before.
    void (this.raw as Partial<Socket>).localAddress
  }

  /** Has the socket close with the code of the cause. */
  #closeSocket(): void {
    this.#sendClose((code, reason) => this.socket.close(code, reason))
  }

  #sendClose(send: SendClose): void {
    const { code, reason } = this.closeState.cause as CloseInfo
    send(code === CloseCode.NoStatusReceived ? undefined : code, reason)
  }

  /** Looks for the peer's close frame past `ws`, `skip` bytes from here. */
  #findClose(skip: number): void {
    if (this.#closeFinder !== undefined) return
    const finder = (this.#closeFinder = new CloseFinder(skip))
    for (const chunk of unparsed(this.socket)) finder.read(chunk)
    this.raw.on('data', (chunk: Buffer) => finder.read(chunk))
  }

  /** Until the peer's close frame comes, all else is read for nothing; who sends that much is not waited for. */
  #countLate(): void {
    if ((this.#flood ??= new FrameCounter()).isLastLate()) this.socket.pauseSource()
  }

  #countControl(): void {
    const { maxControlFrames } = this.config
    if (maxControlFrames > 0 && (this.#flood ??= new FrameCounter()).isOver(maxControlFrames))
      this.#refuse('too many control frames')
  }

  #setUpLimits(): void {
    const { rateLimit, firstMessageTimeout, maxLifetime } = this.config
    if (firstMessageTimeout > 0 || maxLifetime > 0) this.#requireExpiry()
    if (rateLimit === false) return
    const limiter = new RateLimiter(rateLimit, this.#clocks.throttle, this)
    // Who is told of a limit is told in order: behind what was answered before.
    if (rateLimit.onLimit === 'close') this.#limiter = limiter
    else this.readQueue.gate = limiter
  }

  #requireExpiry(): Expiry {
    if (this.#expiry === undefined) {
      this.#expiry = new Expiry(this.config, (code, reason) => this.close(code, reason))
      this.#clocks.deadlines.add(this.#expiry)
    }
    return this.#expiry
  }
}
