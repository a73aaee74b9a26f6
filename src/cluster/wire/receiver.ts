import { closeOf } from '../../internal/close-codes.ts'
import { isConnectionId, PROCESS_ID } from '../../internal/connection-id.ts'
import { isRoomName } from '../../internal/room-name.ts'
import type { ClientsListener, RemoteBroadcast } from '../listeners.ts'
import { TextMessage } from '../../internal/message.ts'
import type { Channels } from './channels.ts'
import { contractEventOf } from './contract-payload.ts'
import { decode, type Envelope, Kind, originOf } from './envelope.ts'
import type { Notes } from './notes.ts'
import { decodeMessage, type NodeMessage, type UnknownNotice } from './protocol.ts'
import { SequenceTracker } from './sequence.ts'
import { type StoredNotice, storedNoticeOf } from './stored-payload.ts'

/** What a receiver passes on. */
export interface ReceiverListener {
  readonly clients: Pick<ClientsListener, 'deliver' | 'disconnect'>
  /** A message of another node, which counts by this id who gets it, was delivered to so many connections. */
  onCounted(channel: string, node: string, id: number, connections: number): void
  /** Another node says something to this one. */
  onNodeMessage(channel: string, node: string, message: NodeMessage | UnknownNotice): void
  /** Another node has stored a message that was published in a room. */
  onStored(room: string, notice: StoredNotice, notes: Notes | undefined): void
  /** A message of another node on this channel was lost. */
  onGap(channel: string, node: string): void
  /** Something that is not a message of a node has arrived. Only the first time. */
  onRejected(channel: string, error?: unknown): void
}

/** Reads the messages of other nodes, each once, and passes them on. */
export class Receiver {
  readonly #origin: string
  readonly #channels: Channels
  readonly #listener: ReceiverListener
  readonly #sequences: SequenceTracker
  received = 0
  duplicates = 0
  rejected = 0

  /** @param origin the id of this node: a broker may echo its messages. */
  constructor(origin: string, channels: Channels, listener: ReceiverListener) {
    this.#origin = origin
    this.#channels = channels
    this.#listener = listener
    this.#sequences = new SequenceTracker((channel, node) => listener.onGap(channel, node))
  }

  /** How many messages were lost on their way to this node. */
  get missed(): number {
    return this.#sequences.missed
  }

  /** Never throws, whatever arrives. */
  receive(channel: string, message: Uint8Array): void {
    try {
      // Without decoding it: some engines send back everything.
      if (originOf(message) === this.#origin) return
      const envelope = decode(message)
      if (envelope === undefined) this.#reject(channel)
      else this.#receiveOnce(channel, envelope)
    } catch (error) {
      this.#reject(channel, error)
    }
  }

  /** This node no longer subscribes to a channel. */
  forget(channel: string): void {
    this.#sequences.forget(channel)
  }

  #reject(channel: string, error?: unknown): void {
    if (this.rejected++ === 0) this.#listener.onRejected(channel, error)
  }

  #receiveOnce(channel: string, envelope: Envelope): void {
    if (!this.#sequences.isNew(channel, envelope)) {
      this.duplicates++
      return
    }
    this.received++
    if (envelope.kind === Kind.Node) this.#receiveNodeMessage(channel, envelope)
    else if (envelope.kind === Kind.Stored) this.#receiveStored(channel, envelope)
    else this.#receiveForClients(channel, envelope)
  }

  #receiveNodeMessage(channel: string, { origin, payload }: Envelope): void {
    const message = decodeMessage(payload)
    if (message === undefined) this.#reject(channel)
    else this.#listener.onNodeMessage(channel, origin, message)
  }

  #receiveStored(channel: string, { payload, notes }: Envelope): void {
    const [room] = this.#roomOf(channel) ?? []
    const notice = storedNoticeOf(payload)
    if (room === undefined || notice === undefined) this.#reject(channel)
    else this.#listener.onStored(room, notice, notes)
  }

  #receiveForClients(channel: string, { kind, origin, copyId, payload, ids, notes }: Envelope): void {
    const isForAll = channel === this.#channels.all && kind !== Kind.Disconnect
    const isForIds = channel === this.#channels.ofProcess(PROCESS_ID)
    const targets = isForIds ? ids.filter(isConnectionId) : this.#roomOf(channel)
    // A message for unknown targets reaches nobody. It must never reach everybody.
    if (targets === undefined && !isForAll) return this.#reject(channel)
    const copy = copyId === 0 ? undefined : `${origin}:${copyId}`
    const content = contentOf(kind, payload)
    if (content === undefined) return this.#disconnect(targets ?? [], payload)
    const recipients = { targets, excluded: isForIds ? [] : ids, origin, copyId: copy, notes }
    const count = this.#listener.clients.deliver({ ...content, ...recipients })
    if (notes?.reach !== undefined) this.#listener.onCounted(channel, origin, notes.reach, count)
  }

  #disconnect(targets: readonly string[], payload: Buffer): void {
    const close = closeOf(payload)
    if (close !== undefined) this.#listener.clients.disconnect(targets, close.code, close.reason)
  }

  #roomOf(channel: string): [room: string] | undefined {
    const room = this.#channels.roomOf(channel)
    return room !== undefined && isRoomName(room) ? [room] : undefined
  }
}

/** The message in a broadcast; undefined if the envelope is not one. Its payload was checked when it was decoded. */
function contentOf(kind: Kind, payload: Buffer): Pick<RemoteBroadcast, 'type' | 'payload' | 'audience'> | undefined {
  if (kind === Kind.Text || kind === Kind.Binary) return { type: kind, payload }
  const event = kind === Kind.Contract ? contractEventOf(payload) : undefined
  return event && { type: TextMessage, payload: event.text, audience: event.audience }
}
