import type { FastifyBaseLogger } from 'fastify'
import type { Broker } from '../brokers/broker.ts'
import { warnOfMemoryBroker } from './memory-broker-warning.ts'
import type { WebSocketConnection } from '../connection/connection.ts'
import { Presence, type PresenceHub } from '../presence/presence.ts'
import { Cluster, type LocalCounts } from '../cluster/cluster.ts'
import type { ClientsListener, EngineListener, StreamsListener } from '../cluster/listeners.ts'
import { ClusterNode } from '../cluster/node.ts'
import type { RoomObserver } from './rooms.ts'

/** Where a hub logs: Fastify's logger, or one with the same methods. */
export type HubLogger = Pick<FastifyBaseLogger, 'error' | 'info' | 'warn'>

/** What a hub's part in its cluster needs of the hub. */
export interface HubSide extends ClientsListener, LocalCounts, PresenceHub {
  emit(event: 'degraded', error: Error): unknown
  emit(event: 'recovered'): unknown
}

export interface HubClusterOptions {
  broker: Broker | undefined
  lease: number
  name: string | undefined
  logger: HubLogger | undefined
  streams: StreamsListener | undefined
}

/** A hub's part in its cluster: its node if it has a broker, `hub.cluster` and `hub.presence`. */
export class HubCluster implements EngineListener, RoomObserver {
  readonly node: ClusterNode | undefined
  readonly cluster: Cluster
  readonly presence: Presence
  readonly #hub: HubSide
  readonly #log: HubLogger | undefined
  #hasWarnedOfFilter = false

  constructor(hub: HubSide, { broker, lease, name, logger, streams }: HubClusterOptions) {
    this.#hub = hub
    this.#log = logger
    this.node = broker === undefined ? undefined : new ClusterNode(broker, lease, name)
    this.cluster = new Cluster(hub, this.node, (error, message) =>
      this.#log?.error({ err: error, message }, 'listener of hub.cluster failed')
    )
    this.presence = new Presence(hub, this.node, (error, event) => this.logListenerError(error, event))
    if (broker !== undefined) warnOfMemoryBroker(broker, logger)
    this.node?.start({ clients: hub, server: this.cluster, presence: this.presence, engine: this, streams })
  }

  /** A function cannot be sent to other nodes, which the author of a broadcast with a filter may not expect. */
  warnOfFilter(): void {
    if (this.node === undefined || this.#hasWarnedOfFilter) return
    this.#hasWarnedOfFilter = true
    this.#log?.warn(
      'a broadcast with a filter reaches the clients of this node only; use { local: true } to silence this'
    )
  }

  /** Disconnects clients of other nodes. What presence knows goes first, so that a client that replaces them is there already. */
  disconnectElsewhere(targets: readonly string[], code: number, reason: string): void {
    this.presence.flush()
    this.node?.disconnect(targets, code, reason)
  }

  // ---- From the rooms of the hub

  onRoomOpened(room: string): void {
    this.node?.enterRoom(room)
    this.presence.onRoomOpened(room)
  }

  onRoomEmptied(room: string): void {
    this.node?.leaveRoom(room)
  }

  onMemberLeft(ws: WebSocketConnection, room: string): void {
    this.presence.remove(ws, room)
  }

  // ---- From the engine

  onDegraded(error: Error): void {
    this.#log?.warn(
      { err: error },
      'the engine of the broker cannot be reached: broadcasts reach the clients of this node only'
    )
    this.#emit(() => this.#hub.emit('degraded', error), 'degraded')
  }

  onRecovered(): void {
    const { unpublished } = this.cluster.stats()
    this.#log?.info({ unpublished }, 'the engine of the broker is back: broadcasts reach all nodes again')
    this.#emit(() => this.#hub.emit('recovered'), 'recovered')
  }

  onRefused(error: Error): void {
    this.#log?.error({ err: error }, 'a message has reached the clients of this node only')
  }

  onRejected(channel: string, error?: unknown): void {
    this.#log?.warn({ channel, err: error }, 'ignored a malformed cluster message; see stats().rejected')
  }

  logListenerError(error: unknown, event: string): void {
    this.#log?.error({ err: error, event }, 'listener of a WebSocketHub event failed')
  }

  /** The error of a listener must not reach the broker. */
  #emit(emit: () => unknown, event: string): void {
    try {
      emit()
    } catch (error) {
      this.logListenerError(error, event)
    }
  }
}
