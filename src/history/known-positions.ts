import type { Position } from '../rpc/position.ts'
import { isBehind } from './store.ts'

const MAX_ROOMS = 10_000

/**
 * The highest position of each room that this process has learned, of the rooms that were used last. A store that is behind it has lost
 * messages.
 */
export class KnownPositions {
  readonly #positions = new Map<string, Position>()

  get(room: string): Position | undefined {
    return this.#positions.get(room)
  }

  note(room: string, position: Position | undefined): void {
    const known = this.#positions.get(room)
    const latest = laterOf(known, position)
    if (latest === undefined) return
    this.#positions.delete(room)
    this.#positions.set(room, latest)
    const [oldest] = this.#positions.keys()
    if (this.#positions.size > MAX_ROOMS) this.#positions.delete(oldest as string)
  }
}

export function laterOf(a: Position | undefined, b: Position | undefined): Position | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return isBehind(a, b) ? b : a
}
