import { RpcMethod } from '../rpc/json-rpc.ts'
import type { Position } from '../rpc/position.ts'
import type { TestEvent } from './test-event.ts'

/** Where a client is in the streams of its rooms, as the server has told it. */
export class Positions {
  readonly #rooms: Map<string, Position>

  constructor(given: Readonly<Record<string, Position>> = {}) {
    this.#rooms = new Map(Object.entries(given))
  }

  /** A copy. */
  get all(): Record<string, Position> {
    return Object.fromEntries([...this.#rooms].map(([room, position]) => [room, { ...position }]))
  }

  /** An event or a notification has come. */
  onEvent({ type, data, room, offset }: TestEvent): void {
    if (type === RpcMethod.Joined) this.#join(data as Position & { room: string })
    else if (type === RpcMethod.Left) this.#rooms.delete((data as { room: string }).room)
    else if (room !== undefined && offset !== undefined) this.#advance(room, offset)
  }

  #join({ room, epoch, offset }: Position & { room: string }): void {
    this.#rooms.set(room, { epoch, offset })
  }

  #advance(room: string, offset: number): void {
    const position = this.#rooms.get(room)
    if (position !== undefined) position.offset = offset
  }
}
