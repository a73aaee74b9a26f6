import type { WebSocketConnection } from '../connection/connection.ts'
import { PreparedMessage } from '../connection/write/prepared-message.ts'
import type { ContractEvent } from '../contract/definition.ts'
import { TextMessage } from '../internal/message.ts'
import type { Position } from '../rpc/position.ts'
import { CatchUp, type CaughtUpStream, type Start } from './catch-up.ts'
import { joinedText, type Recovery, sendNotice, takesNotices } from './join.ts'
import type { PublishedMessage } from './published-message.ts'

/** The clients of a hub, as its streams use them. */
export interface StreamClients {
  /** The members of a room: the same set each time. */
  members(room: string): ReadonlySet<WebSocketConnection>
  /** True if no client of the hub is passed over by a message for this audience. */
  allAccept(audience: ContractEvent | undefined): boolean
  /**
   * Sends a message. Returns how many recipients have accepted it.
   *
   * @param onBehind is called for each recipient whose send queue is full, and which stays connected.
   */
  send(
    message: PreparedMessage,
    recipients: Iterable<WebSocketConnection>,
    onBehind: (ws: WebSocketConnection) => void
  ): number
}

/** Tells clients of another contract that the stream goes on after a message that is not for them. */
class PassedOver extends PreparedMessage {
  override get mustArrive(): boolean {
    return true
  }
}

/** The members of a room, as its stream sees them: those that get live messages, and those that catch up. */
export class StreamMembers {
  readonly #room: string
  readonly #stream: CaughtUpStream
  readonly #clients: StreamClients
  readonly #catchUps = new Map<WebSocketConnection, CatchUp>()
  /** The members that do not catch up. Kept, because broadcasts to the same recipients share their frames. */
  #live: readonly WebSocketConnection[] | undefined
  /** The clients that know a later position than this node. */
  readonly #ahead = new Set<CatchUp>()

  constructor(room: string, stream: CaughtUpStream, clients: StreamClients) {
    this.#room = room
    this.#stream = stream
    this.#clients = clients
  }

  /** Adds a member of the room that is to be told its position, or wants some of the past. */
  join(ws: WebSocketConnection, start: Start): void {
    const { position, label } = this.#stream
    const isLive = start.since === undefined && !start.last && position !== undefined
    if (!isLive) this.#add(new CatchUp(ws, this.#stream, start)).pump()
    else if (takesNotices(ws.session)) sendNotice(ws.session, joinedText(label, position, {}))
  }

  leave(ws: WebSocketConnection): void {
    this.onChanged()
    const catchUp = this.#catchUps.get(ws)
    if (catchUp === undefined) return
    catchUp.end()
    this.#catchUps.delete(ws)
    this.#ahead.delete(catchUp)
  }

  /** Sends a live message. Returns how many members have got it, or will. */
  deliver(message: PublishedMessage): number {
    const onBehind = (ws: WebSocketConnection): void => this.#fallBehind(ws, message.offset - 1)
    const live = this.#liveMembers()
    if (!message.isForNobody && this.#clients.allAccept(message.audience)) {
      const later = this.#catchUps.size
      return this.#clients.send(message, live, onBehind) + later
    }
    const isFor = ({ session }: WebSocketConnection): boolean => message.isFor(session)
    const later = [...this.#catchUps.keys()].filter(isFor).length
    const others = [...live].filter((ws) => takesNotices(ws.session) && !isFor(ws))
    const sent = this.#clients.send(message, [...live].filter(isFor), onBehind)
    if (others.length > 0) this.#clients.send(this.#passedOver(message), others, onBehind)
    return sent + later
  }

  /** Members have come or left. */
  onChanged(): void {
    this.#live = undefined
  }

  /** The stream has jumped to another position. All members continue there, after they were told. */
  restartAt({ offset }: Position, recovery: Recovery): void {
    for (const ws of this.#clients.members(this.#room)) {
      const catchUp = this.#catchUps.get(ws) ?? this.#add(new CatchUp(ws, this.#stream))
      if (catchUp.hasBegun) catchUp.continueAfter(offset, recovery)
    }
    this.pump()
  }

  /** The stream has lost messages that live members need. They continue at this position, after they were told. */
  skipTo({ offset }: Position): void {
    for (const ws of this.#clients.members(this.#room)) {
      if (this.#catchUps.has(ws)) continue
      this.#add(new CatchUp(ws, this.#stream)).continueAfter(offset, { recovered: false, reason: 'trimmed' })
    }
    this.pump()
  }

  /** Goes on with all members that catch up. */
  pump(): void {
    for (const catchUp of this.#catchUps.values()) catchUp.pump()
  }

  /** The position of the stream has advanced. */
  onAdvanced(): void {
    if (this.#ahead.size === 0) return
    const ahead = [...this.#ahead]
    this.#ahead.clear()
    for (const catchUp of ahead) catchUp.pump()
  }

  onCompared(stored: Position): void {
    for (const catchUp of this.#catchUps.values()) catchUp.onCompared(stored)
  }

  awaitAdvance(catchUp: CatchUp): void {
    this.#ahead.add(catchUp)
  }

  onCaughtUp({ ws }: CatchUp): void {
    this.#catchUps.delete(ws)
    this.onChanged()
  }

  #liveMembers(): Iterable<WebSocketConnection> {
    const members = this.#clients.members(this.#room)
    if (this.#catchUps.size === 0) return members
    return (this.#live ??= [...members].filter((ws) => !this.#catchUps.has(ws)))
  }

  #add(catchUp: CatchUp): CatchUp {
    this.#catchUps.set(catchUp.ws, catchUp)
    this.onChanged()
    return catchUp
  }

  /** A live member whose send queue is full gets the messages after this offset once it has taken what is queued. */
  #fallBehind(ws: WebSocketConnection, offset: number): void {
    if (this.#catchUps.has(ws)) return
    const catchUp = this.#add(new CatchUp(ws, this.#stream))
    catchUp.continueAfter(offset)
    catchUp.waitForClient()
  }

  #passedOver({ offset }: PublishedMessage): PreparedMessage {
    const { label, position } = this.#stream
    const text = joinedText(label, { epoch: (position as Position).epoch, offset }, {})
    return new PassedOver(TextMessage, Buffer.from(text), text)
  }
}
