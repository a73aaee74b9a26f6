import { type HistoryStore, memoryHistory } from '../../../src/index.ts'

/** A store in memory that can be away: it refuses all calls, or does not answer. */
export class AwayStore implements HistoryStore {
  readonly #store = memoryHistory()
  readonly #calls: 'refused' | 'unanswered'
  #isAway = false
  #rejectAll: (() => void)[] = []

  constructor(calls: 'refused' | 'unanswered') {
    this.#calls = calls
  }

  leave(): void {
    this.#isAway = true
  }

  /** What was not answered is rejected, as if the connection was lost. */
  comeBack(): void {
    this.#isAway = false
    for (const reject of this.#rejectAll.splice(0)) reject()
  }

  append: HistoryStore['append'] = (...args) => this.#call(() => this.#store.append(...args))
  read: HistoryStore['read'] = (...args) => this.#call(() => this.#store.read(...args))
  positions: HistoryStore['positions'] = (...args) => this.#call(() => this.#store.positions(...args))
  clear: HistoryStore['clear'] = (...args) => this.#call(() => this.#store.clear(...args))

  #call<T>(call: () => Promise<T>): Promise<T> {
    if (!this.#isAway) return call()
    const error = new Error('the store is away')
    if (this.#calls === 'refused') return Promise.reject(error)
    // The test of memory makes more calls than this keeps.
    return new Promise((_, reject) => this.#rejectAll.length < 1_000 && this.#rejectAll.push(() => reject(error)))
  }
}
