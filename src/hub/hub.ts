import type { Cluster } from '../cluster/cluster.ts'
import { WebSocketConnection } from '../connection/connection.ts'
import { type AnyConnection, underlying } from '../connection/underlying.ts'
import type { AnyContract, Contract, Data, In, Of } from '../contract/types.ts'
import { Channels } from '../cluster/wire/channels.ts'
import type { History } from '../history/history.ts'
import type { JoinOptions } from '../history/join.ts'
import { publicationOf, type StreamOptions } from '../history/publish-arguments.ts'
import type { StreamClients } from '../history/stream-members.ts'
import type { Published } from '../history/streams.ts'
import type { CompiledContract } from '../schemas/compiled-contract.ts'
import { compiledContract } from '../schemas/contracts.ts'
import { markHandled } from '../internal/promises.ts'
import { HubHistory } from './hub-history.ts'
import { assertSendable, assertTimeout, CloseCode, fitReason } from '../internal/close-codes.ts'
import { brand } from '../internal/package-copies.ts'
import { emit, Emitter } from '../internal/emitter.ts'
import { invalidOption } from '../internal/errors.ts'
import { jsonOf } from '../internal/payload.ts'
import { checkTargets } from '../internal/targets.ts'
import { traceOfPublication } from '../observe/traces.ts'
import type { Presence } from '../presence/presence.ts'
import { Broadcaster } from './broadcaster.ts'
import { Clients } from './clients.ts'
import {
  assertDisconnectOptions,
  type DisconnectOptions,
  type DisconnectTarget,
  roomsAndIdsIn,
  selectClients
} from './disconnect.ts'
import { ClientEvents, HUB_EVENTS, type HubEvents, logListenerError } from './client-events.ts'
import { Deliveries } from './deliveries.ts'
import { HubCluster } from './hub-cluster.ts'
import { type HubOptions, resolveHubOptions } from './hub-options.ts'
import type { BroadcastOptions } from './broadcast-options.ts'
import { Broadcasts, callOf, type Targets } from './broadcasts.ts'
import { Latest } from './latest.ts'
import { reach, type Reached, type ReachOptions } from './reach.ts'
import { Membership } from './membership.ts'
import type { RoomTarget } from './room-target.ts'
import { RemoteBroadcasts } from './remote-broadcasts.ts'
import type { HubStats } from './stats.ts'

const NO_OPTIONS: JoinOptions = {}

/**
 * Broadcasts to many connections: to all, or to the members of rooms. All recipients get the messages in the same order. A hub
 * never waits for a client and never throws because of one. `app.wsHub` is the hub of the server. Make further hubs for groups of
 * clients that have nothing to do with each other.
 */
export class WebSocketHub extends Emitter<HubEvents> {
  static {
    brand(this, 'hub')
  }

  readonly #clients = new Clients()
  readonly #events = new ClientEvents(this)
  readonly #broadcaster: Broadcaster
  readonly #broadcasts: Broadcasts
  readonly #latest: Latest
  readonly #membership: Membership
  readonly #remoteBroadcasts: RemoteBroadcasts
  readonly #history: HubHistory
  readonly #options: ReturnType<typeof resolveHubOptions>
  /** Connects the hub to its cluster. Made at once if there is a broker, and otherwise when it is first needed. */
  #hubCluster: HubCluster | undefined
  /** The server whose compilers are used for contracts. */
  readonly #server: object | undefined
  readonly #done: Promise<void>
  #resolveDone: () => void = () => {}

  /** @throws FST_BLAZE_WS_INVALID_OPTION for an unknown option, a value that is not allowed, or a broker without a `name`. */
  constructor(options?: HubOptions)
  /** @internal The hub of a server needs no name. */
  constructor(options: HubOptions | undefined, server: object)
  constructor(options?: HubOptions, server?: object) {
    super(HUB_EVENTS, 'to send to clients, call broadcast()')
    this.#options = resolveHubOptions(options)
    this.#server = server ?? this.#options.app?.server
    if (this.#options.broker !== undefined && this.#options.name === undefined && server === undefined) {
      throw invalidOption(
        'hub.name',
        'is required for a hub of your own with a broker: without a name, it would get the messages for app.wsHub'
      )
    }
    this.#options.app?.addHook('onClose', () => this.shutdown(0))
    const { history, broker, name, slowConsumer, logger } = this.#options
    const streamClients: StreamClients = {
      members: (room) => this.#clients.rooms.members(room),
      allAccept: (audience) => this.#clients.allAccept(audience),
      send: (...args) => this.#broadcaster.send(...args)
    }
    this.#history = new HubHistory(streamClients, {
      hub: this,
      history,
      broker,
      channels: new Channels(name),
      logger
    })
    this.#broadcaster = new Broadcaster(
      slowConsumer,
      this.#history.hasStore,
      this.#events,
      (ws) => void this.#membership.remove(ws)
    )
    this.#clients.rooms.observers.push(this.#history)
    this.#membership = new Membership({
      clients: this.#clients,
      events: this.#events,
      broadcaster: this.#broadcaster,
      history: this.#history,
      node: () => this.#hubCluster?.node
    })
    const deliveries = new Deliveries()
    this.#broadcasts = new Broadcasts({
      hub: this,
      clients: this.#clients,
      broadcaster: this.#broadcaster,
      deliveries,
      server: this.#server,
      logger,
      cluster: () => this.#hubCluster
    })
    this.#latest = new Latest(this.#broadcasts)
    this.#remoteBroadcasts = new RemoteBroadcasts(this, this.#clients, this.#broadcaster, deliveries)
    this.#done = new Promise((resolve) => {
      this.#resolveDone = resolve
    })
    if (this.#options.broker !== undefined) this.#connectToCluster()
  }

  /** Asks all nodes of the cluster, and sends messages to their servers. Without a broker, the cluster is this hub alone. */
  get cluster(): Cluster {
    return (this.#hubCluster ?? this.#connectToCluster()).cluster
  }

  /** The published messages of rooms. */
  get history(): History {
    return this.#history.history
  }

  /** Tells who is in which room, on all nodes. */
  get presence(): Presence {
    return (this.#hubCluster ?? this.#connectToCluster()).presence
  }

  // ---- Connections and rooms

  /**
   * Adds a connection. It leaves the hub by itself when it closes. Registering it again, or with several hubs, is harmless.
   *
   * @returns false if the connection was not added: it is closed, or the hub is shut down.
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT if it is not a connection.
   */
  register(connection: AnyConnection): boolean {
    return this.#membership.register(underlying(connection))
  }

  /**
   * Removes a connection from the hub and its rooms, and closes it with 1000. Nothing happens if it is not registered.
   *
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT if it is not a connection.
   */
  unregister(connection: AnyConnection): void {
    const ws = underlying(connection)
    if (this.#membership.remove(ws)) void ws.close(CloseCode.NormalClosure, 'unregistered')
  }

  /**
   * Adds a connection to a room, and to the hub if it is not registered.
   *
   * @param ws a connection, or the `id` of a registered connection on any node.
   * @param room 1 to 256 characters of well-formed Unicode, and not the `id` of a connection.
   * @param options which past of the room the connection gets before its live messages. It has no effect on a connection that is in
   * the room already.
   * @returns false if the connection was not added, as for `register`. For a connection of another node, true means that the
   * request was sent; that node adds the connection if it is still registered there.
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT or FST_BLAZE_WS_OUT_OF_RANGE if the room name is invalid. The error's `closeCode` is
   * 1008.
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT if `ws` is neither a connection nor an id.
   */
  join(ws: AnyConnection | string, room: string, options: JoinOptions = NO_OPTIONS): boolean {
    return this.#membership.join(ws, room, options)
  }

  /**
   * Removes a connection from a room. It stays registered. Nothing happens if it is not in the room.
   *
   * @param ws a connection, or the `id` of a registered connection on any node.
   * @throws the same errors as `join`.
   */
  leave(ws: AnyConnection | string, room: string): void {
    this.#membership.leave(ws, room)
  }

  /**
   * The rooms that a connection is in. After it has closed, they are the rooms it was in then, until its handler has settled.
   *
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT if it is not a connection.
   */
  rooms(connection: AnyConnection): string[] {
    const ws = underlying(connection)
    const { rooms } = this.#clients
    const last = ws.session.isSettled ? undefined : rooms.ofClosed(ws)
    return [...(last ?? rooms.of(ws))]
  }

  /** The rooms that have members on this node. */
  getRooms(): string[] {
    return this.#clients.rooms.names()
  }

  /** @internal The rooms of `getRooms` with the number of their members, without a list of all. */
  roomSizes(): Iterable<[room: string, members: number]> {
    return this.#clients.rooms.sizes()
  }

  /** All registered connections of this node, the members of a room, or the connection with an `id`. */
  getClients(room?: string): WebSocketConnection[] {
    return [...(room === undefined ? this.#clients.all : this.#clients.findByTarget(room))]
  }

  /** The number of connections that `getClients` returns. */
  getClientCount(room?: string): number {
    return room === undefined ? this.#clients.all.size : this.#clients.findByTarget(room).size
  }

  // ---- Broadcasts

  /**
   * Names the recipients of a broadcast: `hub.to('news').broadcast('hello')`.
   *
   * @param room a room, the `id` of a connection, or a list of up to 1024 of these. Each recipient gets the message once.
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT or FST_BLAZE_WS_OUT_OF_RANGE if a name is invalid or the list is too long.
   */
  to(room: string | readonly string[]): RoomTarget {
    checkTargets(room)
    return {
      broadcast: (...args: unknown[]) => this.#broadcast(args, { to: room }),
      broadcastJSON: (value, options) => this.#broadcast([jsonOf(value), options], { to: room }),
      publish: (...args: unknown[]) => this.#publish(args, { to: room }),
      latest: (key: unknown, ...args: unknown[]) => this.#latest.send(key, args, { to: room }),
      reach: (...args: unknown[]) => this.#reach(args, { to: room })
    }
  }

  /**
   * Sends a message to all registered connections, or to those that the options select. With a broker, these are the connections
   * of all nodes. It does not wait for the message to be sent.
   *
   * @returns the number of connections of this node that accepted the message.
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT if an option is wrong, if the data is neither a string nor bytes, or if bytes are sent
   * as text and are not UTF-8. It is a TypeError.
   * @throws FST_BLAZE_WS_OUT_OF_RANGE if `to` or `except` has more than 1024 entries, or a room name is empty or too long.
   */
  broadcast(data: string | Uint8Array, options?: BroadcastOptions): number
  /**
   * Sends an event of a contract, checked and serialized once. Connections with a contract of this name get it, and connections
   * without a contract.
   *
   * @throws TypeError if the contract has no such event, or if the data does not fit. Nothing is sent then.
   */
  broadcast<C extends AnyContract, E extends keyof Of<C, 'fromServer'> & string>(
    contract: C,
    event: E,
    ...data: Data<In<Of<C, 'fromServer'>[E]>, [options?: Omit<BroadcastOptions, 'type'>]>
  ): number
  broadcast(...args: unknown[]): number {
    return this.#broadcast(args, undefined)
  }

  /**
   * Sends a value as JSON. See `broadcast`.
   *
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT if the value has no JSON form.
   */
  broadcastJSON(value: unknown, options?: BroadcastOptions): number {
    return this.broadcast(jsonOf(value), options)
  }

  /**
   * Sends a message as `broadcast` does, and counts on all nodes how many connections have taken it: their sockets, or their send
   * queues. Resolves once all nodes have answered, and after `timeout` milliseconds at the latest. While the engine of the broker is
   * away it does not wait: then all other nodes are missing. The message is sent before `reach` returns, also if it is not awaited.
   *
   * @throws the errors of `broadcast`, as rejections. There is no `filter`.
   */
  reach(data: string | Uint8Array, options?: ReachOptions): Promise<Reached>
  /**
   * Sends an event of a contract, and tells who was reached.
   *
   * @throws TypeError (as a rejection) if the contract has no such event, or if the data does not fit. Nothing is sent then.
   */
  reach<C extends AnyContract, E extends keyof Of<C, 'fromServer'> & string>(
    contract: C,
    event: E,
    ...data: Data<In<Of<C, 'fromServer'>[E]>, [options?: Omit<ReachOptions, 'type'>]>
  ): Promise<Reached>
  reach(...args: unknown[]): Promise<Reached> {
    return this.#reach(args, undefined)
  }

  /**
   * Stores a message in the history of a room, and sends it to the members of the room on all nodes: in one order, once, and also to
   * those who are away and come back with their position. Resolves once it is stored and this node has sent it. It counts also if the
   * call is not awaited; messages of one process to one room are stored in the order of the calls.
   *
   * @returns the position of the message, and how many connections of this node have got it or will.
   * @throws FST_BLAZE_WS_HISTORY_UNAVAILABLE (as a rejection, like the others) within a second if it is not certain that the message was
   * stored. Repeat it with the same `id`.
   * @throws FST_BLAZE_WS_NO_HISTORY if the hub has a broker and no store.
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT or FST_BLAZE_WS_OUT_OF_RANGE if an argument is wrong. `to` is one room.
   */
  publish(data: string | Uint8Array, options: StreamOptions & { to: string }): Promise<Published>
  /**
   * Stores and sends an event of a contract, checked and serialized once.
   *
   * @throws TypeError (as a rejection) if the contract has no such event, or if the data does not fit.
   */
  publish<C extends AnyContract, E extends keyof Of<C, 'fromServer'> & string>(
    contract: C,
    event: E,
    data: In<Of<C, 'fromServer'>[E]> | undefined,
    options: Omit<StreamOptions, 'type'> & { to: string }
  ): Promise<Published>
  publish(...args: unknown[]): Promise<Published> {
    return this.#publish(args, undefined)
  }

  // ---- The end of connections and of the hub

  /**
   * Removes connections from the hub and closes them: the members of a room, connections, ids of connections, a list of these, or
   * all connections for which a function returns true. To disconnect a user on all nodes, use a room for each user.
   *
   * @param code 1000 to 1003, 1007 to 1014 or 3000 to 4999. @default 1008
   * @param reason cut to 123 bytes. @default 'disconnected'
   * @param options.local with a broker, rooms and ids are disconnected on all nodes unless this is true. @default false
   * @returns the number of connections that were closed on this node.
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT or FST_BLAZE_WS_OUT_OF_RANGE if the target, the code or the reason is invalid.
   */
  disconnect(
    target: DisconnectTarget,
    code: number = CloseCode.PolicyViolation,
    reason = 'disconnected',
    options: DisconnectOptions = {}
  ): number {
    assertSendable(code, reason)
    assertDisconnectOptions(options)
    const targets = roomsAndIdsIn(target)
    const clients = selectClients(this.#clients, target, targets)
    const remoteTargets = this.#clients.targetsOnOtherNodes(targets)
    if (remoteTargets.length > 0 && options.local !== true)
      this.#hubCluster?.disconnectElsewhere(remoteTargets, code, fitReason(reason))
    for (const ws of clients) {
      this.#membership.remove(ws)
      void ws.close(code, reason)
    }
    return clients.length
  }

  /** The numbers of this hub on this node. */
  stats(): HubStats {
    return { clients: this.#clients.all.size, rooms: this.#clients.rooms.size, ...this.#broadcaster.stats() }
  }

  /** Resolves when the hub has shut down. A hub works without this call. */
  run(): Promise<void> {
    return this.#done
  }

  /**
   * Closes all connections with 1001 and leaves the cluster. No connection can be registered any more.
   *
   * @param timeout connections that are still open after it are dropped, in milliseconds.
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT or FST_BLAZE_WS_OUT_OF_RANGE (as a rejection) if the timeout is invalid.
   */
  async shutdown(timeout: number): Promise<void> {
    await this.closeClients(timeout)
    await this.leaveCluster()
  }

  /** @internal The first half of `shutdown`. After it, broadcasts reach only clients of other nodes. */
  async closeClients(timeout: number): Promise<void> {
    assertTimeout(timeout)
    this.#membership.isClosed = true
    this.#latest.close()
    await this.#clients.closeAll(timeout, 'hub shutting down')
  }

  /** @internal The second half of `shutdown`. */
  async leaveCluster(): Promise<void> {
    await this.#history.close()
    await this.#hubCluster?.node?.close()
    this.#resolveDone()
  }

  // ---- Internals

  /** @param to the targets of `hub.to()`. */
  #broadcast(args: readonly unknown[], to: Targets | undefined): number {
    const { content, options } = callOf(args)
    return this.#broadcasts.send(this.#broadcasts.read(content, options, to))
  }

  #reach(args: readonly unknown[], to: Targets | undefined): Promise<Reached> {
    return markHandled(reach(this.#broadcasts, args, to))
  }

  /** @param to the target of `hub.to()`. */
  #publish(args: readonly unknown[], to: { to: unknown } | undefined): Promise<Published> {
    const compile = (contract: Contract): CompiledContract => compiledContract(contract, this.#server)
    const published = (async () => {
      const publication = publicationOf(args, to, compile)
      const { streams } = this.#history
      const { room, content } = publication
      return streams.publish(publication, traceOfPublication(this, room, content.payload.length))
    })()
    return markHandled(published)
  }

  /** Without a broker, the cluster is this hub alone. */
  #connectToCluster(): HubCluster {
    const { broker, lease, name, app, logger = app?.log } = this.#options
    this.#hubCluster = new HubCluster(
      {
        addToRoom: (ws, room) => {
          this.#history.assertCanJoin(room, NO_OPTIONS)
          return this.#membership.addToRoom(ws, room, NO_OPTIONS)
        },
        changeMembership: ({ type, id, room, ...options }) => {
          const ws = this.#clients.findById(id)
          if (ws === undefined) return
          if (type === 'join') this.join(ws, room, options)
          else this.leave(ws, room)
        },
        getClientCount: (room) => this.getClientCount(room),
        getRooms: () => this.getRooms(),
        afterBroadcast: (callback) => this.#events.afterBroadcast(callback),
        deliver: (broadcast) => this.#remoteBroadcasts.deliver(broadcast),
        disconnect: (targets, code, reason) => this.disconnect(targets, code, reason, { local: true }),
        emit: (event: 'degraded' | 'recovered', ...args: []) => emit<HubEvents, typeof event>(this, event, ...args)
      },
      { broker, lease, name, logger, streams: this.#history.shared }
    )
    this.#history.connect(this.#hubCluster.node)
    this.#clients.rooms.observers.push(this.#hubCluster)
    return this.#hubCluster
  }

  /** Node calls this if an async listener rejects. */
  [Symbol.for('nodejs.rejection')](error: unknown, event: string, subject: unknown): void {
    if (subject instanceof WebSocketConnection) logListenerError(error, event, subject)
    else this.#hubCluster?.logListenerError(error, event)
  }
}
