import type { WebSocketConnection } from '../connection/connection.ts'
import { atEndOfTurn, type EndOfTurn } from '../internal/end-of-turn.ts'
import { emit, Emitter } from '../internal/emitter.ts'
import { assertKeys } from '../internal/validate.ts'
import { assertRoomName } from '../internal/room-name.ts'
import { Announcer } from './sync/announcer.ts'
import type { Control } from '../cluster/host.ts'
import { requestRooms, RoomRequest } from './sync/room-request.ts'
import type { ClusterNode } from '../cluster/node.ts'
import { LogicalClock } from './logical-clock.ts'
import { Digests } from './sync/digest.ts'
import { assertKey, infoOf } from './entry.ts'
import { roomsIn } from './messages.ts'
import { Repair } from './sync/repair.ts'
import { HERE, PresenceRoom } from './room.ts'
import type { Change, Present } from './roster.ts'

/** The events of presence, in rooms that clients of this node are in. A listener that throws is logged and disturbs nobody. */
export interface PresenceEvents {
  /** Someone is there: with the first connection under a key. */
  join: [room: string, present: Present]
  /** Someone has gone: with the last connection under a key. */
  leave: [room: string, present: Present]
  /** What is known of someone has changed. */
  update: [room: string, present: Present]
}

/** Who a connection belongs to. */
export interface PresenceOptions {
  /** Connections with the same key are one: give the id of the user. @default what it was set with before, or the id of the connection */
  key?: string | undefined
}

/** What a hub does for presence. */
export interface PresenceHost {
  join(ws: WebSocketConnection, room: string): boolean
  getRooms(): string[]
}

const EVENTS = ['join', 'leave', 'update'] as const satisfies (keyof PresenceEvents)[]

/**
 * Who is in which room, on all nodes. Presence belongs to membership: it ends when a connection leaves the room or closes, and
 * when its node is no longer heard of.
 */
export class Presence extends Emitter<PresenceEvents> implements EndOfTurn {
  readonly #rooms = new Map<string, PresenceRoom>()
  readonly #changed = new Set<string>()
  readonly #host: PresenceHost
  readonly #node: ClusterNode | undefined
  readonly #announcer: Announcer | undefined
  readonly #repair: Repair | undefined
  readonly #clock = new LogicalClock()
  readonly #digests = new Digests()
  readonly #failed: (error: unknown, event: string) => void
  /** The rooms that the others are asked about at the end of the turn. */
  #unknown: RoomRequest | undefined
  #isScheduled = false
  #round = 0

  /** @internal */
  constructor(host: PresenceHost, node: ClusterNode | undefined, failed: (error: unknown, event: string) => void) {
    super(EVENTS, 'to say who is in a room, call set()')
    this.#host = host
    this.#node = node
    this.#announcer = node && new Announcer(node, (room) => this.#rooms.get(room))
    this.#repair = node && new Repair(node, this.#rooms, this.#digests)
    this.#failed = failed
    this.on('newListener' as 'join', () => this.#listenedTo())
  }

  get #isHeard(): boolean {
    return EVENTS.some((event) => this.listenerCount(event) > 0)
  }

  /** Someone begins to listen: in rooms that are there already, too. */
  #listenedTo(): void {
    if (this.#node === undefined || this.#isHeard) return
    for (const room of this.#host.getRooms()) this.#open(room)
  }

  /**
   * Says that a connection is in a room, and what others may know of it; again, to change that. It joins the room where it is not
   * a member. False as with `join`.
   *
   * @param info any value that JSON can hold, up to 8 KiB.
   * @throws TypeError where it has no JSON form, RangeError where it is too long; their `closeCode` is 1008.
   */
  set(ws: WebSocketConnection, room: string, info: unknown = null, options: PresenceOptions = {}): boolean {
    assertRoomName(room)
    assertKeys('options', options, ['key'])
    const { key } = options
    const own = infoOf(info)
    if (key !== undefined) assertKey(key)
    if (!this.#host.join(ws, room)) return false
    const known = this.#open(room)
    this.#schedule(room)
    this.#emit(room, known.set(ws.id, key, own))
    return true
  }

  /** Takes `set` back; the connection stays a member of the room. */
  remove(ws: WebSocketConnection, room: string): void {
    assertRoomName(room)
    const known = this.#rooms.get(room)
    if (known?.roster.has(HERE, ws.id) !== true) return
    this.#schedule(room)
    this.#emit(room, known.remove(ws.id))
  }

  /**
   * Who is in a room, on all nodes, in the order in which this node has heard of them: each key once. A node that does not answer
   * within a second is left out, until it does.
   *
   * Call it behind `set`: who comes later is told by `'join'`, so that nobody is missed.
   */
  async list<Info = unknown>(room: string): Promise<Present<Info>[]> {
    assertRoomName(room)
    if (this.#node === undefined) return this.known(room)
    // Where nobody here is in it, this node listens to it for a moment.
    this.#node.enter(room)
    const { roster, known } = this.#open(room)
    await known
    this.#node.leave(room)
    return roster.list() as Present<Info>[]
  }

  /** Who is in a room, as far as this node knows at this moment. Where `list` has settled since a connection of this node is in it, that is all. */
  known<Info = unknown>(room: string): Present<Info>[] {
    assertRoomName(room)
    return (this.#rooms.get(room)?.roster.list() ?? []) as Present<Info>[]
  }

  /** @internal Tells the other nodes now what has changed, in front of what they are told next. */
  flush(): void {
    for (const room of this.#changed) this.#publish(room)
    this.#changed.clear()
  }

  endOfTurn(): void {
    this.#isScheduled = false
    this.flush()
    const unknown = this.#unknown
    this.#unknown = undefined
    void unknown?.ask()
    this.#repair?.ask()
  }

  // ---- What the node says

  /** @internal A room has got its first member here. Who listens to events wants to know of those on other nodes. */
  opened(room: string): void {
    if (this.#node !== undefined && this.#isHeard) this.#open(room)
  }

  /** @internal This node is no longer told who is in a room. */
  unsubscribed(name: string): void {
    const room = this.#rooms.get(name)
    if (room === undefined) return
    this.#publish(name)
    this.#rooms.delete(name)
    this.#repair?.dropped(room)
  }

  /** @internal Another node says who is with it. */
  control(node: string, name: string, message: Control): void {
    this.#hear(name, (room) => room.hear(node, message))
  }

  /** @internal Another node says that nobody is there, or asks who is here. */
  answer(message: Control, node: string): unknown[] | Promise<unknown[]> | undefined {
    if (message.type === 'nobody')
      for (const name of roomsIn(message)) this.#hear(name, (room) => room.hearNobody(node))
    if (message.type !== 'presence') return undefined
    if (message['hashes'] === undefined) return this.#announcer?.answer(message, node)
    // What is compared is what the others have been told.
    this.flush()
    return this.#announcer?.compare(message, node, this.#digests.of(HERE))
  }

  /** @internal What this node has said of all rooms, for its heartbeat. */
  digest(): string {
    this.flush()
    return this.#digests.of(HERE).toString()
  }

  /** @internal The heartbeat of another node, with its digest. */
  beat(node: string, digest: unknown): void {
    if (this.#repair?.beat(node, digest) === true) this.#schedule()
  }

  /** @internal Something that another node has said did not come: in this room, or to all nodes, or to this one. */
  missed(node: string, name: string | undefined): void {
    if (name !== undefined) this.#rooms.get(name)?.missed(node)
    this.#repair?.missed(node, name)
    this.#schedule()
  }

  /** @internal A node is there that may not know who is here, and the other way round. */
  found(node: string): void {
    this.#repair?.found(node)
    this.#schedule()
  }

  /** @internal A node has gone, and all who were with it. */
  gone(node: string): void {
    for (const [name, room] of this.#rooms) this.#emit(name, room.gone(node))
    this.#repair?.gone(node)
    this.#digests.delete(node)
  }

  /** @internal Something may have been missed on both sides. */
  async recovered(): Promise<void> {
    const node = this.#node
    const round = ++this.#round
    if (node === undefined) return
    await this.#announcer?.announce([...this.#rooms.keys()])
    if (round !== this.#round || node.isClosed) return
    await requestRooms(node, [...this.#rooms.keys()])
  }

  #hear(name: string, hear: (room: PresenceRoom) => Change[]): void {
    const room = this.#rooms.get(name)
    if (room === undefined) return
    const changes = hear(room)
    if (room.isKnown) this.#emit(name, changes)
  }

  #open(name: string): PresenceRoom {
    let room = this.#rooms.get(name)
    if (room === undefined) {
      room = new PresenceRoom(name, this.#ask(name), this.#clock, this.#digests)
      this.#rooms.set(name, room)
      this.#repair?.opened(room)
    }
    return room
  }

  /** Settles when the others have said who of a room is with them, or had the time for it. */
  #ask(name: string): Promise<unknown> {
    const node = this.#node
    if (node === undefined) return Promise.resolve()
    this.#unknown ??= new RoomRequest(node, (room) => this.#rooms.get(room))
    this.#unknown.rooms.push(name)
    this.#schedule()
    return this.#unknown.answered
  }

  #schedule(room?: string): void {
    if (room !== undefined) this.#changed.add(room)
    if (this.#isScheduled) return
    this.#isScheduled = true
    atEndOfTurn(this)
  }

  #publish(name: string): void {
    const room = this.#rooms.get(name)
    if (room === undefined) return
    for (const message of room.takeMessages()) this.#node?.tell(name, message)
    if (this.#node === undefined && room.roster.isEmpty) this.#rooms.delete(name)
  }

  #emit(room: string, changes: readonly Change[]): void {
    for (const { event, present } of changes) {
      try {
        emit<PresenceEvents, typeof event>(this, event, room, present)
      } catch (error) {
        this.#failed(error, event)
      }
    }
  }

  /** Node calls this where a listener is async and rejects. */
  [Symbol.for('nodejs.rejection')](error: unknown, event: string): void {
    this.#failed(error, event)
  }
}
