import type { Broker, BrokerNode } from '../brokers/broker.ts'
import { takeOwnership } from '../brokers/ownership.ts'
import { now } from '../internal/clock.ts'
import { closePayload } from '../internal/close-codes.ts'
import { PROCESS_ID, processOf } from '../internal/connection-id.ts'
import { withTimeout } from '../internal/promises.ts'
import { type Scheduled, Scheduler } from '../internal/scheduler.ts'
import { BrokerLink, type LinkListener } from './broker-link.ts'
import type { NodeListeners, RemoteBroadcast } from './listeners.ts'
import { Members } from './members.ts'
import { ReachCounts } from './reach-counts.ts'
import { type Answers, Requests } from './requests.ts'
import { Subscriptions } from './subscriptions.ts'
import { Channels } from './wire/channels.ts'
import { contractPayload } from './wire/contract-payload.ts'
import { Kind } from './wire/envelope.ts'
import type { Notes } from './wire/notes.ts'
import {
  type AliveNotice,
  type Answer,
  type EmptyNotice,
  encodeMessage,
  type MembershipNotice,
  type NodeMessage,
  type Question,
  type Request,
  type RoomNotice,
  type ServerNotice,
  type UnknownNotice
} from './wire/protocol.ts'
import { Receiver } from './wire/receiver.ts'
import { Sender } from './wire/sender.ts'
import { type StoredNotice, storedPayload } from './wire/stored-payload.ts'

/** How long a new node waits for answers at least: others may not have introduced themselves yet. In milliseconds. */
const INTRODUCTION_TIME = 500
/** How long `ready` waits for a store that does not answer, in milliseconds. */
const STORE_TIMEOUT = 1_000
/** The node checks the engine, its subscriptions and the other nodes every CHECK_TIME / 8 ms, or every lease / 8 ms if that is shorter. */
const CHECK_TIME = 1_600
const MAX_LEASE = 3_600_000

/** A broadcast for the clients of other nodes. */
export type NodeBroadcast = Omit<RemoteBroadcast, 'copyId' | 'origin'>

/** The numbers of a hub's node, from its start. */
export interface ClusterStats {
  /** True while the engine cannot be reached. */
  isDegraded: boolean
  /** Messages of this node that the engine has accepted. */
  published: number
  /** Messages that may not have reached the other nodes: the engine was away or too slow, or they were too long for it. */
  unpublished: number
  /** Messages of other nodes. */
  received: number
  /** Messages of other nodes that were lost, as gaps in their numbers show. */
  missed: number
  /** Messages that arrived twice or after later ones, and were dropped. */
  duplicates: number
  /** Messages on the channels of the cluster that were not messages of a node. */
  rejected: number
}

/**
 * A hub's node in its cluster. It sends to the other nodes through a broker, receives from them, and knows which ones there are.
 * What it receives goes to its listeners.
 */
export class ClusterNode implements BrokerNode, Scheduled {
  readonly id: string
  /** After how many milliseconds of silence the other nodes take this one for dead. */
  readonly lease: number
  readonly #broker: Broker
  readonly #channels: Channels
  readonly #link: BrokerLink
  readonly #sender: Sender
  readonly #receiver: Receiver
  readonly #subscriptions: Subscriptions
  readonly #members = new Members((id) => this.#onNodeGone(id))
  readonly #requests = new Requests()
  readonly #reachCounts = new ReachCounts((channel) => this.#subscriptions.isSubscribed(channel))
  readonly #scheduler = new Scheduler()
  #listeners: NodeListeners | undefined
  #introducedAt = now()
  #heartbeatAt = -Infinity
  #isClosed = false
  #isComingUp = false

  /**
   * @param hub the name of the hub; undefined for `app.wsHub`.
   * @throws FST_BLAZE_WS_BROKER_IN_USE if the broker serves another hub.
   */
  constructor(broker: Broker, lease: number, hub?: string) {
    takeOwnership(broker)
    this.#broker = broker
    this.lease = lease
    this.#channels = new Channels(hub)
    this.#link = new BrokerLink(broker, this.#linkListener())
    this.#sender = new Sender(this.#channels, this.#link)
    this.id = this.#sender.origin
    this.#receiver = new Receiver(this.id, this.#channels, {
      clients: {
        deliver: (broadcast) => this.#listeners?.clients.deliver(broadcast) ?? 0,
        disconnect: (...args) => this.#listeners?.clients.disconnect(...args)
      },
      onCounted: (...args) => this.#reachCounts.onDelivered(...args),
      onNodeMessage: (channel, node, message) => this.#onNodeMessage(channel, node, message),
      onStored: (...args) => this.#listeners?.streams?.onStoredElsewhere(...args),
      onGap: (channel, node) => this.#onGap(channel, node),
      onRejected: (...args) => this.#listeners?.engine.onRejected(...args)
    })
    this.#subscriptions = new Subscriptions(broker, {
      isAway: () => this.isDegraded && !this.#link.isUp,
      onFailed: (error) => this.lost(error),
      onSubscribed: (channels) => this.#onSubscribed(channels),
      onUnsubscribed: (channel) => this.#onUnsubscribed(channel)
    })
  }

  /** Opens the broker and introduces this node to the others. */
  start(listeners: NodeListeners): void {
    this.#listeners = listeners
    this.#broker.open(this)
    const { all, nodes } = this.#channels
    const own = [all, nodes, this.#channels.inboxOf(this.id), this.#channels.ofProcess(PROCESS_ID)]
    for (const channel of own) this.#subscriptions.need(channel)
    this.#scheduler.ensurePrecisionFor(Math.min(CHECK_TIME, this.lease))
    this.#scheduler.add(this)
    this.#link.check(now())
  }

  get isDegraded(): boolean {
    return this.#link.error !== undefined
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Whether messages that can wait should wait until the engine has confirmed what is pending. */
  get isBusy(): boolean {
    return this.#link.isBusy
  }

  stats(): ClusterStats {
    const { published, unpublished } = this.#link
    const { received, missed, duplicates, rejected } = this.#receiver
    return { isDegraded: this.isDegraded, published, unpublished, received, missed, duplicates, rejected }
  }

  // ---- To clients of other nodes

  /** Broadcasts to rooms and ids, or to all clients of other nodes if `targets` is undefined. Returns the channels that it was sent on. */
  broadcast({ type, payload, targets, excluded, audience, notes }: NodeBroadcast): readonly string[] {
    const message =
      audience === undefined
        ? { kind: type, payload, ids: excluded, notes }
        : { kind: Kind.Contract, payload: contractPayload(audience, payload), ids: excluded, notes }
    return this.#sender.broadcast(targets, message)
  }

  /** Tells the nodes with members in a room of a message that was stored. */
  publishStored(room: string, notice: StoredNotice, notes?: Notes): void {
    this.#sender.send(this.#channels.ofRoom(room), {
      kind: Kind.Stored,
      payload: storedPayload(notice),
      ids: [],
      notes
    })
  }

  /** Tells the nodes with members in a room that its history was cleared. */
  publishCleared(room: string): void {
    this.#send(this.#channels.ofRoom(room), { type: 'cleared' })
  }

  /** The beginning of the messages with which a store tells the other nodes of what it has stored. */
  storedHead(notes?: Notes): Buffer {
    return this.#sender.unnumberedHead(Kind.Stored, notes)
  }

  /** Disconnects the members of rooms, and connections named by their ids. */
  disconnect(targets: readonly string[], code: number, reason: string): void {
    this.#sender.broadcast(targets, { kind: Kind.Disconnect, payload: closePayload(code, reason), ids: [] })
  }

  /** Lets a connection of another node join or leave a room. Returns false if its node cannot be reached now. */
  changeMembership(notice: MembershipNotice): boolean {
    const channel = this.#channels.ofProcess(processOf(notice.id))
    const isSent = this.#sender.send(channel, { kind: Kind.Node, payload: encodeMessage(notice), ids: [] })
    return isSent && !this.isDegraded
  }

  // ---- To other nodes

  notifyServers(notice: ServerNotice): void {
    this.#send(this.#channels.nodes, notice)
  }

  /** Tells the nodes that watch a room about presence there. Returns the bytes that this takes. */
  notifyRoom(room: string, notice: RoomNotice): number {
    return this.#send(this.#channels.ofRoom(room), notice)
  }

  notifyNode(node: string, notice: EmptyNotice): void {
    this.#send(this.#channels.inboxOf(node), notice)
  }

  /** Asks all nodes, or one. Resolves after `timeout` milliseconds at the latest, with the answers that have come. */
  request(question: Question, timeout: number, node?: string): Promise<Answers> {
    return this.#ask(() => question, timeout, node)
  }

  /** Broadcasts, and asks all nodes how many connections have taken it. Otherwise like `request`. */
  reach(broadcast: NodeBroadcast, timeout: number): Promise<Answers> {
    const send = (reach: number): Question => {
      const channels = this.broadcast({ ...broadcast, notes: { ...broadcast.notes, reach } })
      return { type: 'reach', channels }
    }
    return this.#ask(send, timeout)
  }

  /** @param makeQuestion is called also if nobody can be asked, with the id of the request. */
  #ask(makeQuestion: (id: number) => Question, timeout: number, node?: string): Promise<Answers> {
    const time = now()
    const canAsk = !this.isDegraded && !this.#isClosed
    const { id, answered } = this.#requests.open(
      node === undefined ? this.#members.ids() : [node],
      this.#introducedAt + INTRODUCTION_TIME,
      canAsk ? time + timeout : -Infinity
    )
    const question = makeQuestion(id)
    const channel = node === undefined ? this.#channels.nodes : this.#channels.inboxOf(node)
    if (canAsk) this.#send(channel, { ...question, id })
    this.#requests.settleDue(time)
    return answered
  }

  // ---- Rooms

  /** Subscribes to a room, until `leaveRoom`. */
  enterRoom(room: string): void {
    this.#subscriptions.need(this.#channels.ofRoom(room))
  }

  leaveRoom(room: string): void {
    this.#subscriptions.release(this.#channels.ofRoom(room), now())
  }

  /** Resolves to true once the subscription to a room is in force or no longer needed; to false after `timeout` milliseconds. */
  subscribed(room: string, timeout: number): Promise<boolean> {
    return this.#subscriptions.ready(this.#channels.ofRoom(room), timeout)
  }

  /** Resolves to true once this node misses nothing that is sent or published in its rooms; to false after `timeout` milliseconds. */
  async ready(timeout?: number): Promise<boolean> {
    const start = now()
    if (!(await this.#subscriptions.ready(undefined, timeout))) return false
    const { streams } = this.#listeners ?? {}
    if (streams === undefined) return true
    // Until the store has told the position of a room, what is stored there counts as published before `join`.
    const rest = timeout === undefined ? Infinity : start + timeout - now()
    return withTimeout(streams.located(), Math.min(rest, STORE_TIMEOUT), () => false)
  }

  /** Says good-bye to the other nodes and closes the broker, which first sends what is pending. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#send(this.#channels.nodes, { type: 'bye' })
    this.#isClosed = true
    this.#scheduler.delete(this)
    this.#requests.close()
    this.#subscriptions.close()
    await this.#link.close()
  }

  // ---- From the broker

  lost(error: Error): void {
    this.#link.down(error)
  }

  receive(channel: string, message: Uint8Array): void {
    if (!this.#isClosed) this.#receiver.receive(channel, message)
  }

  #onNodeMessage(channel: string, node: string, message: NodeMessage | UnknownNotice): void {
    if (message.type === 'bye') return this.#members.depart(node, now() + this.lease)
    // An earlier message on another channel may arrive after the good-bye.
    if (this.#members.hasDeparted(node)) return
    if (message.type === 'alive') this.#onHeartbeat(node, message)
    // Every message shows that its sender is alive, and only members are found dead when they fall silent.
    else if (!this.#members.has(node)) this.#renew(node, this.lease)
    if (this.#members.has(node)) this.#dispatch(channel, node, message)
  }

  #dispatch(channel: string, node: string, message: NodeMessage | UnknownNotice): void {
    const { clients, presence, server, streams } = this.#listeners as NodeListeners
    const room = this.#channels.roomOf(channel)
    switch (message.type) {
      case 'message':
        return server.onServerNotice(node, message)
      case 'join':
      case 'leave':
        return clients.changeMembership(message)
      case 'present':
      case 'absent':
      case 'snapshot':
        return room === undefined ? undefined : presence.onRoomNotice(node, room, message)
      case 'cleared':
        return room === undefined ? undefined : streams?.onCleared(room)
      case 'nobody':
        return presence.onEmptyRooms(node, message.rooms)
      case 'answer':
        return this.#requests.onAnswer(message, node, now())
      case 'nodes':
      case 'count':
      case 'rooms':
      case 'ask':
      case 'presence':
      case 'compare':
      case 'reach':
        return this.#answer(node, message)
      case 'alive':
        return presence.onHeartbeat(node, message.presence)
      default:
    }
  }

  #onHeartbeat(node: string, { lease, isNew }: AliveNotice): void {
    this.#renew(node, Math.min(lease || this.lease, MAX_LEASE))
    // A new node may not know this one either.
    if (isNew === true) this.#sendHeartbeat(now())
  }

  #renew(node: string, lease: number): void {
    if (this.#members.renew(node, lease, now())) this.#listeners?.presence.onNodeFound(node)
  }

  #answer(node: string, request: Request): void {
    const { server, presence } = this.#listeners as NodeListeners
    const parts =
      request.type === 'reach'
        ? this.#reachCounts.answer(node, request)
        : (server.answer(request, node) ?? presence.answer(request, node))
    if (parts instanceof Promise) void parts.then((late) => this.#sendAnswer(node, request, late))
    else if (parts !== undefined) this.#sendAnswer(node, request, parts)
  }

  #sendAnswer(node: string, { id }: Request, parts: readonly unknown[]): void {
    for (const [i, part] of parts.entries()) {
      const answer: Answer = { type: 'answer', id, part, isLast: i === parts.length - 1 }
      this.#send(this.#channels.inboxOf(node), answer)
    }
  }

  #onGap(channel: string, node: string): void {
    if (this.#members.has(node)) this.#listeners?.presence.onGap(node, this.#channels.roomOf(channel))
  }

  #onNodeGone(node: string): void {
    this.#requests.onNodeGone(node)
    this.#listeners?.presence.onNodeGone(node)
  }

  #onSubscribed(channels: readonly string[]): void {
    const { streams } = this.#listeners as NodeListeners
    if (streams === undefined) return
    for (const channel of channels) {
      const room = this.#channels.roomOf(channel)
      if (room !== undefined) streams.onSubscribed(room)
    }
  }

  #onUnsubscribed(channel: string): void {
    this.#receiver.forget(channel)
    const room = this.#channels.roomOf(channel)
    if (room !== undefined) this.#listeners?.presence.onUnsubscribed(room)
  }

  // ---- From the scheduler

  check(time: number): void {
    this.#link.check(time)
    if (this.#link.isUp) {
      this.#subscriptions.check(time)
      if (time - this.#heartbeatAt >= this.lease / 4) this.#sendHeartbeat(time)
    }
    // While the engine is away, no node can be heard.
    if (!this.isDegraded) this.#members.expire(time)
    this.#requests.settleDue(time)
  }

  onLag(lag: number): void {
    this.#members.onLag(lag, now())
  }

  // ---- From the link

  #linkListener(): LinkListener {
    return {
      onDown: (error) => this.#listeners?.engine.onDegraded(error),
      onUp: () => void this.#comeUp(),
      onRefused: (error) => this.#listeners?.engine.onRefused(error),
      onDrained: () => void this.#listeners?.presence.resync()
    }
  }

  /** Subscribes to everything again, and introduces this node to the others. */
  async #comeUp(): Promise<void> {
    this.#subscriptions.check(now())
    if (this.#isComingUp) return
    this.#isComingUp = true
    await this.#subscriptions.ready()
    this.#isComingUp = false
    if (this.#isClosed || !this.#link.isUp) return
    const time = now()
    this.#introducedAt = time
    // Nobody could be heard meanwhile, which does not mean that they are dead.
    this.#members.extendAll(time + this.lease)
    this.#send(this.#channels.nodes, { type: 'alive', lease: this.lease, isNew: true })
    if (!this.#link.recovered()) return
    void this.#listeners?.presence.resync()
    this.#listeners?.streams?.resync()
    this.#listeners?.engine.onRecovered()
  }

  #sendHeartbeat(time: number): void {
    this.#heartbeatAt = time
    // Computing the digest sends the changes that it covers. They must go first.
    const presence = this.#listeners?.presence.digest() ?? ''
    this.#send(this.#channels.nodes, { type: 'alive', lease: this.lease, presence })
  }

  #send(channel: string, message: NodeMessage): number {
    const payload = encodeMessage(message)
    this.#sender.send(channel, { kind: Kind.Node, payload, ids: [] })
    return payload.length
  }
}
