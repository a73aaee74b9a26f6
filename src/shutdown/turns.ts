/** The turns of this many milliseconds are made up for at once if a check comes late. More would be a storm after a long stall. */
const MAX_DEBT = 500

/** How items get their turn. */
export interface TurnHandlers<Item> {
  /** False while an item is busy. It is passed over and keeps its place. */
  isReady(item: Item): boolean
  onTurn(item: Item): void
}

/**
 * Gives items their turn one after the other, at an even pace from `start` to `end`. At the end all that are left get theirs,
 * ready or not. Times are those of `now()`.
 */
export class Turns<Item> {
  readonly #waiting: Set<Item>
  readonly #handlers: TurnHandlers<Item>
  readonly #end: number
  #nextAt: number

  constructor(items: Iterable<Item>, start: number, end: number, handlers: TurnHandlers<Item>) {
    this.#waiting = new Set(items)
    this.#nextAt = start
    this.#end = end
    this.#handlers = handlers
  }

  /** True until the item has its turn. */
  has(item: Item): boolean {
    return this.#waiting.has(item)
  }

  /** The item needs no turn any more. */
  delete(item: Item): void {
    this.#waiting.delete(item)
  }

  /** Gives all turns that are due. */
  check(time: number): void {
    const isOver = time >= this.#end
    this.#nextAt = Math.max(this.#nextAt, time - MAX_DEBT)
    for (const item of this.#waiting) {
      if (!isOver && time < this.#nextAt) return
      if (!isOver && !this.#handlers.isReady(item)) continue
      this.#waiting.delete(item)
      this.#nextAt += (this.#end - this.#nextAt) / (this.#waiting.size + 1)
      this.#handlers.onTurn(item)
    }
    // All that wait are busy. When they become ready, they still get their turns one after the other.
    this.#nextAt = Math.max(this.#nextAt, time)
  }
}
