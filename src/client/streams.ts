import { isPosition, MAX_POSITIONS, type Position } from '../rpc/position.ts'

/** Rooms that were left while the client was away stay, so there must be a limit. */
const MAX_STREAMS = 10_000

interface Stream {
  readonly epoch: string
  /** The last offset that came, or the one before the next that will. */
  offset: number
  /** The highest offset that the listeners have had. A server may send older messages again. */
  seen: number
}

/** Where the client is in the streams of its rooms. The newest are last. */
export class Streams {
  readonly #streams = new Map<string, Stream>()
  /** The rooms whose positions were not sent, because a server takes only so many. */
  #unsent = new Set<string>()

  /** The rooms whose given positions no server would take. They may come from a storage of the page. */
  readonly #spoilt = new Set<string>()

  constructor(positions: Readonly<Record<string, Position>> = {}) {
    for (const [room, position] of Object.entries(positions)) {
      if (isPosition(position)) this.join(room, position)
      else this.#spoilt.add(room)
    }
  }

  get positions(): Record<string, Position> {
    const newest = [...this.#streams].slice(-MAX_POSITIONS)
    return Object.fromEntries(newest.map(([room, { epoch, offset }]) => [room, { epoch, offset }]))
  }

  /** The positions to send on the next connection. */
  toSend(): Record<string, Position> {
    this.#unsent = new Set([...this.#streams.keys()].slice(0, -MAX_POSITIONS))
    return this.positions
  }

  /**
   * Sets the position in a room. Returns true if messages are missing that the server does not know of: it was not told where the client
   * was.
   *
   * @param isLost the server does not have the messages that came before: it may give their numbers to others.
   */
  join(room: string, position: Position, isLost = false): boolean {
    if (!isPosition(position) || !isRoom(room)) return false
    const { epoch, offset } = position
    const known = this.#streams.get(room)
    const isUnsent = this.#unsent.delete(room)
    const isSpoilt = this.#spoilt.delete(room)
    const seen = known?.epoch === epoch && !isLost ? Math.max(known.seen, offset) : offset
    this.#touch(room, { epoch, offset, seen })
    return isSpoilt || (isUnsent && known !== undefined && (epoch !== known.epoch || offset > known.offset))
  }

  leave(room: string): void {
    this.#streams.delete(room)
  }

  /** True if messages before this one did not come, and the server did not say so. */
  isHole(room: string, offset: number): boolean {
    const stream = this.#streams.get(room)
    return stream !== undefined && offset > stream.offset + 1
  }

  /** Delivers a published message unless it was delivered before. The position advances afterwards. */
  take(room: string, offset: number, deliver: () => void): void {
    const stream = this.#streams.get(room)
    if (stream === undefined) return deliver()
    if (offset <= stream.offset) return
    if (offset > stream.seen) deliver()
    stream.offset = offset
    stream.seen = Math.max(stream.seen, offset)
    this.#touch(room, stream)
  }

  #touch(room: string, stream: Stream): void {
    this.#streams.delete(room)
    this.#streams.set(room, stream)
    const [oldest] = this.#streams.keys()
    if (this.#streams.size > MAX_STREAMS) this.#streams.delete(oldest as string)
  }
}

/** The server refuses JSON with the key `__proto__`, so its position cannot be sent. */
function isRoom(room: unknown): boolean {
  return typeof room === 'string' && room !== '__proto__'
}
