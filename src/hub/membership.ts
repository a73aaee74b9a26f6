import type { ClusterNode } from '../cluster/node.ts'
import type { WebSocketConnection } from '../connection/connection.ts'
import { type AnyConnection, underlying } from '../connection/underlying.ts'
import type { JoinOptions } from '../history/join.ts'
import { isConnectionId } from '../internal/connection-id.ts'
import { describe, errors } from '../internal/errors.ts'
import { assertRoomName } from '../internal/room-name.ts'
import type { Broadcaster } from './broadcaster.ts'
import type { ClientEvents } from './client-events.ts'
import type { Clients } from './clients.ts'
import type { HubHistory } from './hub-history.ts'

export interface MembershipParts {
  readonly clients: Clients
  readonly events: ClientEvents
  readonly broadcaster: Broadcaster
  readonly history: HubHistory
  /** The node of the hub; undefined without a broker. */
  readonly node: () => ClusterNode | undefined
}

/** Lets connections into a hub and its rooms, and out again. */
export class Membership {
  readonly #parts: MembershipParts
  readonly #closeListener = (ws: WebSocketConnection): void => this.#onClosed(ws)
  /** True once no connection can be registered any more. */
  isClosed = false

  constructor(parts: MembershipParts) {
    this.#parts = parts
  }

  register(ws: WebSocketConnection): boolean {
    const { clients, broadcaster, events } = this.#parts
    if (clients.has(ws)) return true
    if (this.isClosed || ws.isClosed()) return false
    broadcaster.endGroup()
    clients.add(ws)
    ws.session.closeState.addListener(this.#closeListener, ws)
    events.emit('register', ws)
    return true
  }

  /** Removes a connection from the hub and its rooms. False if it was not registered. */
  remove(ws: WebSocketConnection): boolean {
    const { clients, broadcaster, events } = this.#parts
    if (!clients.remove(ws)) return false
    // Before it leaves its rooms: a listener of presence may register it again.
    ws.session.closeState.removeListener(this.#closeListener)
    const rooms = clients.rooms.of(ws)
    broadcaster.endGroup()
    clients.rooms.removeFromAll(ws)
    events.emit('unregister', ws, rooms)
    return true
  }

  /** @param ws a connection, or the id of a connection on any node. */
  join(ws: AnyConnection | string, room: string, options: JoinOptions): boolean {
    const local = this.#findLocal(ws)
    // Every connection can be reached by its own id, as if it were in a room of that name.
    if (local !== undefined && room === local.id) return this.register(local)
    assertRoomName(room)
    this.#parts.history.assertCanJoin(room, options)
    return local === undefined
      ? this.#parts.node()?.changeMembership({ type: 'join', id: ws as string, room, ...options }) === true
      : this.addToRoom(local, room, options)
  }

  /** @param ws a connection, or the id of a connection on any node. */
  leave(ws: AnyConnection | string, room: string): void {
    const { clients, broadcaster, history, node } = this.#parts
    const local = this.#findLocal(ws)
    if (local !== undefined && room === local.id) return
    assertRoomName(room)
    if (local === undefined) return void node()?.changeMembership({ type: 'leave', id: ws as string, room })
    broadcaster.endGroup()
    if (clients.rooms.members(room).has(local)) history.leave(local, room)
    clients.rooms.remove(local, room)
  }

  addToRoom(ws: WebSocketConnection, room: string, options: JoinOptions): boolean {
    const { clients, broadcaster, history } = this.#parts
    this.register(ws)
    // A 'register' listener may have unregistered it.
    if (!clients.has(ws)) return false
    if (clients.rooms.members(room).has(ws)) return true
    broadcaster.endGroup()
    clients.rooms.add(ws, room)
    history.join(ws, room, options)
    return true
  }

  /** The connection itself, or the client of this node with this id. */
  #findLocal(ws: AnyConnection | string): WebSocketConnection | undefined {
    if (isConnectionId(ws)) return this.#parts.clients.findById(ws)
    if (typeof ws === 'string')
      throw new errors.INVALID_ARGUMENT('ws', `must be a connection or the id of one, got ${describe(ws)}`)
    return underlying(ws)
  }

  #onClosed(ws: WebSocketConnection): void {
    this.#parts.clients.rooms.rememberClosed(ws)
    this.remove(ws)
  }
}
