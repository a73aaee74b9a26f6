import { closeOf, controlOf, decode, type Envelope, Kind } from '../brokers/envelope.ts'
import { roomOf } from './channels.ts'
import type { Control, NodeHost } from './host.ts'
import { Arrivals, Copies } from './numbering.ts'

/** Reads what comes from other nodes, each message once, and passes on what it says. */
export class Incoming {
  readonly #host: Pick<NodeHost, 'deliver' | 'disconnect' | 'rejected'>
  readonly #hear: (channel: string, node: string, message: Control) => void
  readonly #arrivals = new Arrivals()
  readonly #copies = new Copies()
  received = 0
  duplicates = 0
  rejected = 0

  /** `hear` is told what nodes say to each other. */
  constructor(host: Pick<NodeHost, 'deliver' | 'disconnect' | 'rejected'>, hear: (channel: string, node: string, message: Control) => void) {
    this.#host = host
    this.#hear = hear
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
    const { kind, origin, payload, excluded } = envelope
    this.received++
    if (kind === Kind.Control) {
      const message = controlOf(payload)
      return message === undefined ? this.#reject(channel) : this.#hear(channel, origin, message)
    }
    const rooms = roomsOf(channel, envelope)
    if (rooms !== undefined && rooms.length > 1 && !this.#copies.isFirst(envelope)) return
    if (kind !== Kind.Disconnect) return this.#host.deliver(kind, payload, rooms, excluded)
    const close = closeOf(payload)
    if (rooms !== undefined && close !== undefined) this.#host.disconnect(rooms, close.code, close.reason)
  }
}

/** The rooms that a message is for; undefined where it is for all. */
function roomsOf(channel: string, { rooms }: Envelope): readonly string[] | undefined {
  if (rooms.length > 0) return rooms
  const room = roomOf(channel)
  return room === undefined ? undefined : [room]
}
