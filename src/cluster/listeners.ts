import type { ContractEvent } from '../contract/definition.ts'
import type { DataType } from '../internal/message.ts'
import type { Notes } from './wire/notes.ts'
import type { MembershipNotice, Request, RoomNotice, ServerNotice } from './wire/protocol.ts'
import type { StoredNotice } from './wire/stored-payload.ts'

/** A broadcast of another node, for clients of this one. */
export interface RemoteBroadcast {
  type: DataType
  payload: Buffer
  /** Room names and connection ids; undefined for all clients. */
  targets: readonly string[] | undefined
  /** Ids of connections that do not get it. */
  excluded: readonly string[]
  /** The node or publisher that has sent it. */
  origin: string
  /** The same in all copies of a broadcast to several targets: each connection gets one of them. */
  copyId?: string | undefined
  /** The event of a contract that it is; undefined for a raw message. */
  audience?: ContractEvent | undefined
  notes?: Notes | undefined
}

/** Does what other nodes ask of the clients of this node. The hub implements it. */
export interface ClientsListener {
  /** Returns how many connections have accepted it. */
  deliver(broadcast: RemoteBroadcast): number
  disconnect(targets: readonly string[], code: number, reason: string): void
  changeMembership(notice: MembershipNotice): void
}

/** Answers the requests of other nodes. `Cluster` and `Presence` implement it. */
export interface Responder {
  /** The parts of the answer; undefined if the request is for another responder. */
  answer(request: Request, node: string): unknown[] | Promise<unknown[]> | undefined
}

/** Keeps presence in step with the other nodes. `Presence` implements it. */
export interface PresenceListener extends Responder {
  /** What this node has said about presence, for its heartbeat. */
  digest(): string
  /** Another node has sent its heartbeat. A digest of undefined says nothing. */
  onHeartbeat(node: string, digest: string | undefined): void
  /** Another node says something in the channel of a room. */
  onRoomNotice(node: string, room: string, notice: RoomNotice): void
  /** Another node has nobody in these rooms. */
  onEmptyRooms(node: string, rooms: readonly string[]): void
  /** A message of another node was lost: in the channel of this room, or in a channel that belongs to no room. */
  onGap(node: string, room: string | undefined): void
  /** A node has come, or come back. */
  onNodeFound(node: string): void
  /** A node has left, or counts as dead. */
  onNodeGone(node: string): void
  /** This node no longer subscribes to the channel of a room. */
  onUnsubscribed(room: string): void
  /** Messages of this node may have been lost, and the engine takes messages again. */
  resync(): Promise<void>
}

/** Takes what the application of another server has sent. `Cluster` implements it. */
export interface ServerListener extends Responder {
  onServerNotice(node: string, notice: ServerNotice): void
}

/** Follows the published messages of rooms. `Streams` implements it. */
export interface StreamsListener {
  /** Another node has stored a message. */
  onStoredElsewhere(room: string, notice: StoredNotice, notes: Notes | undefined): void
  /** This node gets from now on what other nodes send to a room. */
  onSubscribed(room: string): void
  /** Another node has cleared the history of a room. */
  onCleared(room: string): void
  /** Messages of other nodes may have been lost. */
  resync(): void
  /** Resolves once the position of every room is known; to false if the store does not tell. */
  located(): Promise<boolean>
}

/** Is told about the engine. `HubCluster` implements it with log lines and events. */
export interface EngineListener {
  /** The engine cannot be reached. */
  onDegraded(error: Error): void
  /** The engine is back, and everything is subscribed to again. */
  onRecovered(): void
  /** The engine is there, but a message was not published: the engine refused it, or it was too long. */
  onRefused(error: Error): void
  /** Something that is not a message of a node has arrived. Only the first time. */
  onRejected(channel: string, error?: unknown): void
}

// `Cluster` and `Presence` do not say `implements`: the members are internal, and left out of the published types.
export interface NodeListeners {
  readonly clients: ClientsListener
  readonly server: ServerListener
  readonly presence: PresenceListener
  readonly engine: EngineListener
  /** Undefined on a hub without a store. */
  readonly streams: StreamsListener | undefined
}
