import { type Message, WalkClient } from './client.ts'
import type { Node, Nodes } from './nodes.ts'
import type { Random } from './random.ts'
import type { Trace } from './trace.ts'

export const ROOMS = Array.from({ length: 12 }, (_, i) => `room${i}`)
const KEYS = ['ann', 'bob', 'cid', 'dan', undefined]
const MAX_CLIENTS = 15

/** The actions of clients and applications: they connect and close, join and leave, set presence, and send. */
export class Traffic {
  readonly #random: Random
  readonly #nodes: Nodes
  readonly #trace: Trace
  readonly #isOrdered: boolean
  #clients: WalkClient[] = []
  readonly #numbers = new Map<string, number>()
  #lastId = 0
  #lastInfo = 0

  constructor(random: Random, nodes: Nodes, trace: Trace, isOrdered: boolean) {
    this.#random = random
    this.#nodes = nodes
    this.#trace = trace
    this.#isOrdered = isOrdered
  }

  get clients(): WalkClient[] {
    this.#clients = this.#clients.filter(({ isClosed }) => !isClosed)
    return this.#clients
  }

  /** True if no client waits for an answer. */
  get isSettled(): boolean {
    return this.clients.every(({ isWaiting }) => !isWaiting)
  }

  summary(): string {
    const clients = this.clients
    const sum = (count: (client: WalkClient) => number): number =>
      clients.reduce((all, client) => all + count(client), 0)
    return `${clients.length} clients, ${sum(({ rooms }) => rooms.size)} memberships, ${sum(({ presence }) => presence.size)} present, ${sum(({ received }) => received.size)} messages`
  }

  act(): void {
    const random = this.#random
    const node = random.pick(this.#nodes.running)
    const client = random.pick(this.clients.filter(({ isOpen }) => isOpen))
    if (node === undefined) return
    const chance = random.next()
    if (client === undefined || chance < 0.04) this.#connect(node)
    else if (chance < 0.07) client.end(random.chance(0.5))
    else if (chance < 0.08) void node.process.ask('disconnect', { name: node.name, room: random.pick(ROOMS) })
    else if (chance < 0.5) this.#operate(client)
    else this.#send(node, this.#target(), random.chance(0.1) ? [client.id] : [])
  }

  /** Sends a message from a node to rooms or to all clients. */
  broadcast({ name, process }: Node, to: string[] | null, except: string[] = [], isLocal = false): Message {
    const message = this.#message(name, to, except, isLocal ? name : undefined)
    void process.ask('broadcast', { name, message, to, except, local: isLocal })
    return message
  }

  /** Sends a message from the publisher of a node; undefined if the engine refuses it. */
  async publish({ name, process }: Node, to: string[] | null, except: string[] = []): Promise<Message | undefined> {
    const message = this.#message(`${name}/publisher`, to, except)
    return (await process.ask<boolean>('publish', { name, message, to, except })) === true ? message : undefined
  }

  #message(from: string, to: string[] | null, except: string[], local?: string): Message {
    const number = (this.#numbers.get(from) ?? 0) + 1
    this.#numbers.set(from, number)
    return { id: ++this.#lastId, from, number, to, except, local }
  }

  #send(node: Node, to: string[] | null, except: string[]): void {
    if (this.#random.chance(0.3)) void this.publish(node, to, except)
    else this.broadcast(node, to, except, this.#random.chance(0.05))
  }

  #target(): string[] | null {
    const chance = this.#random.next()
    if (chance < 0.15) return null
    return this.#random.some(ROOMS, chance < 0.7 ? 1 : 3)
  }

  #connect({ port, name }: Node): void {
    if (this.#clients.length >= MAX_CLIENTS) return
    this.#clients.push(
      new WalkClient({
        port: port as number,
        node: name,
        isOrdered: this.#isOrdered,
        report: (fault) => this.#trace.fault(fault)
      })
    )
  }

  #operate(client: WalkClient): void {
    const random = this.#random
    const kind = random.pick(['join', 'set', 'set', 'leave', 'remove'] as const) ?? 'join'
    const isOwn = kind === 'leave' || kind === 'remove' || random.chance(0.3)
    const room = random.pick(isOwn ? [...client.rooms] : ROOMS)
    if (room === undefined) return
    client.ask(
      kind === 'set' ? { kind, room, info: { set: ++this.#lastInfo }, key: random.pick(KEYS) } : { kind, room }
    )
  }
}
