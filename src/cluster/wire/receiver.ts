import { closeOf, controlOf, decode, type Envelope, Kind } from './envelope.ts'
import { isConnectionId, PROCESS_ID } from '../../internal/connection-id.ts'
import type { Channels } from './channels.ts'
import type { Control, NodeHost } from '../host.ts'
import { isRoomName } from '../../internal/room-name.ts'
import { SequenceTracker } from './sequence.ts'

/** Reads what comes from other nodes, each message once, and passes on what it says. */
export class Receiver {
  readonly #host: Pick<NodeHost, 'deliver' | 'disconnect' | 'rejected'>
  readonly #channels: Channels
  readonly #hear: (channel: string, node: string, message: Control) => void
  readonly #arrivals: SequenceTracker
  received = 0
  duplicates = 0
  rejected = 0

  /** `hear` is told what nodes say to each other, `gap` on which channel something of which node is missing. */
  constructor(
    channels: Channels,
    host: Pick<NodeHost, 'deliver' | 'disconnect' | 'rejected'>,
    hear: (channel: string, node: string, message: Control) => void,
    gap: (channel: string, node: string) => void
  ) {
    this.#channels = channels
    this.#host = host
    this.#hear = hear
    this.#arrivals = new SequenceTracker(gap)
  }

  /** Messages that were sent to this node and never came. */
  get missed(): number {
    return this.#arrivals.missed
  }

  /** Never throws, whatever has come. */
  receive(channel: string, message: Uint8Array): void {
    try {
      const envelope = decode(message)
      if (envelope === undefined) this.#reject(channel)
      else if (this.#arrivals.isNew(channel, envelope)) this.#take(channel, envelope)
      else this.duplicates++
    } catch (error) {
      this.#reject(channel, error)
    }
  }

  /** The node has left a channel. */
  forget(channel: string): void {
    this.#arrivals.forget(channel)
  }

  #reject(channel: string, error?: unknown): void {
    if (this.rejected++ === 0) this.#host.rejected(channel, error)
  }

  #take(channel: string, envelope: Envelope): void {
    const { kind, origin, id, payload, ids } = envelope
    this.received++
    if (kind === Kind.Control) {
      const message = controlOf(payload)
      return message === undefined ? this.#reject(channel) : this.#hear(channel, origin, message)
    }
    if (channel === this.#channels.all && kind !== Kind.Disconnect)
      return this.#host.deliver(kind, payload, undefined, ids)
    const isForIds = channel === this.#channels.ofProcess(PROCESS_ID)
    const targets = isForIds ? ids.filter(isConnectionId) : this.#roomOf(channel)
    // What cannot be placed goes to no one.
    if (targets === undefined) return this.#reject(channel)
    if (kind !== Kind.Disconnect)
      return this.#host.deliver(kind, payload, targets, isForIds ? [] : ids, id === 0 ? undefined : `${origin}:${id}`)
    const close = closeOf(payload)
    if (close !== undefined) this.#host.disconnect(targets, close.code, close.reason)
  }

  #roomOf(channel: string): [room: string] | undefined {
    const room = this.#channels.roomOf(channel)
    return room !== undefined && isRoomName(room) ? [room] : undefined
  }
}
