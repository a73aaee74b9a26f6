import { RpcMethod, SUBPROTOCOL } from '../rpc/json-rpc.ts'
import type { Position } from '../rpc/position.ts'
import { requestText } from '../rpc/texts.ts'
import { ClientError } from './client-error.ts'
import { type Message, messagesIn } from './frames.ts'
import { Liveness } from './liveness.ts'
import type { Settings } from './options.ts'
import { RejectedError } from './rejected-error.ts'
import { report, toError } from './report.ts'
import { closeSocket, dropSocket, isWritable, type Socket } from './socket.ts'
import { delayOf, type Timer } from './timers.ts'

/** How long a socket may take to open and to answer the hello, in milliseconds: on bad networks a new attempt is faster. */
const OPEN_WITHIN = 15_000
/** The close code of a connection that ended without one. */
const ABNORMAL = 1006
const HELLO = 'hello'
const PING_TEXT = requestText('ping', RpcMethod.Ping, undefined)

/** What the server says before it closes. */
export interface Goodbye {
  readonly reconnect: boolean
  /** When to come back: after this many milliseconds, */
  readonly after?: number
  /** at a random time within this many more. */
  readonly within?: number
}

/** What a socket says about its failure. Those of browsers say nothing. */
interface SocketError {
  readonly message?: string
  readonly error?: { readonly code?: string } | null
}

/** How a connection has ended. */
export interface End {
  readonly code: number
  readonly reason: string
  readonly goodbye: Goodbye | undefined
  /** True if a ping had no answer yet: the page or the network has just come back, or may be gone. */
  readonly isProbed: boolean
}

export interface LinkHandlers {
  onOpen(): void
  onMessage(message: Message): void
  /** `url` or `auth` has failed, or the server has rejected the `auth`. */
  onError(error: Error): void
  /** Called once, unless the link was closed before. */
  onEnd(end: End): void
}

/**
 * One attempt to connect, and the connection that it becomes: url and auth, socket, hello, messages. When it is over, whatever
 * its socket still does is ignored.
 */
export class Link {
  readonly #settings: Settings
  readonly #positions: Record<string, Position>
  readonly #handlers: LinkHandlers
  #socket: Socket | undefined
  #liveness: Liveness | undefined
  /** The limit of the step that runs. */
  #timer: Timer | undefined
  #goodbye: Goodbye | undefined
  #isOver = false

  constructor(settings: Settings, positions: Record<string, Position>, handlers: LinkHandlers) {
    this.#settings = settings
    this.#positions = positions
    this.#handlers = handlers
  }

  async start(): Promise<void> {
    if (this.#isOver) return
    const { timeout } = this.#settings
    this.#limit(timeout, () => this.#fail(new ClientError('TIMEOUT', `no url and auth within ${timeout} ms`)))
    try {
      const url = String(await this.#settings.url())
      if (this.#isOver) return
      const hello = JSON.stringify({ auth: await this.#settings.auth(), positions: this.#positions })
      if (!this.#isOver) this.#open(url, requestText(HELLO, RpcMethod.Hello, hello))
    } catch (error) {
      this.#fail(toError(error))
    }
  }

  get isWritable(): boolean {
    return this.#liveness !== undefined && isWritable(this.#socket)
  }

  send(text: string): void {
    if (isWritable(this.#socket)) this.#socket?.send(text)
  }

  /** Checks that an open connection is alive. */
  probe(): void {
    this.#liveness?.probe()
  }

  /** Ends the link. Nothing is called any more. */
  close(): void {
    this.#stop()
    if (this.#socket !== undefined) closeSocket(this.#socket)
  }

  #open(url: string, hello: string): void {
    const socket = new this.#settings.WebSocket(url, SUBPROTOCOL)
    this.#socket = socket
    this.#limit(Math.min(OPEN_WITHIN, this.#settings.timeout), () => this.#drop())
    const on = <E>(event: 'open' | 'message' | 'close' | 'error', listener: (event: E) => void): void =>
      socket.addEventListener(event, (data: E) => {
        if (!this.#isOver) listener(data)
      })
    on('open', () => socket.send(hello))
    on('message', ({ data }: { data: unknown }) => this.#onFrame(data))
    on('close', ({ code, reason }: { code: number; reason: string }) => this.#end(code, reason))
    // Some sockets that never opened do not close.
    on('error', (event: SocketError) => this.#liveness ?? this.#drop(failureOf(event)))
  }

  #onFrame(data: unknown): void {
    this.#liveness?.onSign()
    for (const message of messagesIn(data)) if (!this.#isOver) this.#read(message)
  }

  /** A server that breaks the rules must not end the process. */
  #read(message: Message): void {
    try {
      this.#onMessage(message)
    } catch (error) {
      report(error)
    }
  }

  #onMessage(message: Message): void {
    const { id, method, params } = message
    if (method === RpcMethod.Goodbye) this.#goodbye = params as Goodbye
    else if (method === undefined && id === HELLO) this.#onHello(message)
    else this.#handlers.onMessage(message)
  }

  #onHello({ result, error }: Message): void {
    // The server closes the connection and says how to go on.
    if (error !== undefined) return this.#handlers.onError(new RejectedError(RpcMethod.Hello, error))
    clearTimeout(this.#timer)
    const { heartbeat = 0 } = (result ?? {}) as { heartbeat?: number }
    this.#liveness = new Liveness(heartbeat, { ping: () => this.send(PING_TEXT), onDead: () => this.#drop() })
    this.#handlers.onOpen()
  }

  #limit(milliseconds: number, onLimit: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(onLimit, delayOf(milliseconds))
  }

  #fail(error: Error): void {
    if (this.#isOver) return
    this.#stop()
    this.#handlers.onError(error)
    this.#end(ABNORMAL, '')
  }

  /** The peer is gone, or does not answer. */
  #drop(reason = ''): void {
    this.#stop()
    if (this.#socket !== undefined) dropSocket(this.#socket)
    this.#end(ABNORMAL, reason)
  }

  #end(code: number, reason: string): void {
    this.#stop()
    const isProbed = this.#liveness?.isProbing === true
    this.#handlers.onEnd({ code, reason, goodbye: this.#goodbye, isProbed })
  }

  #stop(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#liveness?.stop()
  }
}

/** An error that stands for those of several addresses has no message, only a code. */
function failureOf({ message, error }: SocketError): string {
  return message || error?.code || ''
}
