import type { ClusterNode } from '../cluster/node.ts'
import type { Request, RoomNotice } from '../cluster/wire/protocol.ts'
import type { WebSocketConnection } from '../connection/connection.ts'
import { type AnyConnection, underlying } from '../connection/underlying.ts'
import { emit, Emitter } from '../internal/emitter.ts'
import { atEndOfTurn, type EndOfTurn } from '../internal/end-of-turn.ts'
import { assertRoomName } from '../internal/room-name.ts'
import { assertKeys } from '../internal/validate.ts'
import { assertKey, safeInfo } from './info.ts'
import { LogicalClock } from './logical-clock.ts'
import { HERE, PresenceRoom } from './room.ts'
import type { Change, Present } from './roster.ts'
import { Announcer } from './sync/announcer.ts'
import { Digests } from './sync/digest.ts'
import { Repair } from './sync/repair.ts'
import { requestRooms, RoomRequest } from './sync/room-request.ts'

/** The events of presence, for rooms that clients of this node are in. If a listener throws, that is logged. */
export interface PresenceEvents {
  /** A person has come: the first connection with a key. */
  join: [room: string, present: Present]
  /** A person has gone: the last connection with a key. */
  leave: [room: string, present: Present]
  /** The info of a person has changed. */
  update: [room: string, present: Present]
}

/** The options of `presence.set`. */
export interface PresenceOptions {
  /** Connections with the same key are one person: use the id of the user. @default the earlier key, or the id of the connection */
  key?: string | undefined
}

/** What presence needs of a hub. */
export interface PresenceHub {
  /** Adds a connection to a room. Returns false if it is closed, or the hub is shut down. */
  addToRoom(ws: WebSocketConnection, room: string): boolean
  getRooms(): string[]
  /** Calls the function now or, during a broadcast, after it: what listeners broadcast must not come before it for some clients. */
  afterBroadcast(callback: () => void): void
}

const EVENTS = ['join', 'leave', 'update'] as const satisfies (keyof PresenceEvents)[]

/**
 * Who is in which room, on all nodes. Presence ends when the connection leaves the room or closes, and when its node is dead.
 */
export class Presence extends Emitter<PresenceEvents> implements EndOfTurn {
  readonly #hub: PresenceHub
  readonly #node: ClusterNode | undefined
  readonly #onListenerError: (error: unknown, event: string) => void
  readonly #rooms = new Map<string, PresenceRoom>()
  readonly #clock = new LogicalClock()
  readonly #digests = new Digests()
  readonly #announcer: Announcer | undefined
  readonly #repair: Repair | undefined
  /** Rooms with changes that the other nodes have not been told yet. */
  readonly #changedRooms = new Set<string>()
  /** The rooms to ask about at the end of the turn. */
  #roomRequest: RoomRequest | undefined
  #isScheduled = false
  #resyncs = 0

  /** @internal */
  constructor(
    hub: PresenceHub,
    node: ClusterNode | undefined,
    onListenerError: (error: unknown, event: string) => void
  ) {
    super(EVENTS, 'to say who is in a room, call set()')
    this.#hub = hub
    this.#node = node
    this.#onListenerError = onListenerError
    this.#announcer = node && new Announcer(node, (room) => this.#rooms.get(room))
    this.#repair = node && new Repair(node, this.#rooms, this.#digests)
    this.on('newListener' as 'join', () => this.#onNewListener())
  }

  /**
   * Makes a connection present in a room, with what others may know about it. Call it again to change that. The connection joins
   * the room if it is not a member. Returns false if it cannot join (see `hub.join`).
   *
   * @param info any value with a JSON form of at most 8 KiB.
   * @throws TypeError if `info` has no JSON form, RangeError if it is too long. The `closeCode` of these errors is 1008.
   */
  set(connection: AnyConnection, room: string, info: unknown = null, options: PresenceOptions = {}): boolean {
    const ws = underlying(connection)
    assertRoomName(room)
    assertKeys('options', options, ['key'])
    const { key } = options
    const safe = safeInfo(info)
    if (key !== undefined) assertKey(key)
    if (!this.#hub.addToRoom(ws, room)) return false
    const changes = this.#watch(room).set(ws.id, key, safe)
    this.#publishLater(room)
    this.#emit(room, changes)
    return true
  }

  /** Ends the presence of a connection. It stays a member of the room. */
  remove(ws: AnyConnection, room: string): void {
    const { id } = underlying(ws)
    assertRoomName(room)
    const watched = this.#rooms.get(room)
    if (watched?.roster.has(HERE, id) !== true) return
    this.#publishLater(room)
    this.#emit(room, watched.remove(id))
  }

  /**
   * Who is in a room on all nodes, each person once, in the order in which this node has heard about them. A node that does not
   * answer within a second is left out until it does.
   *
   * Call it after `set`: then people who come later cause a `'join'` event, and nobody is missed.
   */
  async list<Info = unknown>(room: string): Promise<Present<Info>[]> {
    assertRoomName(room)
    if (this.#node === undefined) return this.known(room)
    // If no client of this node is in the room, the node subscribes to it for a moment.
    this.#node.enterRoom(room)
    const { roster, known } = this.#watch(room)
    await known
    this.#node.leaveRoom(room)
    return roster.list() as Present<Info>[]
  }

  /** Who is in a room, as far as this node knows now. That is complete once `list` has resolved while a client of this node is in the room. */
  known<Info = unknown>(room: string): Present<Info>[] {
    assertRoomName(room)
    return (this.#rooms.get(room)?.roster.list() ?? []) as Present<Info>[]
  }

  /** @internal Tells the other nodes now what has changed. */
  flush(): void {
    for (const room of this.#changedRooms) this.#publish(room)
    this.#changedRooms.clear()
  }

  endOfTurn(): void {
    this.#isScheduled = false
    this.flush()
    const request = this.#roomRequest
    this.#roomRequest = undefined
    void request?.send()
    this.#repair?.ask()
  }

  // ---- From the hub and its node

  /** @internal A client of this node is the first in a room. Listeners want to know about people on other nodes, too. */
  onRoomOpened(room: string): void {
    if (this.#node !== undefined && this.#hasListeners) this.#watch(room)
  }

  /** @internal */
  onUnsubscribed(name: string): void {
    const room = this.#rooms.get(name)
    if (room === undefined) return
    this.#publish(name)
    this.#rooms.delete(name)
    this.#repair?.onRoomUnwatched(room)
  }

  /** @internal */
  onRoomNotice(node: string, room: string, notice: RoomNotice): void {
    this.#change(room, (watched) => watched.onNotice(node, notice))
  }

  /** @internal */
  onEmptyRooms(node: string, rooms: readonly string[]): void {
    for (const room of rooms) this.#change(room, (watched) => watched.onEmpty(node))
  }

  /** @internal */
  answer(request: Request, node: string): unknown[] | Promise<unknown[]> | undefined {
    if (request.type === 'presence') return this.#announcer?.answer(request, node)
    if (request.type !== 'compare') return undefined
    // Only what the other nodes have been told can be compared.
    this.flush()
    return this.#announcer?.compare(request, node, this.#digests.of(HERE))
  }

  /** @internal */
  digest(): string {
    this.flush()
    return this.#digests.of(HERE).toString()
  }

  /** @internal */
  onHeartbeat(node: string, digest: string | undefined): void {
    if (this.#repair?.compare(node, digest) === true) this.#schedule()
  }

  /** @internal */
  onGap(node: string, room: string | undefined): void {
    if (room !== undefined) this.#rooms.get(room)?.onGap(node)
    this.#repair?.onGap(node, room)
    this.#schedule()
  }

  /** @internal */
  onNodeFound(node: string): void {
    this.#repair?.onNodeFound(node)
    this.#schedule()
  }

  /** @internal */
  onNodeGone(node: string): void {
    for (const [name, room] of this.#rooms) this.#emit(name, room.onNodeGone(node))
    this.#repair?.onNodeGone(node)
    this.#digests.delete(node)
  }

  /** @internal Both sides may have missed something: announces the rooms of this node, and asks about those of the others. */
  async resync(): Promise<void> {
    const node = this.#node
    const resync = ++this.#resyncs
    if (node === undefined) return
    await this.#announcer?.announce([...this.#rooms.keys()])
    if (resync !== this.#resyncs || node.isClosed) return
    await requestRooms(node, [...this.#rooms.keys()])
  }

  get #hasListeners(): boolean {
    return EVENTS.some((event) => this.listenerCount(event) > 0)
  }

  /** With the first listener, this node watches all rooms of its clients. */
  #onNewListener(): void {
    if (this.#node === undefined || this.#hasListeners) return
    for (const room of this.#hub.getRooms()) this.#watch(room)
  }

  #watch(name: string): PresenceRoom {
    let room = this.#rooms.get(name)
    if (room === undefined) {
      room = new PresenceRoom(name, this.#request(name), this.#clock, this.#digests)
      this.#rooms.set(name, room)
      this.#repair?.onRoomWatched(room)
    }
    return room
  }

  /** Asks the other nodes who is in a room. Resolves when they have said so, or their time is over. */
  #request(name: string): Promise<unknown> {
    const node = this.#node
    if (node === undefined) return Promise.resolve()
    this.#roomRequest ??= new RoomRequest(node, (room) => this.#rooms.get(room))
    this.#roomRequest.rooms.push(name)
    this.#schedule()
    return this.#roomRequest.answered
  }

  #change(name: string, change: (room: PresenceRoom) => Change[]): void {
    const room = this.#rooms.get(name)
    if (room === undefined) return
    const changes = change(room)
    if (room.isKnown) this.#emit(name, changes)
  }

  #publishLater(room: string): void {
    this.#changedRooms.add(room)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    atEndOfTurn(this)
  }

  #publish(name: string): void {
    const room = this.#rooms.get(name)
    if (room === undefined) return
    for (const notice of room.takeNotices()) this.#node?.notifyRoom(name, notice)
    if (this.#node === undefined && room.roster.isEmpty) this.#rooms.delete(name)
  }

  #emit(room: string, changes: readonly Change[]): void {
    if (changes.length > 0) this.#hub.afterBroadcast(() => this.#emitNow(room, changes))
  }

  #emitNow(room: string, changes: readonly Change[]): void {
    for (const { event, present } of changes) {
      try {
        emit<PresenceEvents, typeof event>(this, event, room, present)
      } catch (error) {
        this.#onListenerError(error, event)
      }
    }
  }

  /** Node calls this if an async listener rejects. */
  [Symbol.for('nodejs.rejection')](error: unknown, event: string): void {
    this.#onListenerError(error, event)
  }
}
