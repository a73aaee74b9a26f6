import type { WebSocketConnection } from '../connection/connection.ts'
import type { StreamsListener } from '../cluster/listeners.ts'
import { type Notes, withTrace } from '../cluster/wire/notes.ts'
import type { StoredNotice } from '../cluster/wire/stored-payload.ts'
import { atEndOfTick, type EndOfTick } from '../internal/end-of-turn.ts'
import { withTimeout } from '../internal/promises.ts'
import { type Scheduled, Scheduler } from '../internal/scheduler.ts'
import { tellOfPublication } from '../observe/traces.ts'
import { isPosition, type Position } from '../rpc/position.ts'
import { Appender } from './appender.ts'
import { bodyOf, type Content, contentOf } from './content.ts'
import { type JoinOptions, leftText, sendNotice, takesNotices } from './join.ts'
import { KnownPositions, laterOf } from './known-positions.ts'
import { PartCache } from './part-cache.ts'
import type { StreamPublication } from './publish-arguments.ts'
import type { Appended, NewMessage, StoredPart } from './store.ts'
import type { StoreLink } from './store-link.ts'
import { Stream, type StreamHost } from './stream.ts'
import type { StreamClients } from './stream-members.ts'

/** How often the positions of all rooms are compared with the store, in milliseconds. */
const COMPARE_INTERVAL = 5_000
/** How many rooms are compared in one call. */
const COMPARE_SIZE = 1_000
/** How many of these calls may be under way: a store may not answer for a while. */
const MAX_COMPARES = 64
/** How long `publish` waits until this node has passed on the message, in milliseconds. The store has it already. */
const PASS_ON_TIMEOUT = 1_000

/** A message that is being published. */
export class StreamMessage implements NewMessage {
  readonly id: string
  readonly content: Content
  readonly body: Buffer
  readonly traceparent: string | undefined
  readonly head: Uint8Array | undefined
  /** How many members have got it from this node; undefined if it was not passed on when it was stored. */
  receivers: number | undefined

  constructor({ id, content }: StreamPublication, link: StoreLink, traceparent: string | undefined) {
    this.id = id
    this.content = content
    this.body = bodyOf(content)
    this.traceparent = traceparent
    this.head = link.headOf(traceparent)
  }

  /** What goes along with the message to the other nodes. */
  get notes(): Notes | undefined {
    return withTrace(undefined, this.traceparent)
  }
}

/** Where a message was stored, and how many connections of this node have got it or will. */
export interface Published extends Position {
  receivers: number
}

/** The part of a node that streams use. */
export interface StreamNode {
  /** Tells the other nodes of a message that was stored. */
  publishStored(room: string, notice: StoredNotice, notes: Notes | undefined): void
}

/** The rooms of a hub whose published messages this node passes on. */
export class Streams implements StreamHost, StreamsListener, Scheduled, EndOfTick {
  readonly clients: StreamClients
  readonly parts = new PartCache()
  readonly tails = { bytes: 0 }
  /** Tells other nodes; undefined if there are none, or if the store does it. */
  node: StreamNode | undefined
  readonly #hub: object
  readonly #link: StoreLink
  readonly #labelOf: (room: string) => string
  readonly #streams = new Map<string, Stream>()
  readonly #known = new KnownPositions()
  readonly #appender: Appender<StreamMessage>
  readonly #scheduler = new Scheduler()
  readonly #toCompare = new Set<Stream>()
  /** Those whose position the store did not tell. They are compared again at the next check. */
  readonly #unanswered = new Set<Stream>()
  readonly #toRetry = new Set<Stream>()
  #comparedAt = -Infinity
  /** The calls that are under way. */
  readonly #compares = new Set<Promise<void>>()
  #isScheduled = false
  #isClosed = false

  /** @param hub the hub, for observers. */
  constructor(hub: object, clients: StreamClients, link: StoreLink, labelOf: (room: string) => string) {
    this.#hub = hub
    this.clients = clients
    this.#link = link
    this.#labelOf = labelOf
    this.#appender = new Appender(link, {
      knownOf: (room) => this.knownOf(room),
      onStored: (...args) => this.#onStored(...args)
    })
  }

  // ---- Rooms and members

  /** Follows a room that has members. */
  open(room: string): Stream {
    let stream = this.#streams.get(room)
    if (stream !== undefined) return stream
    stream = new Stream(room, this.#labelOf(room), this)
    this.#streams.set(room, stream)
    this.#scheduler.add(this)
    this.compareSoon(stream)
    return stream
  }

  /** Adds a member of the room. */
  join(ws: WebSocketConnection, room: string, { since, last, resume }: JoinOptions): void {
    const stream = this.open(room)
    const sent = since === undefined && resume !== false ? takePosition(ws, stream.label) : undefined
    stream.join(ws, { since: since === undefined ? sent : { ...since }, last, isResume: sent !== undefined })
  }

  /** A member has come. */
  onMemberJoined(room: string): void {
    this.#streams.get(room)?.onMembersChanged()
  }

  /** The application has taken a member out of the room. */
  leave(ws: WebSocketConnection, room: string): void {
    const stream = this.#streams.get(room)
    if (stream !== undefined && takesNotices(ws.session) && !ws.isClosed())
      sendNotice(ws.session, leftText(stream.label))
  }

  onMemberLeft(ws: WebSocketConnection, room: string): void {
    this.#streams.get(room)?.leave(ws)
  }

  onRoomEmptied(room: string): void {
    const stream = this.#streams.get(room)
    // A listener of presence may have let the last member join again.
    if (stream === undefined || this.clients.members(room).size > 0) return
    this.#known.note(room, stream.known)
    stream.close()
    this.#streams.delete(room)
    this.#toCompare.delete(stream)
    this.#unanswered.delete(stream)
    this.#toRetry.delete(stream)
    if (this.#streams.size > 0) return
    this.#scheduler.delete(this)
    this.parts.clear()
  }

  /** The highest position of a room that this node knows. */
  knownOf(room: string): Position | undefined {
    return laterOf(this.#known.get(room), this.#streams.get(room)?.known)
  }

  // ---- Messages

  /** Stores a message and passes it on to the members. */
  async publish(publication: StreamPublication, traceparent?: string): Promise<Published> {
    const { room } = publication
    const stream = this.clients.members(room).size > 0 ? this.open(room) : undefined
    // The store is asked for the position of a new stream first: it is the one before this message.
    this.#compareWaiting()
    const message = new StreamMessage(publication, this.#link, traceparent)
    const { epoch, offset } = await this.#appender.append(room, message)
    if (message.receivers === undefined && stream !== undefined)
      message.receivers = await withTimeout(stream.passedOn({ epoch, offset }), PASS_ON_TIMEOUT, () => 0)
    return { epoch, offset, receivers: message.receivers ?? 0 }
  }

  // ---- From the cluster

  onStoredElsewhere(room: string, { epoch, offset, id, body }: StoredNotice, notes?: Notes): void {
    const stream = this.#streams.get(room)
    if (stream === undefined) return
    const content = contentOf(body)
    const bytes = content?.payload.length ?? 0
    tellOfPublication(this.#hub, { room, position: { epoch, offset }, bytes, traceparent: notes?.traceparent })
    stream.receiveNotice({ epoch, offset }, id, content)
  }

  /** What this node keeps of a history is no longer in it. */
  onCleared(room: string): void {
    this.#streams.get(room)?.forgetPast()
  }

  /** The node gets what other nodes publish in this room from now on. What came before is in the store. */
  onSubscribed(room: string): void {
    const stream = this.#streams.get(room)
    if (stream !== undefined) this.compareSoon(stream)
  }

  resync(): void {
    this.#comparedAt = -Infinity
  }

  async located(): Promise<boolean> {
    let areAllAsked: boolean
    do {
      this.#compareWaiting()
      areAllAsked = this.#toCompare.size === 0 || this.#isClosed
      await Promise.all(this.#compares)
    } while (!areAllAsked)
    return this.#unanswered.size === 0
  }

  // ---- For streams

  read(room: string, after: number, limit: number): Promise<StoredPart> {
    return this.#link.read(room, after, limit)
  }

  compareSoon(stream: Stream): void {
    this.#toCompare.add(stream)
    if (this.#isScheduled) return
    this.#isScheduled = true
    atEndOfTick(this)
  }

  renew(stream: Stream): void {
    const epoch = stream.position?.epoch
    if (epoch !== undefined) this.#compare([stream], () => ({ epoch, offset: Number.MAX_SAFE_INTEGER }))
  }

  retryLater(stream: Stream): void {
    this.#toRetry.add(stream)
  }

  endOfTick(): void {
    this.#isScheduled = false
    this.#compareWaiting()
  }

  // ---- From the scheduler

  check(time: number): void {
    this.parts.check(time)
    if (time - this.#comparedAt >= COMPARE_INTERVAL && this.#compares.size === 0) {
      this.#comparedAt = time
      for (const stream of this.#streams.values()) this.#toCompare.add(stream)
    }
    for (const stream of this.#unanswered) this.#toCompare.add(stream)
    this.#unanswered.clear()
    this.#compareWaiting()
    const toRetry = [...this.#toRetry]
    this.#toRetry.clear()
    for (const stream of toRetry) stream.retry()
  }

  onLag(): void {}

  /** Stops following rooms. What is being published is stored first. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#scheduler.delete(this)
    await this.#appender.close()
  }

  #onStored(room: string, message: StreamMessage, at: Appended): void {
    const { id, body, content, notes } = message
    this.#known.note(room, at)
    this.node?.publishStored(room, { ...at, id, body }, notes)
    message.receivers = this.#streams.get(room)?.receive(at, id, content)
  }

  // ---- Comparing positions with the store

  #compareWaiting(): void {
    if (this.#toCompare.size === 0 || this.#isClosed || this.#compares.size >= MAX_COMPARES) return
    const streams = [...this.#toCompare]
    this.#toCompare.clear()
    for (let i = 0; i < streams.length; i += COMPARE_SIZE)
      this.#compare(streams.slice(i, i + COMPARE_SIZE), ({ room }) => this.knownOf(room))
  }

  #compare(streams: readonly Stream[], knownOf: (stream: Stream) => Position | undefined): void {
    const comparison = this.#takePositions(streams, knownOf)
    this.#compares.add(comparison)
    void comparison.then(() => this.#compares.delete(comparison))
  }

  async #takePositions(streams: readonly Stream[], knownOf: (stream: Stream) => Position | undefined): Promise<void> {
    const rooms = streams.map((stream) => ({
      room: stream.room,
      known: knownOf(stream)
    }))
    // If it is away, the link has reported that.
    const positions: readonly Position[] = await this.#link.positions(rooms).catch(() => [])
    for (const [i, stream] of streams.entries()) {
      const position = positions[i]
      if (isPosition(position)) stream.onPosition(position)
      else if (this.#streams.get(stream.room) === stream) this.#unanswered.add(stream)
    }
  }
}

/** Takes the position that the client has sent for a room, which counts once. */
function takePosition({ session }: WebSocketConnection, label: string): Position | undefined {
  const position = session.positions?.get(label)
  session.positions?.delete(label)
  return position
}
