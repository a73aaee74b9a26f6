import { integer } from '../internal/validate.ts'
import { assertTarget } from '../internal/room-name.ts'
import type { NodeInfo } from './members.ts'
import type { ClusterStats, Control } from './host.ts'
import { type ClusterListener, Messages } from './messages.ts'
import type { ClusterNode } from './node.ts'

/** How long the other nodes have for an answer. */
export interface ClusterQuestion {
  /** In milliseconds. @default 1000 */
  timeout?: number
}

/** Who has not answered in time; what these nodes have is not counted. */
export interface ClusterAnswer {
  /** The ids of nodes. */
  missing: string[]
}

const TIMEOUT = 1_000
const checkTimeout = integer(0, undefined, ' (milliseconds)')
/** How many rooms stand in one part of an answer: with the longest names, it is under a mebibyte. */
const ROOMS_IN_PART = 1_000

/** What a hub knows of itself. */
export interface ClusterHost {
  getClientCount(room?: string): number
  getRooms(): string[]
}

const NO_STATS: ClusterStats = {
  isDegraded: false,
  published: 0,
  unpublished: 0,
  received: 0,
  missed: 0,
  duplicates: 0,
  rejected: 0
}

/** Asks all nodes of a hub's cluster, and sends to their servers. A hub without a broker is a cluster of one. */
export class Cluster {
  readonly #host: ClusterHost
  readonly #node: ClusterNode | undefined
  readonly #startedAt = performance.now()

  readonly #messages: Messages

  /** @internal */
  constructor(host: ClusterHost, node: ClusterNode | undefined, failed: (error: unknown, name: string) => void) {
    this.#host = host
    this.#node = node
    this.#messages = new Messages(node, failed)
  }

  /** The id of this node; `''` without a broker. */
  get id(): string {
    return this.#node?.id ?? ''
  }

  /**
   * Resolves once this node gets what other nodes send to all rooms that its clients are in now, true; or after `timeout`
   * milliseconds, false. Who awaits it after `join` can tell a client that it misses nothing from here on. Without a timeout it
   * waits for as long as the engine is away.
   */
  async ready({ timeout }: ClusterQuestion = {}): Promise<boolean> {
    if (timeout !== undefined) checkTimeout(timeout, 'timeout')
    return this.#node?.ready(undefined, timeout) ?? true
  }

  /**
   * Sends something to the other servers of the cluster, at most once: to those who listen to this name and can be reached now, in
   * order, and not to this one. Clients get nothing of it.
   *
   * @param name 1 to 256 characters.
   * @param data any value that JSON can hold, up to 64 KiB. @default undefined
   * @throws FST_BLAZE_WS_OUT_OF_RANGE if it is longer, TypeError if it has no JSON form.
   */
  send(name: string, data?: unknown): void {
    this.#messages.send(name, data)
  }

  /** Calls a function with what other servers send under a name. An error of it is logged. */
  on<T = unknown>(name: string, listener: ClusterListener<T>): this {
    this.#messages.on(name, listener as ClusterListener)
    return this
  }

  /** Takes `on` back. */
  off<T = unknown>(name: string, listener: ClusterListener<T>): this {
    this.#messages.off(name, listener as ClusterListener)
    return this
  }

  /** @internal */
  receive(node: string, message: Control): void {
    this.#messages.receive(node, message)
  }

  /** The nodes of the cluster, this one among them. */
  async nodes(options?: ClusterQuestion): Promise<ClusterAnswer & { nodes: NodeInfo[] }> {
    const { parts, missing } = await this.#ask({ type: 'nodes' }, isNodeInfo, options)
    return { nodes: parts, missing }
  }

  /** How many connections are registered on all nodes, or in a room. */
  async getClientCount(room?: string, options?: ClusterQuestion): Promise<ClusterAnswer & { count: number }> {
    if (room !== undefined) assertTarget(room)
    const { parts, missing } = await this.#ask({ type: 'count', room }, isCount, options)
    return { count: parts.reduce((sum, count) => sum + count, 0), missing }
  }

  /** The rooms with members on any node. */
  async getRooms(options?: ClusterQuestion): Promise<ClusterAnswer & { rooms: string[] }> {
    const { parts, missing } = await this.#ask({ type: 'rooms' }, isNames, options)
    return { rooms: [...new Set(parts.flat())], missing }
  }

  /** The numbers of this node's part in the cluster, from its start. */
  stats(): ClusterStats {
    return this.#node?.stats() ?? { ...NO_STATS }
  }

  /** @internal The parts of this node's answer; undefined where it does not know the question. */
  answer({ type, ['room']: room }: Control): unknown[] | undefined {
    if (type === 'nodes') return [this.#info()]
    if (type === 'count') return [this.#host.getClientCount(room as string | undefined)]
    if (type !== 'rooms') return undefined
    const rooms = this.#host.getRooms()
    const parts: string[][] = []
    do parts.push(rooms.splice(0, ROOMS_IN_PART))
    while (rooms.length > 0)
    return parts
  }

  #info(): NodeInfo {
    const uptime = (performance.now() - this.#startedAt) / 1000
    return { id: this.id, clients: this.#host.getClientCount(), rooms: this.#host.getRooms().length, uptime }
  }

  /** What comes from other nodes is looked at before it is believed. */
  async #ask<T>(
    question: Control,
    isPart: (part: unknown) => part is T,
    { timeout = TIMEOUT }: ClusterQuestion = {}
  ): Promise<ClusterAnswer & { parts: T[] }> {
    checkTimeout(timeout, 'timeout')
    const own = this.answer(question) as T[]
    if (this.#node === undefined) return { parts: own, missing: [] }
    const { answers, missing } = await this.#node.ask(question, timeout)
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
