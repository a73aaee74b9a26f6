import { WebSocket } from 'ws'

/** A request of a client to its node. */
export interface Operation {
  kind: 'join' | 'leave' | 'set' | 'remove'
  room: string
  info?: unknown
  key?: string | undefined
}

/** A broadcast that contains its own targets. */
export interface Message {
  id: number
  /** The node or publisher that sent it, and its number among the messages of that sender. */
  from: string
  number: number
  /** The rooms; null for all clients. */
  to: string[] | null
  except: string[]
  /** The node, if the broadcast is local to it. */
  local?: string | undefined
}

export interface Presence {
  key: string
  info: unknown
  /** When it was set, by the clock of the node's process. */
  at: number
}

export interface ClientOptions {
  port: number
  node: string
  /** True if all messages of one sender arrive in order, even across rooms. */
  isOrdered: boolean
  report: (fault: string) => void
}

/**
 * A client that checks every message. Its node answers each operation at once, so that the client knows for each message which
 * rooms it is in.
 */
export class WalkClient {
  readonly node: string
  id = ''
  readonly rooms = new Set<string>()
  readonly presence = new Map<string, Presence>()
  readonly received = new Set<number>()
  isClosed = false
  readonly #socket: WebSocket
  readonly #options: ClientOptions
  readonly #lastNumbers = new Map<string, number>()
  readonly #asked = new Map<number, Operation>()
  #lastNumber = 0

  constructor(options: ClientOptions) {
    this.node = options.node
    this.#options = options
    this.#socket = new WebSocket(`ws://127.0.0.1:${options.port}/`, { perMessageDeflate: false })
    this.#socket.on('error', () => {})
    this.#socket.on('message', (data: Buffer) => this.#receive(JSON.parse(data.toString()) as Record<string, unknown>))
    this.#socket.on('close', (code: number, reason: Buffer) => this.#closed(code, reason.toString()))
  }

  get isOpen(): boolean {
    return this.id !== '' && !this.isClosed
  }

  /** True while it waits for an answer from its node. */
  get isWaiting(): boolean {
    return !this.isClosed && (this.id === '' || this.#asked.size > 0)
  }

  ask(operation: Operation): void {
    if (!this.isOpen) return
    this.#asked.set(++this.#lastNumber, operation)
    this.#socket.send(JSON.stringify({ op: operation, number: this.#lastNumber }))
  }

  /** Leaves with a close frame, or without. */
  end(isPolite: boolean): void {
    if (isPolite) this.#socket.close()
    else this.#socket.terminate()
  }

  /** True if the client should get the message. */
  isMeant({ to, except, local }: Message): boolean {
    if (except.includes(this.id) || (local !== undefined && local !== this.node)) return false
    return to === null || to.some((room) => this.rooms.has(room))
  }

  #receive({ hello, done, at, ...message }: Record<string, unknown>): void {
    if (typeof hello === 'string') this.id = hello
    else if (typeof done === 'number') this.#done(done, at as number)
    else this.#check(message as unknown as Message)
  }

  #done(number: number, at: number): void {
    const { kind, room, key, info } = this.#asked.get(number) as Operation
    this.#asked.delete(number)
    if (kind === 'join' || kind === 'set') this.rooms.add(room)
    if (kind === 'leave') this.rooms.delete(room)
    if (kind === 'set') this.presence.set(room, { key: key ?? this.presence.get(room)?.key ?? this.id, info, at })
    if (kind === 'leave' || kind === 'remove') this.presence.delete(room)
  }

  #check(message: Message): void {
    const { id, from, number, to } = message
    const tell = (what: string): void =>
      this.#options.report(
        `${what}: ${JSON.stringify(message)} at ${this.id} on ${this.node} in ${[...this.rooms].join()}`
      )
    if (!this.isMeant(message)) tell('not meant for this client')
    if (this.received.has(id)) tell('twice')
    this.received.add(id)
    if (!this.#options.isOrdered && to !== null && to.length > 1) return
    const stream = this.#options.isOrdered ? from : `${from} to ${to?.join()}`
    const last = this.#lastNumbers.get(stream) ?? 0
    if (number < last) tell(`after ${last}`)
    this.#lastNumbers.set(stream, number)
  }

  #closed(code: number, reason: string): void {
    this.isClosed = true
    if (code === 4001 && !this.rooms.has(reason))
      this.#options.report(`disconnected for ${reason}, without being in it: ${this.id} on ${this.node}`)
  }
}
