import { Backplane } from '../cluster/backplane.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Presence } from '../presence/presence.ts'
import { assertSendable, assertTimeout, CloseCode, fitReason } from '../internal/close.ts'
import { WebSocketConnection } from '../connection/connection.ts'
import { assertDataType, jsonOf, ownCopy, payloadOf } from '../internal/payload.ts'
import { PreparedMessage } from '../connection/write/prepared-message.ts'
import { brand } from '../internal/copies.ts'
import { emit, Emitter } from '../internal/emitter.ts'
import { invalidOption } from '../internal/errors.ts'
import { TextMessage } from '../internal/message.ts'
import { assertRoomName } from '../internal/room-name.ts'
import { targetsFromOptions, checkTargets } from '../internal/targets.ts'
import { isConnectionId } from '../internal/connection-id.ts'
import { Clients } from './clients.ts'
import { closeAll } from './close-all.ts'
import { Broadcaster, type HubStats } from './broadcaster.ts'
import { Events, HUB_EVENTS, type HubEvents, logFailure } from './events.ts'
import { type HubOptions, resolveHubOptions } from './options.ts'
import {
  assertConnection,
  assertOptions,
  type BroadcastOptions,
  connectionsOf,
  type DisconnectOptions,
  type DisconnectTarget,
  excludedIds,
  namesIn,
  recipientsOf,
  type RoomTarget
} from './recipients.ts'
import { Deduplicator } from './deduplicator.ts'

/**
 * Broadcasts to many connections, in rooms or to all, in the same order for all. It never blocks on a client and never throws
 * because of one. `app.wsHub` is one; make others where the sets of clients have nothing to do with each other.
 */
export class WebSocketHub extends Emitter<HubEvents> {
  static {
    brand(this, 'hub')
  }

  readonly #clients = new Clients()
  readonly #events = new Events(this)
  readonly #delivery: Broadcaster
  readonly #options: ReturnType<typeof resolveHubOptions>
  readonly #done: Promise<void>
  /** What others call of this hub, and users should not. */
  readonly #listener = { forget: (ws: WebSocketConnection): void => this.#closed(ws) }
  /** The rooms that connections were in when they closed: their handlers may still want to say good-bye there. */
  readonly #roomsOfClosed = new WeakMap<WebSocketConnection, string[]>()
  /** Made at once where there is a broker, and otherwise when it is first asked for. */
  #backplane: Backplane | undefined
  readonly #recipients = new Deduplicator()
  #finish: () => void = () => {}
  #isShutDown = false

  /** @throws FST_BLAZE_WS_INVALID_OPTION for an unknown option, a wrong value, or a broker without a `name`. */
  constructor(options?: HubOptions)
  /** @internal The hub of a server needs no name. */
  constructor(options: HubOptions | undefined, isOfServer: true)
  constructor(options?: HubOptions, isOfServer = false) {
    super(HUB_EVENTS, 'to send to clients, call broadcast()')
    this.#options = resolveHubOptions(options)
    if (this.#options.broker !== undefined && this.#options.name === undefined && !isOfServer) {
      throw invalidOption(
        'hub.name',
        'is missing: with a broker, a hub of your own needs a name, or it would hear what is meant for app.wsHub'
      )
    }
    this.#options.app?.addHook('onClose', () => this.shutdown(0))
    this.#delivery = new Broadcaster(this.#options.slowConsumer, this.#events, (ws) => void this.#remove(ws))
    this.#done = new Promise((resolve) => {
      this.#finish = resolve
    })
    if (this.#options.broker !== undefined) this.#join()
  }

  /** Asks all nodes of the cluster. Without a broker, that is this hub alone. */
  get cluster(): Cluster {
    return (this.#backplane ?? this.#join()).cluster
  }

  /** Who is in which room, on all nodes. */
  get presence(): Presence {
    return (this.#backplane ?? this.#join()).presence
  }

  /**
   * Adds a connection; it leaves by itself when it closes. Registering twice is harmless, also in several hubs.
   * False where it was not added: it is closed, or the hub is shut down.
   */
  register(ws: WebSocketConnection): boolean {
    assertConnection(ws)
    if (this.#clients.has(ws)) return true
    if (this.#isShutDown || ws.isClosed()) return false
    this.#delivery.changed()
    this.#clients.add(ws)
    ws.session.closeState.keptBy(this.#listener, ws)
    this.#events.emit('register', ws)
    return true
  }

  /** Takes a connection out of the hub and its rooms and closes it with 1000. Nothing happens where it is not registered. */
  unregister(ws: WebSocketConnection): void {
    assertConnection(ws)
    if (this.#remove(ws)) void ws.close(CloseCode.NormalClosure, 'unregistered')
  }

  /**
   * Adds a connection to a room, and to the hub if it is not registered. False as with `register`.
   *
   * A registered connection, also of another node, can be named by its `id`. True then says that its node was told, which adds it if it is still there.
   */
  join(ws: WebSocketConnection | string, room: string): boolean {
    const here = this.#here(ws)
    // Every connection can be reached by its own id, as if it were in a room of that name.
    if (here !== undefined && room === here.id) return this.register(here)
    assertRoomName(room)
    return here === undefined
      ? this.#backplane?.node?.change('join', ws as string, room) === true
      : this.#add(here, room)
  }

  /** Takes a connection out of a room. It stays registered. Like `join`, it also takes the `id` of a connection of any node. */
  leave(ws: WebSocketConnection | string, room: string): void {
    const here = this.#here(ws)
    if (room === here?.id) return
    assertRoomName(room)
    if (here === undefined) return void this.#backplane?.node?.change('leave', ws as string, room)
    this.#delivery.changed()
    this.#clients.rooms.remove(here, room)
  }

  /** The rooms a connection is in. After it has closed: those it was in then, until its handler has settled. */
  rooms(ws: WebSocketConnection): string[] {
    assertConnection(ws)
    const left = ws.session.isSettled ? undefined : this.#roomsOfClosed.get(ws)
    return [...(left ?? this.#clients.rooms.of(ws))]
  }

  /** The rooms with at least one member. */
  getRooms(): string[] {
    return this.#clients.rooms.names()
  }

  /** The registered connections, those in a room, or the one with an id. */
  getClients(room?: string): WebSocketConnection[] {
    return [...(room === undefined ? this.#clients.all : this.#clients.named(room))]
  }

  /** How many connections are registered, or in a room. */
  getClientCount(room?: string): number {
    return room === undefined ? this.#clients.all.size : this.#clients.named(room).size
  }

  /**
   * The members of a room, or the connection with an id, to broadcast to: `hub.to('news').broadcast('hello')`. With several, each
   * of them gets it once.
   */
  to(room: string | readonly string[]): RoomTarget {
    checkTargets(room)
    return {
      broadcast: (data, options) => this.broadcast(data, { ...options, to: room }),
      broadcastJSON: (value, options) => this.broadcastJSON(value, { ...options, to: room })
    }
  }

  /**
   * Sends to every registered connection, or to those that the options leave; with a broker, to those of all nodes. It returns at
   * once: the number of connections of this node that took the message.
   *
   * @throws TypeError where the data is neither string nor bytes, or bytes that go out as text are not UTF-8.
   */
  broadcast(data: string | Uint8Array, options: BroadcastOptions = {}): number {
    const type = options.type ?? TextMessage
    assertDataType(type)
    const message = new PreparedMessage(type, ownCopy(payloadOf(type, data)), data)
    assertOptions(options)
    const targets = targetsFromOptions(options)
    const here = recipientsOf(this.#clients, targets, options)
    if (this.#backplane !== undefined && options.local !== true)
      this.#spread(message, options, targets, this.#backplane)
    return this.#delivery.send(message, here)
  }

  /** Sends a value as JSON. Throws a TypeError where it has no JSON form. See `broadcast`. */
  broadcastJSON(value: unknown, options?: BroadcastOptions): number {
    return this.broadcast(jsonOf(value), options)
  }

  /**
   * Takes connections out of the hub and closes them: those in a room, those with the ids that are named, those that a function
   * returns true for, or those given. Says how many they were on this node. With a room for each user, this is how a user is
   * thrown out everywhere.
   *
   * @param code 1000 to 1003, 1007 to 1014 or 3000 to 4999. @default 1008
   * @param reason cut to the 123 bytes that fit. @default 'disconnected'
   * @param options with a broker, rooms and ids are looked for on all nodes unless `local` is true.
   */
  disconnect(
    target: DisconnectTarget,
    code: number = CloseCode.PolicyViolation,
    reason = 'disconnected',
    { local = false }: DisconnectOptions = {}
  ): number {
    assertSendable(code, reason)
    const connections = connectionsOf(this.#clients, target)
    const elsewhere = typeof target === 'function' ? [] : this.#clients.elsewhere(namesIn(target))
    if (elsewhere.length > 0 && !local) this.#backplane?.disconnectOthers(elsewhere, code, fitReason(reason))
    for (const ws of connections) {
      this.#remove(ws)
      void ws.close(code, reason)
    }
    return connections.length
  }

  /** The hub's numbers. */
  stats(): HubStats {
    return { clients: this.#clients.all.size, rooms: this.#clients.rooms.size, ...this.#delivery.stats() }
  }

  /** Settles when the hub has shut down. A hub works without it: it is for programs that start one. */
  run(): Promise<void> {
    return this.#done
  }

  /** Closes every client with 1001, waits for `timeout` milliseconds at most and drops the rest. Then no one can register. */
  async shutdown(timeout: number): Promise<void> {
    await this.closeClients(timeout)
    await this.leaveCluster()
  }

  /** @internal The first half of `shutdown`: from here on, broadcasts go to other nodes only. */
  async closeClients(timeout: number): Promise<void> {
    assertTimeout(timeout)
    this.#isShutDown = true
    await closeAll(this.getClients(), timeout, 'hub shutting down')
  }

  /** @internal The second half. */
  async leaveCluster(): Promise<void> {
    await this.#backplane?.node?.close()
    this.#finish()
  }

  /** The connection, if it has this id and is registered here. */
  #here(ws: WebSocketConnection | string): WebSocketConnection | undefined {
    if (isConnectionId(ws)) return this.#clients.withId(ws)
    assertConnection(ws)
    return ws
  }

  #add(ws: WebSocketConnection, room: string): boolean {
    this.register(ws)
    // A listener of 'register' may have sent it away again.
    if (!this.#clients.has(ws)) return false
    this.#delivery.changed()
    this.#clients.rooms.add(ws, room)
    return true
  }

  #join(): Backplane {
    const { broker, lease, name, app, logger = app?.log } = this.#options
    this.#backplane = new Backplane(
      {
        join: (ws, room) => this.#add(ws, room),
        change: (change, id, room) => {
          const ws = this.#clients.withId(id)
          if (ws !== undefined) this[change](ws, room)
        },
        getClientCount: (room) => this.getClientCount(room),
        getRooms: () => this.getRooms(),
        deliver: (type, payload, to, excluded, message) =>
          this.#deliverHere(new PreparedMessage(type, payload), to, excluded, message),
        disconnect: (names, code, reason) => this.disconnect(names, code, reason, { local: true }),
        emit: (event: 'degraded' | 'recovered', ...args: []) => emit<HubEvents, typeof event>(this, event, ...args)
      },
      { broker, lease, name, logger }
    )
    this.#clients.rooms.watcher = this.#backplane
    return this.#backplane
  }

  /** Has the other nodes send it, too. */
  #spread(
    { type, payload }: PreparedMessage,
    options: BroadcastOptions,
    targets: readonly string[] | undefined,
    backplane: Backplane
  ): void {
    if (options.filter !== undefined) return backplane.filtered()
    backplane.node?.broadcast(type, payload, targets && this.#clients.elsewhere(targets), excludedIds(options))
  }

  /** Another node has sent it. */
  #deliverHere(
    prepared: PreparedMessage,
    to: readonly string[] | undefined,
    excluded: readonly string[],
    message: string | undefined
  ): void {
    const members = to === undefined ? this.#clients.all : this.#clients.namedByAny(to)
    const targets = message === undefined ? members : this.#recipients.addRecipients(message, members)
    const here = excluded.map((id) => this.#clients.withId(id)).filter((ws) => ws !== undefined)
    this.#delivery.send(prepared, here.length === 0 ? targets : [...targets].filter((ws) => !here.includes(ws)))
  }

  #closed(ws: WebSocketConnection): void {
    const rooms = this.#clients.rooms.of(ws)
    if (rooms.length > 0) this.#roomsOfClosed.set(ws, rooms)
    this.#remove(ws)
  }

  #remove(ws: WebSocketConnection): boolean {
    if (!this.#clients.delete(ws)) return false
    const rooms = this.#clients.rooms.of(ws)
    this.#delivery.changed()
    this.#clients.rooms.removeAll(ws)
    ws.session.closeState.leftBy(this.#listener)
    this.#events.emit('unregister', ws, rooms)
    return true
  }

  /** Node calls this where a listener is async and rejects. */
  [Symbol.for('nodejs.rejection')](error: unknown, event: string, subject: unknown): void {
    if (subject instanceof WebSocketConnection) logFailure(error, event, subject)
    else this.#backplane?.failed(error, event)
  }
}
