import { assertTarget } from '../internal/room-name.ts'
import { integer } from '../internal/validate.ts'
import type { NodeInfo } from './members.ts'
import type { ClusterNode, ClusterStats } from './node.ts'
import type { Answers } from './requests.ts'
import { type ClusterListener, ServerMessages } from './server-messages.ts'
import type { HubQuestion, NamedQuestion, Question, ServerNotice } from './wire/protocol.ts'

/** The options of a question to the cluster. */
export interface ClusterQuestion {
  /** How long the other nodes have for their answers, in milliseconds. @default 1000 */
  timeout?: number
}

/** What every answer of the cluster has. */
export interface ClusterAnswer {
  /** The ids of nodes that did not answer in time. The answer does not include them. */
  missing: string[]
}

const TIMEOUT = 1_000
const checkTimeout = integer(0, undefined, ' (milliseconds)')
/** How many room names one part of an answer has. With the longest names, a part is smaller than a mebibyte. */
const ROOMS_IN_PART = 1_000

/** What a hub knows about its own connections. */
export interface LocalCounts {
  getClientCount(target?: string): number
  getRooms(): string[]
}

/** Answers a question of another node, or of this one, with something that has a JSON form. It must be small: it is sent in one message. */
export type Respond = (data: unknown) => unknown

const NO_STATS: ClusterStats = {
  isDegraded: false,
  published: 0,
  unpublished: 0,
  received: 0,
  missed: 0,
  duplicates: 0,
  rejected: 0
}

/** Asks all nodes of a hub's cluster, and sends messages to their servers. A hub without a broker is a cluster of one node. */
export class Cluster {
  readonly #hub: LocalCounts
  readonly #node: ClusterNode | undefined
  readonly #messages: ServerMessages
  readonly #responders = new Map<string, Respond>()
  readonly #onListenerError: (error: unknown, name: string) => void
  readonly #startedAt = performance.now()

  /** @internal */
  constructor(
    hub: LocalCounts,
    node: ClusterNode | undefined,
    onListenerError: (error: unknown, name: string) => void
  ) {
    this.#hub = hub
    this.#node = node
    this.#onListenerError = onListenerError
    this.#messages = new ServerMessages(node, onListenerError)
  }

  /** The id of this node; `''` without a broker. */
  get id(): string {
    return this.#node?.id ?? ''
  }

  /**
   * Resolves to true once this node receives what other nodes send to the rooms of its clients and publish in them. After `timeout`
   * milliseconds it resolves to false; without a timeout it waits for as long as the engine is away. It also resolves to false if
   * the history store does not answer within a second. Await it after `join` if a client must know that it misses nothing from
   * then on.
   */
  async ready({ timeout }: ClusterQuestion = {}): Promise<boolean> {
    if (timeout !== undefined) checkTimeout(timeout, 'timeout')
    return this.#node?.ready(timeout) ?? true
  }

  /**
   * Sends a message to the other servers of the cluster. It is delivered in order and at most once: to servers that have a listener
   * for this name and can be reached now. This server and clients do not get it.
   *
   * @param name 1 to 256 characters.
   * @param data any value with a JSON form of at most 64 KiB. @default undefined
   * @throws FST_BLAZE_WS_OUT_OF_RANGE, a RangeError, if the name or the data is too long.
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT, a TypeError, if the name is not a string or the data has no JSON form.
   */
  send(name: string, data?: unknown): void {
    this.#messages.send(name, data)
  }

  /** Calls a listener with what other servers send under a name. If it throws or rejects, that is logged. */
  on<T = unknown>(name: string, listener: ClusterListener<T>): this {
    this.#messages.add(name, listener as ClusterListener)
    return this
  }

  /** Removes a listener. */
  off<T = unknown>(name: string, listener: ClusterListener<T>): this {
    this.#messages.remove(name, listener as ClusterListener)
    return this
  }

  /** All nodes of the cluster, including this one. */
  async nodes(options?: ClusterQuestion): Promise<ClusterAnswer & { nodes: NodeInfo[] }> {
    const { parts, missing } = await this.#ask({ type: 'nodes' }, isNodeInfo, options)
    return { nodes: parts, missing }
  }

  /** How many connections are registered on all nodes, or are in a room. */
  async getClientCount(room?: string, options?: ClusterQuestion): Promise<ClusterAnswer & { count: number }> {
    if (room !== undefined) assertTarget(room)
    const { parts, missing } = await this.#ask({ type: 'count', ...(room !== undefined && { room }) }, isCount, options)
    return { count: parts.reduce((sum, count) => sum + count, 0), missing }
  }

  /** The rooms that have members on any node. */
  async getRooms(options?: ClusterQuestion): Promise<ClusterAnswer & { rooms: string[] }> {
    const { parts, missing } = await this.#ask({ type: 'rooms' }, isNames, options)
    return { rooms: [...new Set(parts.flat())], missing }
  }

  /** @internal Answers what any node of the cluster asks under this name. */
  respond(name: string, respond: Respond): void {
    this.#responders.set(name, respond)
  }

  /** @internal Asks all nodes under a name. There is one answer for each node; `null` from a node without a responder. */
  async ask(
    name: string,
    data: unknown,
    { timeout = TIMEOUT }: ClusterQuestion = {}
  ): Promise<ClusterAnswer & { answers: Map<string, unknown> }> {
    const question: NamedQuestion = { type: 'ask', name, data }
    const own = [this.id, this.#respond(question)] as const
    const { answers, missing }: Answers = (await this.#node?.request(question, timeout)) ?? {
      answers: new Map(),
      missing: []
    }
    return { answers: new Map([own, ...[...answers].map(([node, [part]]) => [node, part] as const)]), missing }
  }

  /** The numbers of this node since its start. */
  stats(): ClusterStats {
    return this.#node?.stats() ?? { ...NO_STATS }
  }

  /** @internal */
  onServerNotice(node: string, notice: ServerNotice): void {
    this.#messages.onNotice(node, notice)
  }

  /** @internal */
  answer(question: Question): unknown[] | undefined {
    switch (question.type) {
      case 'nodes':
        return [this.#info()]
      case 'count':
        return [this.#hub.getClientCount(question.room)]
      case 'rooms':
        return this.#roomsInParts()
      case 'ask':
        return [this.#respond(question)]
      default:
        return undefined
    }
  }

  #respond({ name, data }: NamedQuestion): unknown {
    try {
      return this.#responders.get(name)?.(data) ?? null
    } catch (error) {
      this.#onListenerError(error, name)
      return null
    }
  }

  #info(): NodeInfo {
    const uptime = (performance.now() - this.#startedAt) / 1000
    return { id: this.id, clients: this.#hub.getClientCount(), rooms: this.#hub.getRooms().length, uptime }
  }

  #roomsInParts(): string[][] {
    const rooms = this.#hub.getRooms()
    const parts: string[][] = []
    do parts.push(rooms.splice(0, ROOMS_IN_PART))
    while (rooms.length > 0)
    return parts
  }

  /** Collects the answers of all nodes. Parts of other nodes that are not valid are left out. */
  async #ask<T>(
    question: HubQuestion,
    isPart: (part: unknown) => part is T,
    { timeout = TIMEOUT }: ClusterQuestion = {}
  ): Promise<ClusterAnswer & { parts: T[] }> {
    checkTimeout(timeout, 'timeout')
    const own = this.answer(question) as T[]
    if (this.#node === undefined) return { parts: own, missing: [] }
    const { answers, missing } = await this.#node.request(question, timeout)
    return { parts: [...own, ...[...answers.values()].flat().filter(isPart)], missing }
  }
}

function isCount(part: unknown): part is number {
  return Number.isSafeInteger(part)
}

function isNames(part: unknown): part is string[] {
  return Array.isArray(part) && part.every((name) => typeof name === 'string')
}

function isNodeInfo(part: unknown): part is NodeInfo {
  const { id, clients, rooms, uptime } = (part ?? {}) as Partial<NodeInfo>
  return typeof id === 'string' && isCount(clients) && isCount(rooms) && typeof uptime === 'number'
}
