import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyBaseLogger } from 'fastify'
import type { WebSocketConfig } from '../config/route-config.ts'
import type { Definition } from '../contract/definition.ts'
import type { Position } from '../rpc/position.ts'
import { now } from '../internal/clock.ts'
import { CloseCode, CloseError, type CloseInfo } from '../internal/close-codes.ts'
import { nextTick } from '../internal/event-loop.ts'
import { PongMessage, TextMessage, type WebSocketMessage } from '../internal/message.ts'
import type { Scheduled, Scheduler } from '../internal/scheduler.ts'
import { CloseState } from './close-state.ts'
import { ClosingHandshake } from './closing-handshake.ts'
import { deflateFor, type DeflateParams } from './compression/deflate.ts'
import { Heartbeat, type HeartbeatSession } from './heartbeat.ts'
import { Lifetime } from './lifetime.ts'
import { FloodCounter } from './read/flood-counter.ts'
import type { FrameError } from './read/frame-error.ts'
import { FrameReader, type FrameReceiver } from './read/frame-reader.ts'
import { type RateLimitedSession, RateLimiter } from './read/rate-limiter.ts'
import { type MessageSource, ReadQueue } from './read/read-queue.ts'
import { ServerSocket, type SocketSession } from './socket.ts'
import { ownStream, type StreamOwner } from './stream-owner.ts'
import { type Frame, frameOf } from './write/frame.ts'
import { MAX_UNSENT, Writer, type WriterSession } from './write/writer.ts'

/** What `onClosed` reports if no close frame came. */
const NOT_RECEIVED = { code: CloseCode.AbnormalClosure as number, reason: '' }

/** When a client should come back: after `after` milliseconds, at a random time within `within` more. */
export interface Comeback {
  readonly after: number
  readonly within: number
}

const notBusy = (): boolean => false

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
  /** The handler or a call of a contract has failed, and not because the connection is closed. */
  onFailed?: (session: Session) => void
}

/** What the sessions of a server share. */
export interface SessionServices {
  readonly schedulers: Schedulers
  readonly events: SessionEvents
}

/** Takes messages as soon as they have come, out of order. */
export interface Intake {
  wants(message: WebSocketMessage): boolean
  take(message: WebSocketMessage): void
}

/** What client and server have agreed on in the opening handshake. */
export interface Negotiated {
  /** The subprotocol; `''` if there is none. */
  readonly protocol: string
  /** The window for permessage-deflate (RFC 7692, 7.1.2.1), as an exponent of two; undefined if it is not used. */
  readonly windowBits: number | undefined
}

/** A stream after its opening handshake. */
export interface OpenStream {
  readonly stream: Duplex
  /** The bytes that the client sent after its request. */
  readonly head: Buffer
  readonly negotiated: Negotiated
}

/**
 * One open stream with its parts: the frame reader, the read queue, the writer, the heartbeat and the close state. The session
 * connects them with each other. `WebSocketConnection` is its public side.
 */
export class Session
  implements
    StreamOwner,
    FrameReceiver,
    MessageSource,
    SocketSession,
    HeartbeatSession,
    RateLimitedSession,
    WriterSession
{
  readonly stream: Duplex
  readonly config: WebSocketConfig
  readonly readQueue: ReadQueue
  readonly writer: Writer
  readonly closeState = new CloseState()
  /** The subprotocol; `''` if there is none. */
  readonly protocol: string
  readonly isCompressed: boolean
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
  /** The pattern of the route, such as `/rooms/:id`. */
  route = ''
  /** The public side of this session, for observers. */
  connection: object | undefined
  /** True once the handler has settled. */
  isSettled = false
  /** The `onLimit` callback of the rate limit, if it is a function. */
  onLimit: (() => void) | undefined
  /** The contract of the route; undefined on routes without one. A hub sends a connection only what its contract has. */
  contract: Definition | undefined
  /** Where the client is in the streams of rooms, by their labels; undefined if it has not said so. */
  positions: Map<string, Position> | undefined
  /** Takes some messages before the read queue does. */
  intake: Intake | undefined
  /** The text that is sent before a close frame with which the server begins the end. */
  farewell: ((cause: CloseInfo, comeback: Comeback | undefined) => string) | undefined
  /** When the client should come back if the server closes; undefined leaves it to the client. */
  comeback: Comeback | undefined
  /** True while a call of the client runs. */
  isBusy: () => boolean = notBusy
  /** How many of the messages only kept the connection alive. */
  keepAlives = 0
  readonly #schedulers: Schedulers
  readonly #reader: FrameReader
  readonly #heartbeat: Heartbeat
  // These are created when first needed: most connections never need them.
  #lifetime: Lifetime | undefined
  /** The rate limit, if a message over it closes the connection. Otherwise the read queue has it. */
  #closingLimiter: RateLimiter | undefined
  #floodCounter: FloodCounter | undefined
  #handshake: ClosingHandshake | undefined
  /** Exists once the application has asked for `ws.socket`. */
  #socket: ServerSocket | undefined

  constructor(
    { stream, head, negotiated }: OpenStream,
    config: WebSocketConfig,
    { schedulers, events }: SessionServices,
    log: FastifyBaseLogger
  ) {
    this.stream = stream
    this.config = config
    this.log = log
    this.events = events
    this.protocol = negotiated.protocol
    this.isCompressed = negotiated.windowBits !== undefined
    this.deflate = deflateFor(negotiated.windowBits, config)
    this.#schedulers = schedulers
    this.readQueue = new ReadQueue(this, config.readBufferSize)
    this.#reader = new FrameReader(this, config, this.isCompressed)
    this.writer = new Writer(stream, config, this)
    this.#heartbeat = new Heartbeat(this)
    ownStream(stream, this, head)
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
    this.#endWrites()
  }

  /** Drops what is queued and closes with 1013. Returns how many messages were dropped. */
  closeSlow(): number {
    if (this.closeState.hasBegun) return 0
    this.closeState.begin(CloseCode.TryAgainLater, 'too slow')
    const dropped = this.writer.clear(() => this.closeState.error())
    this.dropped += dropped
    this.#endWrites()
    return dropped
  }

  /** Drops the connection at once. */
  terminate(reason = ''): void {
    this.closeState.begin(CloseCode.AbnormalClosure, reason)
    this.stream.destroy()
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

  /** Lets this many bytes be unread; undefined stands for `readBufferSize`. */
  readAhead(bytes: number | undefined): void {
    this.readQueue.limit = bytes ?? this.config.readBufferSize
    if (bytes !== undefined) this.readQueue.onLimitRaised()
  }

  /** When a message last came or was sent, by `now()`, to about half a second. Those that keep the connection alive do not count. */
  activeAt(time: number): number {
    return this.#heartbeat.activeAt(time)
  }

  /** Has something checked regularly, until the returned function is called. */
  schedule(scheduled: Scheduled): () => void {
    this.#schedulers.deadlines.add(scheduled)
    return () => this.#schedulers.deadlines.delete(scheduled)
  }

  /** When something last came from the client, by `now()`, half a second late at most. */
  get lastReadAt(): number {
    return this.#heartbeat.lastReadAt
  }

  // ---- For the stream

  onData(chunk: Buffer): void {
    this.#reader.read(chunk)
    if (this.#reader.isInflating) this.stream.pause()
  }

  onEnd(): void {
    // The handler can still answer a client that has sent a close frame and ended TCP.
    if (!this.closeState.isClientDone) this.stream.end()
  }

  onStreamClosed(rest: Buffer | null): void {
    if (rest !== null) this.#reader.read(rest)
    this.#reader.finish(() => this.#onClosed())
  }

  // ---- For the frame reader

  get isFull(): boolean {
    return this.readQueue.isFull
  }

  get unreadBytes(): number {
    return this.readQueue.unreadBytes
  }

  onMessage(message: WebSocketMessage): void {
    if (this.closeState.cause !== undefined) return this.#countLateFrame()
    this.#heartbeat.onRead()
    this.messagesIn++
    this.bytesIn += message.data.length
    this.#lifetime?.onMessage()
    this.events.onMessageIn?.(this, message)
    if (this.#closingLimiter?.tryTake(message) === false) return this.#closeForViolation('rate limit exceeded')
    if (this.intake === undefined || !this.#takeAtOnce(message, this.intake)) this.readQueue.push(message)
  }

  /** What exceeds the rate limit waits for its turn in the read queue. */
  #takeAtOnce(message: WebSocketMessage, intake: Intake): boolean {
    if (!intake.wants(message) || this.readQueue.limiter?.tryTake(message) === false) return false
    intake.take(message)
    return true
  }

  onPing(payload: Buffer): void {
    if (this.closeState.cause !== undefined) return this.#countLateFrame()
    this.#heartbeat.onRead()
    this.#countControlFrame()
    this.writer.pong(frameOf(PongMessage, payload))
    this.#socket?.callListeners('ping', payload)
  }

  onPong(payload: Buffer): void {
    if (this.closeState.cause !== undefined) return this.#countLateFrame()
    this.#heartbeat.onPong()
    this.#countControlFrame()
    this.#socket?.callListeners('pong', payload)
  }

  onCloseFrame(code: number, reason: string): void {
    this.#requireHandshake().receive(code, reason)
    this.closeState.noteClientEnd()
    this.#closeForClient(code, reason)
  }

  onBadFrame(error: FrameError): void {
    this.log.debug({ err: error }, 'client violated the WebSocket protocol')
    this.#requireHandshake().endAfterSent()
    this.#closeForClient(error.closeCode, error.reason)
    // Later, so that the listeners get all earlier messages first.
    if (this.#socket !== undefined) nextTick(() => this.#socket?.callListeners('error', error))
  }

  onReaderReady(): void {
    this.updateFlow()
  }

  // ---- For the read queue

  pause(): void {
    this.updateFlow()
  }

  resume(): void {
    this.#reader.resume()
    this.updateFlow()
  }

  onAllAnswered(): void {
    if (this.closeState.isDeferred) this.closeDeferred()
  }

  // ---- For `ws.socket`

  get socket(): ServerSocket {
    return (this.#socket ??= new ServerSocket(this))
  }

  updateFlow(): void {
    const isHeld =
      this.readQueue.isPaused ||
      this.#reader.isInflating ||
      (this.#socket?.isHeld === true && !this.closeState.hasBegun) ||
      this.#floodCounter?.isFlooded === true
    if (isHeld) this.stream.pause()
    else this.stream.resume()
  }

  // ---- For the writer

  onFramesAccepted(messages: number, bytes: number): void {
    this.messagesOut += messages
    this.bytesOut += bytes
    this.events.onMessagesOut?.(this, messages, bytes)
  }

  // ---- For the rate limit

  onTokens(): void {
    this.readQueue.retry()
  }

  onOverLimit(): void {
    this.onLimit?.()
  }

  // ---- For the heartbeat

  get traffic(): number {
    return this.messagesIn + this.messagesOut - this.keepAlives
  }

  get isPaused(): boolean {
    return this.stream.isPaused()
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

  /** The client has sent a close frame, or a bad frame. Earlier messages are answered first. */
  #closeForClient(code: number, reason: string): void {
    if (this.closeState.hasBegun || this.closeState.isClientDone) return
    if (this.closeState.isDeferred || this.readQueue.hasUnanswered) return this.#deferClose(code, reason, true)
    this.closeState.begin(code, reason, true)
    this.#endWrites()
  }

  /** Takes no more messages. Sends our close frame once the handler asks for more or settles, or after `closeTimeout`. */
  #deferClose(code: number, reason: string, isClientDone: boolean): void {
    const isFirst = !this.closeState.isDeferred
    this.closeState.defer(code, reason, isClientDone)
    if (isFirst) this.#stopReceiving()
  }

  #stopReceiving(): void {
    this.readQueue.stop()
    this.#heartbeat.onClosing()
    // Node.js remembers the address of a closed socket only if it was read before.
    void (this.stream as Partial<Socket>).localAddress
    // The client's close frame must be read. The messages before it are dropped.
    this.resume()
  }

  /** Sends our close frame after all earlier frames. */
  #endWrites(): void {
    this.#stopReceiving()
    this.#sayFarewell()
    this.writer.end(
      () => this.closeState.error(),
      () => {
        const { code, reason } = this.closeState.cause as CloseInfo
        this.#requireHandshake().send(code, reason)
      }
    )
  }

  #sayFarewell(): void {
    const isByClient = this.#handshake?.received !== undefined
    if (this.farewell === undefined || isByClient) return
    const text = this.farewell(this.closeState.cause as CloseInfo, this.comeback)
    void this.writer.write(frameOf(TextMessage, text, this.deflate))
  }

  #requireHandshake(): ClosingHandshake {
    return (this.#handshake ??= new ClosingHandshake(this.stream))
  }

  #onClosed(): void {
    const { code, reason } = this.#handshake?.received ?? NOT_RECEIVED
    // Usually the end has begun. Not if the client only ended TCP.
    this.closeState.noteClientEnd()
    this.closeState.begin(code, reason)
    this.#schedulers.deadlines.delete(this.#heartbeat)
    if (this.#lifetime !== undefined) this.#schedulers.deadlines.delete(this.#lifetime)
    const hasReceivedClose = this.#handshake?.received !== undefined || this.#reader.hasFoundClose
    const isComplete = hasReceivedClose && this.#handshake?.hasSent === true
    this.closeState.finish(isComplete)
    const error = (): CloseError => this.closeState.error()
    this.readQueue.end(error)
    this.writer.fail(error)
    this.#socket?.emitClose(code, reason, isComplete)
  }

  // ---- Limits

  /** While we wait for the client's close frame, all other frames are dropped, and after too many of them we stop reading. */
  #countLateFrame(): void {
    if ((this.#floodCounter ??= new FloodCounter()).reachesLateLimit()) this.updateFlow()
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
