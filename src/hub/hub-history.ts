import type { Broker } from '../brokers/broker.ts'
import type { ClusterNode } from '../cluster/node.ts'
import type { Channels } from '../cluster/wire/channels.ts'
import { History, type HistoryHub } from '../history/history.ts'
import { assertJoinOptions, isPlain, type JoinOptions, takesNotices } from '../history/join.ts'
import { memoryHistory } from '../history/memory-store.ts'
import type { ResolvedHistoryOptions } from '../history/options.ts'
import { StoreLink } from '../history/store-link.ts'
import type { StreamClients } from '../history/stream-members.ts'
import { Streams } from '../history/streams.ts'
import { errors } from '../internal/errors.ts'
import type { Position } from '../rpc/position.ts'
import type { WebSocketConnection } from '../connection/connection.ts'
import type { HubLogger } from './hub-cluster.ts'
import type { RoomObserver } from './rooms.ts'

export interface HubHistoryOptions {
  /** The hub, for observers. */
  readonly hub: object
  readonly history: ResolvedHistoryOptions
  readonly broker: Broker | undefined
  readonly channels: Channels
  readonly logger: HubLogger | undefined
}

/** A hub's history and the streams of its rooms. Without a broker they are made when they are first needed: many hubs never publish. */
export class HubHistory implements RoomObserver, HistoryHub {
  readonly history: History = new History(this)
  /** Whether the hub can publish. */
  readonly hasStore: boolean
  readonly #clients: StreamClients
  readonly #options: HubHistoryOptions
  #link: StoreLink | undefined
  #streams: Streams | undefined
  #node: ClusterNode | undefined
  #isClosed = false

  constructor(clients: StreamClients, options: HubHistoryOptions) {
    this.#clients = clients
    this.#options = options
    this.hasStore = options.history.store !== undefined || options.broker === undefined
  }

  /** The streams of a hub in a cluster, which follow all rooms; undefined if the hub is alone or has no store. */
  get shared(): Streams | undefined {
    return this.#options.broker === undefined || !this.hasStore ? undefined : this.streams
  }

  /** @throws FST_BLAZE_WS_NO_HISTORY if there is a broker and no store. */
  get streams(): Streams {
    const { hub, history } = this.#options
    return (this.#streams ??= new Streams(hub, this.#clients, this.link, history.label))
  }

  /** @throws FST_BLAZE_WS_NO_HISTORY, or FST_BLAZE_WS_HISTORY_UNAVAILABLE if it is first needed after the hub was closed. */
  get link(): StoreLink {
    if (!this.hasStore) throw new errors.NO_HISTORY()
    if (this.#isClosed) throw new errors.HISTORY_UNAVAILABLE('the hub has shut down')
    return (this.#link ??= this.#connect())
  }

  /** Has the other nodes told what is stored: by the store if it can, otherwise by this node. */
  connect(node: ClusterNode | undefined): void {
    const { broker } = this.#options
    if (node === undefined || broker === undefined || this.shared === undefined) return
    this.#node = node
    const over = this.link.store.publishesOver?.(broker)
    if (over === undefined) this.streams.node = node
    else this.link.publishOver(over, (notes) => node.storedHead(notes))
  }

  /** @throws FST_BLAZE_WS_NO_HISTORY, or an error that says which option is wrong. */
  assertCanJoin(room: string, options: JoinOptions): void {
    assertJoinOptions(options)
    // If the application's function throws, nothing has changed yet.
    this.#options.history.label(room)
    if (!isPlain(options) && !this.hasStore) throw new errors.NO_HISTORY()
  }

  /** A connection has joined a room. */
  join(ws: WebSocketConnection, room: string, options: JoinOptions): void {
    this.#streams?.onMemberJoined(room)
    if (this.hasStore && (takesNotices(ws.session) || !isPlain(options))) this.streams.join(ws, room, options)
  }

  /** The application takes a member out of a room. */
  leave(ws: WebSocketConnection, room: string): void {
    this.#streams?.leave(ws, room)
  }

  // ---- For `hub.history`

  knownOf(room: string): Position | undefined {
    return this.#streams?.knownOf(room)
  }

  onCleared(room: string): void {
    this.#streams?.onCleared(room)
    this.#node?.publishCleared(room)
  }

  // ---- From the rooms of the hub

  onRoomOpened(room: string): void {
    this.shared?.open(room)
  }

  onMemberLeft(ws: WebSocketConnection, room: string): void {
    this.#streams?.onMemberLeft(ws, room)
  }

  onRoomEmptied(room: string): void {
    this.#streams?.onRoomEmptied(room)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#streams?.close()
    await this.#link?.close()
  }

  #connect(): StoreLink {
    // Nobody would close the store any more.
    if (this.#isClosed) throw new errors.HISTORY_UNAVAILABLE('it is closed')
    const { history, channels, logger } = this.#options
    return new StoreLink(history.store ?? memoryHistory(), history, channels, {
      onAway: (error) =>
        logger?.warn(
          { err: error },
          'the history of rooms cannot be reached: publish rejects, and clients wait for what they have missed'
        ),
      onBack: () => logger?.info('the history of rooms can be reached again')
    })
  }
}
