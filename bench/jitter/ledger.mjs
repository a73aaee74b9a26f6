/** What one client has got, and what was wrong with it. */
export class Ledger {
  /** How many times each message has come, by its number. */
  #counts
  #highest = -1
  /** `from` and `to` of the absences, in milliseconds since 1970. */
  #absences = []
  #isOpen = false
  #openedAt = Infinity
  #hasOpened = false
  isWelcome = false
  /** With what the connection was closed if the client does not come back. */
  closeInfo
  delivered = 0
  outOfOrder = 0
  repeated = 0
  gaps = 0
  reconnects = 0

  /** Room for so many messages. */
  constructor(size) {
    this.#counts = new Uint8Array(size)
  }

  get isOpen() {
    return this.#isOpen
  }

  /** When the connection was opened, the last time, in milliseconds since 1970. */
  get openedAt() {
    return this.#openedAt
  }

  /** The last bytes of an absence with a delay come that much later. */
  expect(absences, start) {
    this.#absences = absences.map(({ from, to, delay }) => ({ from: start + from, to: start + to + delay }))
  }

  onOpen() {
    if (this.#hasOpened) this.reconnects++
    this.#hasOpened = true
    this.#isOpen = true
    this.#openedAt = Date.now()
  }

  onLost() {
    this.#isOpen = false
  }

  /** The client will not come back. */
  onGaveUp(closeInfo) {
    this.#isOpen = false
    this.closeInfo = closeInfo
  }

  get hasGivenUp() {
    return this.closeInfo !== undefined
  }

  /** Notes a message. Returns false if it has come before. */
  onMessage(number) {
    if (this.#counts[number] > 0) {
      this.repeated++
      return false
    }
    this.#counts[number] = 1
    this.delivered++
    if (number < this.#highest) this.outOfOrder++
    this.#highest = Math.max(this.#highest, number)
    return true
  }

  /** Whether the client had the connection from `at` until now, without an absence in between. */
  wasThere(at, now) {
    return at >= this.#openedAt && !this.#absences.some(({ from, to }) => from <= now && to >= at)
  }

  /** The ranges of numbers below `count` that never came, the first few. */
  missing(count) {
    const ranges = []
    for (let number = 0; number < count; number++) {
      if (this.#counts[number] > 0) continue
      const last = ranges.at(-1)
      if (last?.to === number - 1) last.to = number
      else ranges.push({ from: number, to: number })
    }
    return ranges
  }
}
