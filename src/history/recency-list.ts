/** What a `RecencyList` links. An entry is in one list at most, and only the list sets these. */
export interface Linked<Entry> {
  older: Entry | undefined
  newer: Entry | undefined
}

/**
 * Keeps entries in the order of their last use. A Map could do the same, but to find its first entry takes a walk over the places of
 * those that were deleted before it.
 */
export class RecencyList<Entry extends Linked<Entry>> {
  #oldest: Entry | undefined
  #newest: Entry | undefined

  /** The entry whose last use is the longest ago. */
  get oldest(): Entry | undefined {
    return this.#oldest
  }

  /** Makes an entry the newest, whether it is in the list or not. */
  use(entry: Entry): void {
    if (entry === this.#newest) return
    this.delete(entry)
    entry.older = this.#newest
    if (this.#newest === undefined) this.#oldest = entry
    else this.#newest.newer = entry
    this.#newest = entry
  }

  /** Does nothing if the entry is not in the list. */
  delete(entry: Entry): void {
    const { older, newer } = entry
    if (older !== undefined) older.newer = newer
    else if (entry === this.#oldest) this.#oldest = newer
    if (newer !== undefined) newer.older = older
    else if (entry === this.#newest) this.#newest = older
    entry.older = undefined
    entry.newer = undefined
  }
}
