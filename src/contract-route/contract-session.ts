import type { WebSocketConnection } from '../connection/connection.ts'
import type { Contract } from '../contract/types.ts'
import { CloseCode, CloseError, isCloseError } from '../internal/close-codes.ts'
import { BinaryMessage, type WebSocketMessage } from '../internal/message.ts'
import { withTimeout } from '../internal/promises.ts'
import { channels } from '../observe/channels.ts'
import { UNAUTHORIZED } from '../rpc/final-codes.ts'
import { RESERVED, type RpcError, RpcErrorCode, RpcMethod, SUBPROTOCOL } from '../rpc/json-rpc.ts'
import { Asks, MAX_READ_AHEAD } from './asks.ts'
import { type CallFunctions, Calls, invalidParams, methodNotFound } from './calls.ts'
import type { CompiledContract } from '../schemas/compiled-contract.ts'
import type { Checked } from '../schemas/data-check.ts'
import { ContractConnection } from './contract-connection.ts'
import { type Call, type Entry, type Event, readFrame, type RpcFrame } from './entries.ts'
import { EventStream } from './event-stream.ts'
import { goodbyeText, NO_HELLO } from './goodbye.ts'
import { type Hello, helloOf } from './hello.ts'
import { errorText, notificationText, requestText, resultText } from '../rpc/texts.ts'
import { ServerPings } from './server-pings.ts'

/** How long a client has for its hello, in milliseconds. */
const HELLO_TIMEOUT = 10_000

/** What a contract route does with its connections. */
export interface ContractHandlers {
  readonly contract: Contract
  readonly compiled: CompiledContract
  /** The handler of the route; undefined if the contract needs none. */
  readonly handler: ((ws: ContractConnection) => unknown) | undefined
  readonly authenticate: ((auth: unknown, ws: ContractConnection) => unknown) | undefined
  readonly calls: CallFunctions
  /** How many calls may run at once. */
  readonly concurrency: number
}

/** A message whose text was read when it came. */
type ReadMessage = WebSocketMessage & { frame?: RpcFrame }
type Reply = (text: string) => unknown

/** One connection of a contract route: reads JSON-RPC, and passes it to the handler and to the functions for calls. */
export class ContractSession {
  readonly #handlers: ContractHandlers
  readonly #ws: WebSocketConnection
  readonly #connection: ContractConnection
  readonly #events = new EventStream()
  readonly #asks: Asks
  readonly #calls: Calls
  readonly #running = new Set<Promise<unknown>>()
  /** Resolves the wait for one of the running calls to end. */
  #onPlace: (() => void) | undefined
  /** True if the client speaks the methods of this package. */
  readonly #isBlaze: boolean

  constructor(ws: WebSocketConnection, handlers: ContractHandlers) {
    const { contract, compiled, calls } = handlers
    this.#ws = ws
    this.#handlers = handlers
    this.#isBlaze = ws.protocol === SUBPROTOCOL
    this.#asks = new Asks({
      request: (id, method, params) => ws.writeText(requestText(id, method, params)),
      get isEnding() {
        return ws.isClosed() || ws.context().isShuttingDown()
      },
      onWaiting: (isWaiting) => this.#onAsksWaiting(isWaiting),
      isFull: () => ws.session.isFull
    })
    this.#connection = new ContractConnection(ws, { contract, compiled, events: this.#events, asks: this.#asks })
    this.#calls = new Calls(compiled, calls, this.#connection, ws)
    ws.session.contract = compiled.definition
    ws.session.isBusy = () => this.#running.size > 0
    if (this.#isBlaze) ws.session.farewell = goodbyeText
  }

  /** Resolves when the connection may be closed. */
  async run(): Promise<void> {
    const hello = await this.#receiveHello()
    if (hello === undefined || !(await this.#authenticate(hello))) return
    if (hello.positions.size > 0) this.#ws.session.positions = hello.positions
    const stopPings = this.#startPings()
    this.#ws.session.intake = {
      wants: (message) => this.#isOutOfOrder(message),
      take: (message) => void this.#takeAtOnce(message)
    }
    const ended = this.#readAll()
    try {
      await this.#runHandler(ended)
    } finally {
      stopPings?.()
      this.#events.drop()
      await Promise.allSettled(this.#running)
    }
  }

  async #runHandler(ended: Promise<void>): Promise<void> {
    const { handler, compiled } = this.#handlers
    await handler?.(this.#connection)
    // A handler without events to read has nothing to wait for.
    if (Object.keys(compiled.definition.fromClient).length === 0) await ended
  }

  /** While an ask waits, the client is read ahead of the handler, so that its answer can come. */
  #onAsksWaiting(isWaiting: boolean): void {
    this.#ws.session.readAhead(isWaiting ? MAX_READ_AHEAD : undefined)
    const { shutdownSignal } = this.#ws.context()
    if (isWaiting) shutdownSignal.addEventListener('abort', this.#closeAsks)
    else shutdownSignal.removeEventListener('abort', this.#closeAsks)
  }

  readonly #closeAsks = (): void => this.#asks.close()

  // ---- The beginning

  /** The client's hello; that of a client which knows no hello says nothing. Undefined if the connection ends instead. */
  async #receiveHello(): Promise<Hello | undefined> {
    if (!this.#isBlaze) return { id: null, auth: undefined, positions: new Map() }
    let message: WebSocketMessage | undefined
    try {
      message = await withTimeout(this.#ws.readMessage(), HELLO_TIMEOUT, () => undefined)
    } catch (error) {
      // The client is gone, or the server shuts down, which closes the connection with its own code.
      return ignoreClose(error)
    }
    const isBinary = message?.type === BinaryMessage
    const hello = isBinary ? undefined : message && helloOf(readFrame(message.data))
    if (isBinary) void this.#ws.close(CloseCode.UnsupportedData, 'text only')
    else if (message === undefined) void this.#ws.close(CloseCode.PolicyViolation, NO_HELLO)
    else if (hello === undefined) void this.#ws.close(CloseCode.PolicyViolation, 'hello expected')
    return hello
  }

  /** False if the connection is closed because the client is not allowed in. */
  async #authenticate({ id, auth }: Hello): Promise<boolean> {
    const { authenticate } = this.#handlers
    const ws = this.#ws
    try {
      this.#connection.auth = authenticate === undefined ? auth : await authenticate(auth, this.#connection)
    } catch (error) {
      ws.request.log.info({ err: error }, 'a client of a WebSocket contract was not authenticated')
      if (this.#isBlaze)
        this.#send(
          errorText(id, { code: RpcErrorCode.Contract, message: 'unauthorized', data: { code: 'unauthorized' } })
        )
      void ws.close(UNAUTHORIZED, 'unauthorized')
      return false
    }
    if (this.#isBlaze) this.#send(resultText(id, JSON.stringify({ connection: ws.id, heartbeat: this.#heartbeat })))
    return !ws.isClosed()
  }

  get #heartbeat(): number {
    return this.#ws.session.config.pingInterval
  }

  #startPings(): (() => void) | undefined {
    if (!this.#isBlaze || this.#heartbeat === 0) return undefined
    const { session } = this.#ws
    const connection = {
      get messagesOut() {
        return session.messagesOut
      },
      send: (text: string) => {
        if (this.#ws.writeAsync(text)) session.keepAlives++
      }
    }
    return session.schedule(new ServerPings(connection, this.#heartbeat))
  }

  // ---- Reading

  /** Handles the client's messages one after the other, until the connection ends. */
  async #readAll(): Promise<void> {
    try {
      for (;;) await this.#handle(await this.#ws.readMessage())
    } catch (error) {
      const end = isCloseError(error) ? error : undefined
      if (end === undefined) this.#onFailure(error)
      this.#events.end(
        () => end ?? new CloseError({ code: CloseCode.InternalServerError, reason: '', wasClean: false })
      )
      this.#asks.close()
    }
  }

  #onFailure(error: unknown): void {
    const { request, session } = this.#ws
    request.log.error({ err: error }, 'a message of a WebSocket contract could not be handled')
    session.events.onFailed?.(session)
    void this.#ws.close(CloseCode.InternalServerError, 'internal error')
  }

  /**
   * True for what does not wait for its turn: responses, and methods of this package. A client that does not read its answers
   * has to wait.
   */
  #isOutOfOrder(message: ReadMessage): boolean {
    if (message.type === BinaryMessage) return false
    const frame = readFrame(message.data)
    const rest = 'entry' in frame ? frame : { batch: this.#settleAsks(frame.batch) }
    message.frame = rest
    const isOutOfOrder =
      'batch' in rest
        ? rest.batch.length === 0 || (rest.batch.every(isReserved) && this.#readsAnswers)
        : rest.entry.kind === 'response' || (isReserved(rest.entry) && this.#readsAnswers)
    // The queue is full with this message: nothing more is read from the client, so that no answer can come.
    if (!isOutOfOrder && this.#asks.isWaiting && this.#ws.session.readQueue.isFullWith(message)) this.#asks.giveUp()
    return isOutOfOrder
  }

  get #readsAnswers(): boolean {
    return this.#ws.bufferedAmount <= this.#ws.session.config.writeBufferSize
  }

  /** Takes the responses out of a batch: the handler that its events wait for may wait for these. */
  #settleAsks(batch: readonly Entry[]): readonly Entry[] {
    return batch.filter((entry) => {
      if (entry.kind !== 'response') return true
      this.#asks.onResponse(entry).catch((error: unknown) => this.#onFailure(error))
      return false
    })
  }

  async #takeAtOnce(message: ReadMessage): Promise<void> {
    try {
      await this.#handle(message)
    } catch (error) {
      this.#onFailure(error)
    }
  }

  /** The next message waits for what this returns. It is no async method, nor is `#handleEntry`: each would cost a promise. */
  #handle(message: ReadMessage): unknown {
    if (message.type === BinaryMessage) return void this.#ws.close(CloseCode.UnsupportedData, 'text only')
    const frame = message.frame ?? readFrame(message.data)
    return 'entry' in frame
      ? this.#handleEntry(frame.entry, (text) => this.#reply(text))
      : this.#handleBatch(frame.batch)
  }

  async #handleBatch(batch: readonly Entry[]): Promise<void> {
    const responses: string[] = []
    const calls: Promise<unknown>[] = []
    for (const entry of batch) {
      const isHello = entry.kind === 'call' && entry.method === RpcMethod.Hello
      if (isHello && this.#isBlaze) return this.#refuseHello()
      await this.#handleEntry(entry, (text) => responses.push(text), calls)
    }
    await Promise.all(calls)
    if (responses.length > 0) await this.#reply(`[${responses.join(',')}]`)
  }

  /** @param started collects the calls that were started and are not awaited. */
  #handleEntry(entry: Entry, reply: Reply, started?: Promise<unknown>[]): unknown {
    if (entry.kind === 'response') return this.#asks.onResponse(entry)
    if (entry.kind === 'invalid') return reply(errorText(entry.id, entry.error))
    if (entry.kind === 'event') return this.#handleEvent(entry)
    if (entry.method.startsWith(RESERVED)) return this.#handleOwnCall(entry, reply)
    return this.#startCall(entry, reply, started)
  }

  #handleEvent(event: Event): unknown {
    const { method, params } = event
    if (method.startsWith(RESERVED)) return undefined
    const check = this.#handlers.compiled.fromClient(method)
    if (check === undefined) return this.#rejectEvent(method, methodNotFound())
    const checked = check.incoming(params)
    return checked instanceof Promise
      ? checked.then((later) => this.#deliver(event, later))
      : this.#deliver(event, checked)
  }

  #deliver({ method, traceparent }: Event, checked: Checked): unknown {
    if ('issues' in checked) return this.#rejectEvent(method, invalidParams(checked.issues))
    const ws = this.#ws
    if (channels.event.hasSubscribers)
      channels.event.publish({ ws, route: ws.session.route, event: method, traceparent })
    return this.#events.deliver({ type: method, data: checked.value })
  }

  #rejectEvent(method: string, error: RpcError): unknown {
    if (!this.#isBlaze) return undefined
    return this.#reply(notificationText(RpcMethod.Error, JSON.stringify({ method, ...error })))
  }

  #handleOwnCall({ id, method }: Call, reply: Reply): unknown {
    if (this.#isBlaze && method === RpcMethod.Hello) return this.#refuseHello()
    const isPing = this.#isBlaze && method === RpcMethod.Ping
    // The ping and its answer.
    if (isPing) this.#ws.session.keepAlives += 2
    return reply(isPing ? resultText(id, '{}') : errorText(id, methodNotFound()))
  }

  #refuseHello(): void {
    void this.#ws.close(CloseCode.PolicyViolation, 'unexpected hello')
  }

  /** Starts a call. What it returns settles when another one may start. */
  #startCall(entry: Call, reply: Reply, started?: Promise<unknown>[]): unknown {
    const { concurrency } = this.#handlers
    const call = this.#answer(entry, reply)
    started?.push(call)
    this.#running.add(call)
    const forget = (): void => this.#onCallEnded(call)
    call.then(forget, forget)
    if (concurrency === 1) return call
    call.catch((error: unknown) => this.#onFailure(error))
    return this.#running.size < concurrency ? undefined : this.#someCallEnded()
  }

  /** Not `Promise.race`: each would stay in memory for as long as the longest call runs. */
  #someCallEnded(): Promise<void> {
    return new Promise((resolve) => {
      this.#onPlace = resolve
    })
  }

  #onCallEnded(call: Promise<unknown>): void {
    this.#running.delete(call)
    this.#onPlace?.()
    this.#onPlace = undefined
  }

  async #answer(call: Call, reply: Reply): Promise<void> {
    await reply(await this.#calls.answer(call))
  }

  // ---- Writing

  /** Sends an answer. A client that does not read its answers is not read from. */
  #reply(text: string): Promise<void> {
    return this.#ws.writeText(text).catch(ignoreClose)
  }

  #send(text: string): void {
    void this.#ws.writeText(text)
  }
}

function isReserved(entry: Entry): boolean {
  return 'method' in entry && entry.method.startsWith(RESERVED)
}

function ignoreClose(error: unknown): undefined {
  if (!isCloseError(error)) throw error
}
