import type { FastifyBaseLogger } from 'fastify'
import type { Broker } from '../brokers/broker.ts'
import type { WebSocketConnection } from '../connection/connection.ts'
import type { DataType } from '../internal/message.ts'
import { isRoomName } from '../internal/room-name.ts'
import { Cluster, type ClusterHost } from './cluster.ts'
import type { Control, NodeHost } from './host.ts'
import { ClusterNode } from './node.ts'
import { Presence, type PresenceHost } from '../presence/presence.ts'

/** Where a hub says what goes wrong: Fastify's logger, or one like it. */
export type HubLogger = Pick<FastifyBaseLogger, 'error' | 'info' | 'warn'>

/** What a hub does for the other nodes. */
export interface HubSide extends ClusterHost, PresenceHost {
  /** To rooms and ids, or to all; of what comes in several copies with the same `message`, each gets one. */
  deliver(
    type: DataType,
    payload: Buffer,
    to: readonly string[] | undefined,
    excluded: readonly string[],
    message?: string
  ): void
  disconnect(to: readonly string[], code: number, reason: string): void
  change(change: 'join' | 'leave', id: string, room: string): void
  emit(event: 'degraded', error: Error): unknown
  emit(event: 'recovered'): unknown
}

/** What of a hub's options concerns its cluster. */
export interface BackplaneOptions {
  broker: Broker | undefined
  lease: number
  name: string | undefined
  logger: HubLogger | undefined
}

/** What joins a hub to those of other nodes: its node, the questions to the cluster and presence. Without a broker it is alone. */
export class Backplane implements NodeHost {
  readonly node: ClusterNode | undefined
  readonly cluster: Cluster
  readonly presence: Presence
  readonly #hub: HubSide
  readonly #log: HubLogger | undefined
  #hasSaidFilter = false

  constructor(hub: HubSide, { broker, lease, name, logger }: BackplaneOptions) {
    this.#hub = hub
    this.#log = logger
    this.node = broker === undefined ? undefined : new ClusterNode(broker, this, lease, name)
    this.cluster = new Cluster(hub, this.node, (error, message) =>
      this.#log?.error({ err: error, message }, 'listener of hub.cluster failed')
    )
    this.presence = new Presence(hub, this.node, (error, event) => this.failed(error, event))
  }

  /** A broadcast stays here because of its filter, which its author may not expect. */
  filtered(): void {
    if (this.node === undefined || this.#hasSaidFilter) return
    this.#hasSaidFilter = true
    this.#log?.warn(
      'a broadcast with a filter reaches the clients of this node only; say { local: true } where that is meant'
    )
  }

  /** Has the other nodes disconnect the members of rooms, and connections, when they know who has come in their place. */
  disconnectOthers(to: readonly string[], code: number, reason: string): void {
    this.presence.flush()
    this.node?.disconnect(to, code, reason)
  }

  deliver(
    type: DataType,
    payload: Buffer,
    to: readonly string[] | undefined,
    excluded: readonly string[],
    message?: string
  ): void {
    this.#hub.deliver(type, payload, to, excluded, message)
  }

  disconnect(to: readonly string[], code: number, reason: string): void {
    this.#hub.disconnect(to, code, reason)
  }

  change({ type, id, room }: Control): void {
    if ((type === 'join' || type === 'leave') && typeof room === 'string' && isRoomName(room))
      this.#hub.change(type, String(id), room)
  }

  message(node: string, message: Control): void {
    this.cluster.receive(node, message)
  }

  answer(question: Control, node: string): unknown[] | Promise<unknown[]> | undefined {
    return this.cluster.answer(question) ?? this.presence.answer(question, node)
  }

  control(node: string, room: string, message: Control): void {
    this.presence.control(node, room, message)
  }

  digest(): string {
    return this.presence.digest()
  }

  beat(node: string, digest: unknown): void {
    this.presence.beat(node, digest)
  }

  missed(node: string, room: string | undefined): void {
    this.presence.missed(node, room)
  }

  found(node: string): void {
    this.presence.found(node)
  }

  gone(node: string): void {
    this.presence.gone(node)
  }

  unsubscribed(room: string): void {
    this.presence.unsubscribed(room)
  }

  opened(room: string): void {
    this.node?.enter(room)
    this.presence.opened(room)
  }

  emptied(room: string): void {
    this.node?.leave(room)
  }

  left(ws: WebSocketConnection, room: string): void {
    this.presence.remove(ws, room)
  }

  degraded(error: Error): void {
    this.#log?.warn(
      { err: error },
      'the engine of the broker cannot be reached: broadcasts reach the clients of this node only'
    )
    this.#emit(() => this.#hub.emit('degraded', error), 'degraded')
  }

  up(again: boolean): void {
    if (!again) return
    void this.presence.recovered()
    const { unpublished } = this.cluster.stats()
    this.#log?.info({ unpublished }, 'the engine of the broker is back: broadcasts reach all nodes again')
    this.#emit(() => this.#hub.emit('recovered'), 'recovered')
  }

  drained(): void {
    void this.presence.recovered()
  }

  refused(error: Error): void {
    this.#log?.error({ err: error }, 'a message has reached the clients of this node only')
  }

  rejected(channel: string, error?: unknown): void {
    this.#log?.warn({ channel, err: error }, 'ignored what is no message of a node; further ones are counted only')
  }

  /** A listener's error must not reach the broker. */
  #emit(emit: () => unknown, event: string): void {
    try {
      emit()
    } catch (error) {
      this.failed(error, event)
    }
  }

  /** A listener of the hub's or of presence has thrown or rejected. */
  failed(error: unknown, event: string): void {
    this.#log?.error({ err: error, event }, 'listener of a WebSocketHub event failed')
  }
}
