import type { DataType } from '../internal/message.ts'

/** A message of one node to others, with a type of its own. */
export type Control = { type: string } & Record<string, unknown>

/** What a node does for its hub. */
export interface NodeHost {
  /**
   * A broadcast of another node has come: to rooms or ids, or to all if they are undefined. One to several of them may come in
   * copies; `message` is the same then.
   */
  deliver(
    type: DataType,
    payload: Buffer,
    to: readonly string[] | undefined,
    excluded: readonly string[],
    message?: string
  ): void
  disconnect(to: readonly string[], code: number, reason: string): void
  /** Another node has a connection of this process join or leave a room. */
  change(message: Control): void
  /** The application sends something from another node. */
  message(node: string, message: Control): void
  /** The parts of the answer to a question of another node; undefined where it is none. */
  answer(question: Control, node: string): unknown[] | Promise<unknown[]> | undefined
  /** Another node says something in a room. */
  control(node: string, room: string, message: Control): void
  /** What this node has said of itself, for its heartbeat: the others compare it with what they have heard. */
  digest(): string
  /** The heartbeat of another node; the digest is undefined if its version of this package sends none. */
  beat(node: string, digest: unknown): void
  /** A message of another node did not come: in this room, or on a channel that belongs to no room. */
  missed(node: string, room: string | undefined): void
  /** A node that nobody knew of, or that was thought to be gone. */
  found(node: string): void
  gone(node: string): void
  /** The channel of a room is no longer subscribed to. */
  unsubscribed(room: string): void
  degraded(error: Error): void
  /** The engine is there, and everything is subscribed to; `again` where it was away. */
  up(again: boolean): void
  /** There was too much for the engine, some of it was not sent, and it has taken the rest. */
  drained(): void
  /** The engine is there and does not take a message, or it is too long for it. */
  refused(error: Error): void
  /** Something has come that is no message of a node. For the first time only. */
  rejected(channel: string, error?: unknown): void
}

/** The numbers of a hub's part in its cluster, from its start. */
export interface ClusterStats {
  /** True while the engine cannot be reached. */
  isDegraded: boolean
  /** Messages that the engine has taken from this node. */
  published: number
  /** Messages that may not have reached the other nodes: the engine was away or too slow, or they were too long for it. */
  unpublished: number
  /** Messages of other nodes. */
  received: number
  /** Messages of other nodes that have not come, as far as later ones show it. */
  missed: number
  /** Messages that have come a second time, or after later ones, and were dropped. */
  duplicates: number
  /** What has come on our channels and is no message of a node. */
  rejected: number
}
