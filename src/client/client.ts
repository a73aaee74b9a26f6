import type { RpcError } from '../rpc/json-rpc.ts'
import { RpcMethod } from '../rpc/json-rpc.ts'
import { type AnswerFunction, Answers } from './answers.ts'
import { Calls } from './calls.ts'
import { ClientError } from './client-error.ts'
import { Emitter, type Listener } from './emitter.ts'
import { type Message, textOf } from './frames.ts'
import type { Link } from './link.ts'
import { Machine } from './machine.ts'
import type { Settings } from './options.ts'
import { markHandled } from './promises.ts'
import { Queue } from './queue.ts'
import { RejectedError } from './rejected-error.ts'
import { report } from './report.ts'
import { Streams } from './streams.ts'
import type { CallOptions, ClientState, CloseInfo, SendOptions } from './types.ts'

/** Names that a server cannot use for its events: those of the client itself, and those that JSON-RPC reserves. */
const OWN_NAMES = /^(?:state|gap|error|rpc\..*)$/

interface Joined {
  readonly room: string
  readonly epoch: string
  readonly offset: number
  readonly recovered?: boolean
  readonly reason?: string
}
interface Waiting {
  readonly promise: Promise<void>
  resolve(): void
  reject(error: Error): void
}

/** What `connect` returns; `Client` gives it the types of a contract. */
export class UntypedClient {
  readonly #settings: Settings
  readonly #machine: Machine
  readonly #emitter = new Emitter()
  readonly #calls = new Calls()
  readonly #answers = new Answers()
  readonly #queue = new Queue()
  readonly #streams: Streams
  /** For `ready`, until the client is open or closed. */
  #ready: Waiting | undefined

  constructor(settings: Settings) {
    this.#settings = settings
    this.#streams = new Streams(settings.positions)
    this.#machine = new Machine(settings, {
      positions: () => this.#streams.toSend(),
      onState: (state, close) => this.#onState(state, close),
      onMessage: (message, link) => this.#onMessage(message, link),
      onError: (error) => this.#onError(error),
      onLost: () =>
        this.#calls.rejectAll(new ClientError('CONNECTION_LOST', 'the connection broke before the answer came'))
    })
  }

  get state(): ClientState {
    return this.#machine.state
  }

  get closeInfo(): CloseInfo | undefined {
    return this.#machine.closeInfo
  }

  get positions(): Streams['positions'] {
    return this.#streams.positions
  }

  ready(): Promise<void> {
    if (this.state === 'open') return Promise.resolve()
    if (this.state === 'closed') return markHandled(Promise.reject(this.#machine.offline))
    this.#ready ??= waiting()
    return this.#ready.promise
  }

  on(event: string, listener: Listener): this {
    this.#emitter.on(event, listener)
    return this
  }

  off(event: string, listener: Listener): this {
    this.#emitter.off(event, listener)
    return this
  }

  send(event: string, data?: unknown, options: SendOptions = {}): Promise<void> {
    return markHandled(this.#send(event, data, options))
  }

  call(name: string, input?: unknown, options: CallOptions = {}): Promise<unknown> {
    return markHandled(this.#call(name, input, options))
  }

  answer(functions: Record<string, AnswerFunction | undefined>): this {
    this.#answers.add(functions)
    return this
  }

  close(): void {
    this.#machine.close()
  }

  async #send(event: string, data: unknown, { queue = false }: SendOptions): Promise<void> {
    const text = textOf(event, data, this.#settings.traceparent())
    const { writable, offline } = this.#machine
    if (writable !== undefined) return writable.send(text)
    if (!queue || this.state === 'closed') throw offline
    await this.#queue.add(text)
  }

  async #call(
    name: string,
    input: unknown,
    { timeout = this.#settings.timeout, signal }: CallOptions
  ): Promise<unknown> {
    const send = (id: string): void => {
      const text = textOf(name, input, this.#settings.traceparent(), id)
      const { writable, offline } = this.#machine
      if (writable === undefined) throw offline
      writable.send(text)
    }
    return this.#calls.start(name, send, timeout, signal)
  }

  #onState(state: ClientState, close: CloseInfo | undefined): void {
    if (state === 'open') {
      // What has waited goes first, before a listener sends something.
      this.#queue.flush((text) => this.#machine.writable?.send(text))
      this.#ready?.resolve()
      this.#ready = undefined
    } else if (state === 'closed') {
      const { offline } = this.#machine
      this.#calls.rejectAll(offline)
      this.#queue.rejectAll(offline)
      this.#ready?.reject(offline)
    }
    this.#emitter.emit('state', state, close)
  }

  #onError(error: Error): void {
    if (!this.#emitter.emit('error', error)) report(error)
  }

  // ---- Messages of the server

  #onMessage(message: Message, link: Link): void {
    const { id, method } = message
    if (method === undefined) this.#calls.settle(message)
    else if (id !== undefined) this.#answers.answer(id, method, message.params).then((text) => link.send(text), report)
    else if (!OWN_NAMES.test(method)) this.#onEvent(method, message)
    else if (method === RpcMethod.Error) this.#onRejected(message.params as RpcError & { method: string })
    else if (method === RpcMethod.Joined) this.#onJoined(message.params as Joined)
    else if (method === RpcMethod.Left) this.#streams.leave((message.params as Joined).room)
  }

  #onEvent(event: string, { params, room, offset }: Message): void {
    const deliver = (): unknown => this.#emitter.emit(event, params, { room, offset })
    if (room === undefined || offset === undefined) return void deliver()
    if (this.#streams.isHole(room, offset)) this.#emitter.emit('gap', { room, reason: 'missing' })
    this.#streams.take(room, offset, deliver)
  }

  #onRejected(error: RpcError & { method: string }): void {
    this.#onError(new RejectedError(error.method, error))
  }

  #onJoined({ room, epoch, offset, recovered, reason }: Joined): void {
    const isMissed = this.#streams.join(room, { epoch, offset }, recovered === false && reason === 'epoch')
    if (recovered === false) this.#emitter.emit('gap', { room, reason })
    else if (isMissed) this.#emitter.emit('gap', { room, reason: 'missing' })
  }
}

function waiting(): Waiting {
  let settle!: Omit<Waiting, 'promise'>
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { promise: markHandled(promise), ...settle }
}
