import { type Definition, definitionOf } from '../contract/definition.ts'
import type { Contract } from '../contract/types.ts'
import { CloseError } from '../internal/close-codes.ts'
import { RESERVED, type RpcError, RpcMethod, SUBPROTOCOL } from '../rpc/json-rpc.ts'
import type { Position } from '../rpc/position.ts'
import { notificationText, requestText } from '../rpc/texts.ts'
import { type AnswerFunctions, answerText } from './answers.ts'
import { closeFailure } from './close-failure.ts'
import { Inbox, type Within } from './inbox.ts'
import { Positions } from './positions.ts'
import { callErrorOf } from './rpc-call-error.ts'
import type { TestEvent } from './test-event.ts'
import { immediate } from '../internal/event-loop.ts'
import { type TestClose, Wire, type WireRequest } from './wire.ts'

/** What the client says first. */
export interface TestHello {
  auth?: unknown
  positions?: Readonly<Record<string, Position>> | undefined
}

/** A message of the server. */
interface Incoming {
  id?: string | number | null
  method?: string
  params?: unknown
  result?: unknown
  error?: RpcError
  room?: string
  offset?: number
}

/** A notification, as it came and as an event. */
interface Received {
  readonly message: Incoming
  readonly event: TestEvent
}

/** How long `authenticate` may take. */
const HELLO_TIMEOUT = 4000

/** A client of a contract route, in memory. It speaks `blaze.v1`. */
export class ContractTestClient {
  /** Resolves with the close code and the reason once the connection has ended. Never rejects. */
  readonly closed: Promise<TestClose>
  readonly #definition: Definition
  readonly #wire: Wire
  readonly #events = new Inbox<Received>()
  readonly #responses = new Inbox<Incoming>()
  readonly #positions: Positions
  #answers: AnswerFunctions = {}
  #lastId = 0
  #id = ''
  #close: TestClose | undefined

  private constructor(request: WireRequest, contract: Contract, positions: TestHello['positions']) {
    this.#definition = definitionOf(contract)
    this.#positions = new Positions(positions)
    this.#wire = new Wire({ ...request, protocols: [SUBPROTOCOL] }, (message) => this.#onMessage(message))
    this.closed = this.#wire.closed
    void this.closed.then((close) => this.#onClose(close))
  }

  /** @internal */
  static async open(request: WireRequest, contract: Contract, hello: TestHello): Promise<ContractTestClient> {
    const client = new ContractTestClient(request, contract, hello.positions)
    await client.#open(request.path, hello)
    return client
  }

  /** The id of the connection on the server, for rooms and hubs. */
  get id(): string {
    return this.#id
  }

  /** The negotiated subprotocol: `blaze.v1`. */
  get protocol(): string {
    return this.#wire.protocol
  }

  /** Where the client is in the streams of its rooms, for the `positions` of the client that comes after it. */
  get positions(): Record<string, Position> {
    return this.#positions.all
  }

  async next(name?: string | Within, options?: Within): Promise<TestEvent> {
    if (typeof name === 'object') return this.next(undefined, name)
    return (await this.#take(name, options)).event
  }

  /** The next event as it is on the wire, parsed. */
  async nextJSON<T = unknown>(options?: Within): Promise<T> {
    return (await this.#take(undefined, options)).message as T
  }

  send(event: string, data?: unknown): Promise<void> {
    return this.#wire.send(notificationText(event, JSON.stringify(data)))
  }

  async call(name: string, input?: unknown, options?: Within): Promise<unknown> {
    const { error, result } = await this.#request(name, input, options)
    if (error === undefined) return result ?? undefined
    throw callErrorOf(error, this.#definition.calls[name]?.errors ?? [])
  }

  answer(functions: AnswerFunctions): this {
    this.#answers = { ...this.#answers, ...functions }
    return this
  }

  /** Stops reading: the server feels back-pressure, as of a slow client. */
  stall(): void {
    this.#wire.stall()
  }

  /** Goes on reading. */
  resume(): void {
    this.#wire.resume()
  }

  /** Ends the connection without a close frame, like a broken network. To come back, make a new client. */
  cut(): void {
    this.#wire.cut()
  }

  /** Closes the connection, and resolves like `closed`. */
  close(code = 1000, reason = ''): Promise<TestClose> {
    return this.#wire.close(code, reason)
  }

  #onClose(close: TestClose): void {
    this.#close = close
    for (const inbox of [this.#events, this.#responses]) inbox.end(closeFailure(close))
  }

  async #open(path: string, hello: TestHello): Promise<void> {
    await this.#wire.opened.catch((error: Error) => {
      // The words of `ws`.
      throw /subprotocol/.test(error.message) ? new TypeError(`${path} is not the route of a contract`) : error
    })
    try {
      await this.#sayHello(hello)
    } catch (error) {
      const close = this.#close
      // A connection that is only slow must not stay.
      this.cut()
      // A server that refuses a client closes the connection, and the code tells why.
      throw close === undefined ? error : new CloseError({ ...close, wasClean: true })
    }
  }

  async #sayHello(hello: TestHello): Promise<void> {
    const { error, result } = await this.#request(RpcMethod.Hello, hello, { within: HELLO_TIMEOUT })
    if (error !== undefined) {
      await this.closed
      throw callErrorOf(error, [])
    }
    this.#id = (result as { connection: string }).connection
  }

  #take(name: string | undefined, options: Within = {}): Promise<Received> {
    return this.#events.take({
      name: name === undefined ? 'an event' : `"${name}"`,
      matches: ({ event: { type } }) => (name === undefined ? !type.startsWith(RESERVED) : type === name),
      describe: ({ event }) => (event.type === RpcMethod.Joined ? undefined : event),
      ...options
    })
  }

  #request(method: string, params: unknown, options: Within = {}): Promise<Incoming> {
    const id = ++this.#lastId
    void this.#wire.send(requestText(id, method, JSON.stringify(params)))
    return this.#responses.take({
      name: `an answer to "${method}"`,
      matches: (response) => response.id === id,
      ...options
    })
  }

  #onMessage(text: string | Buffer): void {
    const message = incomingOf(text)
    if (message === undefined) return
    const { id, method, params, room, offset } = message
    if (method === undefined) return this.#responses.add(message)
    // Later, because a test gives its answers after the client was made, and the ask may have come with the hello's answer.
    if (id !== undefined && id !== null) return immediate(() => void this.#answer(id, method, params))
    const event = {
      type: method,
      data: params,
      ...(room !== undefined && { room }),
      ...(offset !== undefined && { offset })
    }
    this.#positions.onEvent(event)
    this.#events.add({ message, event })
  }

  async #answer(id: string | number, name: string, input: unknown): Promise<void> {
    await this.#wire.send(await answerText(id, this.#answers[name], input)).catch(() => {})
  }
}

/** A contract route sends nothing but JSON objects. Anything else is for another kind of client. */
function incomingOf(text: string | Buffer): Incoming | undefined {
  if (typeof text !== 'string') return undefined
  try {
    const value = JSON.parse(text) as unknown
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}
