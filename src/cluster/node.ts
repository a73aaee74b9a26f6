import type { Broker, BrokerNode } from '../brokers/broker.ts'
import { takeOwnership } from '../brokers/ownership.ts'
import { now, Scheduler, type Scheduled } from '../internal/scheduler.ts'
import { errors } from '../internal/errors.ts'
import type { DataType } from '../internal/message.ts'
import { PROCESS_ID, processOf } from '../internal/connection-id.ts'
import { Channels } from './wire/channels.ts'
import { closePayload, Kind, limitOf } from './wire/envelope.ts'
import type { ClusterStats, Control, NodeHost } from './host.ts'
import { Receiver } from './wire/receiver.ts'
import { BrokerLink } from './broker-link.ts'
import { Members } from './members.ts'
import { Sender } from './wire/sender.ts'
import { type Answers, Requests } from './requests.ts'
import { Subscriptions } from './subscriptions.ts'

/** How long a node waits at least for answers while the others may not have told it yet that they are there, in milliseconds. */
const INTRODUCTION = 500
/** How often a node looks after its engine, its subscriptions and the others, in milliseconds; the watchdog divides it by eight. */
const LOOK = 1_600
const MAX_LEASE = 3_600_000

/** One hub's place in its cluster: speaks to the other nodes through a broker, and knows who they are. */
export class ClusterNode implements BrokerNode, Scheduled {
  readonly #host: NodeHost
  /** After how many milliseconds of silence the others take this node for dead. */
  readonly lease: number
  readonly #broker: Broker
  readonly #link: BrokerLink
  readonly #subscriptions: Subscriptions
  readonly #members = new Members((id) => {
    this.#questions.gone(id)
    this.#host.gone(id)
  })
  readonly #questions = new Requests()
  readonly #channels: Channels
  readonly #outgoing: Sender
  readonly id: string
  readonly #incoming: Receiver
  readonly #watchdog = new Scheduler()
  #introducedAt = now()
  #spokeAt = -Infinity
  #isClosed = false
  #isComingUp = false

  /**
   * @param hub the name of the hub; undefined for that of the server.
   * @throws FST_BLAZE_WS_BROKER_IN_USE if the broker serves another hub.
   */
  constructor(broker: Broker, host: NodeHost, lease: number, hub?: string) {
    takeOwnership(broker)
    this.#channels = new Channels(hub)
    this.#outgoing = new Sender(this.#channels, (channel, size, bytes) => this.#post(channel, size, bytes))
    this.id = this.#outgoing.origin
    this.#host = host
    this.lease = lease
    this.#broker = broker
    this.#incoming = new Receiver(
      this.#channels,
      host,
      (channel, origin, message) => this.#hear(channel, origin, message),
      (channel, origin) => this.#missed(channel, origin)
    )
    this.#link = new BrokerLink(broker, {
      degraded: (error) => host.degraded(error),
      refused: (error) => host.refused(error),
      drained: () => host.drained(),
      up: () => void this.#up()
    })
    this.#subscriptions = new Subscriptions(
      broker,
      () => this.#link.error !== undefined && !this.#link.isUp,
      (error) => this.lost(error),
      (channel) => this.#left(channel)
    )
    broker.open(this)
    for (const channel of [
      this.#channels.all,
      this.#channels.nodes,
      this.#channels.inboxOf(this.id),
      this.#channels.ofProcess(PROCESS_ID)
    ])
      this.#subscriptions.need(channel)
    this.#watchdog.require(Math.min(LOOK, lease))
    this.#watchdog.add(this)
    this.#link.check(now())
  }

  // ---- What the hub says

  /** Sends a broadcast to the clients of other nodes: to those in these rooms and with these ids, or to all. */
  broadcast(type: DataType, payload: Buffer, to: readonly string[] | undefined, excluded: readonly string[]): void {
    this.#outgoing.publish(to, { kind: type, payload, ids: excluded })
  }

  /** Has the other nodes disconnect the members of these rooms, and the connections with these ids. */
  disconnect(to: readonly string[], code: number, reason: string): void {
    this.#outgoing.publish(to, { kind: Kind.Disconnect, payload: closePayload(code, reason), ids: [] })
  }

  /** Has the node of a connection add it to a room, or take it out. False if the node cannot be told. */
  change(type: 'join' | 'leave', id: string, room: string): boolean {
    this.#say(this.#channels.ofProcess(processOf(id)), { type, id, room })
    return !this.#isClosed && !this.isDegraded
  }

  /** Says something to all other nodes. */
  send(message: Control): void {
    this.#say(this.#channels.nodes, message)
  }

  /** Says something to the nodes that have this room; gives the bytes that this takes. */
  tell(room: string, message: Control): number {
    return this.#say(this.#channels.ofRoom(room), message)
  }

  /** Says something to one node. */
  tellNode(node: string, message: Control): void {
    this.#say(this.#channels.inboxOf(node), message)
  }

  /** True where what can wait should wait, until the engine has taken what is under way. */
  get isBusy(): boolean {
    return this.#link.isBusy
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Asks all nodes, or one. Settles with what has come after `timeout` milliseconds at the latest. */
  ask(question: Control, timeout: number, node?: string): Promise<Answers> {
    const time = now()
    // Nobody would hear it, or answer.
    const deadline = this.#link.error === undefined && !this.#isClosed ? time + timeout : -Infinity
    const { id, answered } = this.#questions.ask(
      node === undefined ? this.#members.ids() : [node],
      this.#introducedAt + INTRODUCTION,
      deadline
    )
    if (deadline !== -Infinity)
      this.#say(node === undefined ? this.#channels.nodes : this.#channels.inboxOf(node), { ...question, id })
    this.#questions.check(time)
    return answered
  }

  /** The other nodes that are known to be there. */
  others(): string[] {
    return this.#members.ids()
  }

  /** Gets what is said in a room, until `leave`. */
  enter(room: string): void {
    this.#subscriptions.need(this.#channels.ofRoom(room))
  }

  leave(room: string): void {
    this.#subscriptions.release(this.#channels.ofRoom(room), now())
  }

  /**
   * Resolves to true once this node gets everything that is said to it in all rooms that it has entered, or in this one; to false
   * after `timeout` milliseconds.
   */
  ready(room?: string, timeout?: number): Promise<boolean> {
    return this.#subscriptions.ready(room === undefined ? undefined : this.#channels.ofRoom(room), timeout)
  }

  get isDegraded(): boolean {
    return this.#link.error !== undefined
  }

  stats(): ClusterStats {
    const { received, missed, duplicates, rejected } = this.#incoming
    return {
      isDegraded: this.isDegraded,
      published: this.#link.published,
      unpublished: this.#link.unpublished,
      received,
      missed,
      duplicates,
      rejected
    }
  }

  /** Takes leave of the others, sends what is under way and gives the broker back. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#say(this.#channels.nodes, { type: 'bye' })
    this.#isClosed = true
    this.#watchdog.delete(this)
    this.#questions.close()
    this.#subscriptions.close()
    await this.#link.close()
  }

  // ---- What the broker says

  lost(error: Error): void {
    this.#link.lost(error)
  }

  receive(channel: string, message: Uint8Array): void {
    if (!this.#isClosed) this.#incoming.receive(channel, message)
  }

  #hear(channel: string, origin: string, message: Control): void {
    if (message.type === 'bye') return this.#members.left(origin, now() + this.lease)
    // It comes on another channel than its leave, which may be faster.
    if (this.#members.hasLeft(origin)) return
    // Whoever speaks lives, and who is not among the nodes that are known would never be found dead.
    if (message.type === 'alive' || !this.#members.has(origin)) this.#heard(origin, message)
    if (!this.#members.has(origin)) return
    if (message.type === 'alive') return this.#host.beat(origin, message['presence'])
    if (message.type === 'message') return this.#host.message(origin, message)
    if (channel === this.#channels.ofProcess(PROCESS_ID)) return this.#host.change(message)
    const room = this.#channels.roomOf(channel)
    if (room !== undefined) this.#host.control(origin, room, message)
    else if (message.type === 'answer')
      this.#questions.answer(message['id'], origin, message['part'], message['isLast'] === true, now())
    else this.#answer(origin, message)
  }

  #missed(channel: string, origin: string): void {
    if (this.#members.has(origin)) this.#host.missed(origin, this.#channels.roomOf(channel))
  }

  #heard(node: string, { lease, isNew }: Control): void {
    const time = now()
    const isKnown = !this.#members.heard(node, Math.min(Number(lease) || this.lease, MAX_LEASE), time)
    // It may not know of this one, either.
    if (isNew === true) this.#speak(time)
    if (!isKnown) this.#host.found(node)
  }

  #answer(node: string, question: Control): void {
    const parts = this.#host.answer(question, node)
    if (parts instanceof Promise) void parts.then((late) => this.#reply(node, question, late))
    else if (parts !== undefined) this.#reply(node, question, parts)
  }

  #reply(node: string, { id }: Control, parts: readonly unknown[]): void {
    for (const [i, part] of parts.entries())
      this.#say(this.#channels.inboxOf(node), { type: 'answer', id, part, isLast: i === parts.length - 1 })
  }

  // ---- What time says

  check(time: number): void {
    this.#link.check(time)
    if (this.#link.isUp) {
      this.#subscriptions.check(time)
      if (time - this.#spokeAt >= this.lease / 4) this.#speak(time)
    }
    // Without the engine nobody can be heard.
    if (this.#link.error === undefined) this.#members.check(time)
    this.#questions.check(time)
  }

  onLag(late: number): void {
    this.#members.forgive(late, now())
  }

  async #up(): Promise<void> {
    this.#subscriptions.check(now())
    if (this.#isComingUp) return
    this.#isComingUp = true
    await this.#subscriptions.ready()
    this.#isComingUp = false
    if (this.#isClosed || !this.#link.isUp) return
    const time = now()
    this.#introducedAt = time
    // Nobody could be heard, which says nothing of the others.
    this.#members.renew(time + this.lease)
    this.#say(this.#channels.nodes, { type: 'alive', lease: this.lease, isNew: true })
    this.#host.up(this.#link.recovered())
  }

  #speak(time: number): void {
    this.#spokeAt = time
    // In front of it goes what the digest stands for.
    const presence = this.#host.digest()
    this.#say(this.#channels.nodes, { type: 'alive', lease: this.lease, presence })
  }

  #left(channel: string): void {
    this.#incoming.forget(channel)
    const room = this.#channels.roomOf(channel)
    if (room !== undefined) this.#host.unsubscribed(room)
  }

  #say(channel: string, message: Control): number {
    const payload = Buffer.from(JSON.stringify(message))
    this.#outgoing.send(channel, { kind: Kind.Control, payload, ids: [] })
    return payload.length
  }

  #post(channel: string, size: number, bytes: () => Buffer): void {
    if (this.#isClosed) return
    const limit = limitOf(this.#broker)
    if (size > limit) {
      this.#link.unpublished++
      this.#host.refused(new errors.MESSAGE_TOO_LONG(size, limit))
    } else if (this.#link.takes(size)) {
      this.#link.publish(channel, bytes())
    }
  }
}
