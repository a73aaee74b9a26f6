/**
 * The messages that one honest connection must get. The server numbers its broadcasts to all clients and to each room. Its
 * "joined" says which numbers come next, and its "last" says which would have come next. In between, every number must come
 * once and in order, and so must every echo.
 */
export class Ledger {
  #expected
  #sent = 0
  #echoed = 0
  isJoined = false
  isFinished = false
  delivered = 0
  lost = 0
  outOfOrder = 0
  /** Descriptions of the first few errors. */
  notes = []

  /** The number of echoes that are still missing. */
  get pending() {
    return this.#sent - this.#echoed
  }

  /** The number of the next message to be echoed. */
  nextEcho() {
    return this.#sent++
  }

  take(text) {
    const [kind, first, second] = text.split(' ', 3)
    if (kind === 'joined') this.#join(Number(first), Number(second))
    else if (!this.isJoined) this.#wrong('outOfOrder', 1, `"${kind} ${first}" before "joined"`)
    else if (kind === 'echo') this.#echo(Number(first))
    else if (kind === 'last') this.#finish(Number(first), Number(second))
    else if (kind === 'all' || kind === 'room') this.#broadcast(kind, Number(first))
    else this.#wrong('outOfOrder', 1, `an unknown message "${text.slice(0, 40)}"`)
  }

  /** The client closes by itself: by then, it must have got all its echoes. */
  left() {
    this.#mustBeEchoed()
  }

  #join(all, room) {
    if (this.isJoined) this.#wrong('outOfOrder', 1, '"joined" came twice')
    this.isJoined = true
    this.#expected = { all, room }
  }

  #broadcast(kind, number) {
    if (this.isFinished) this.#wrong('outOfOrder', 1, `"${kind} ${number}" behind "last"`)
    this.delivered++
    this.#compare(kind, number, this.#expected[kind])
    this.#expected[kind] = Math.max(this.#expected[kind], number + 1)
  }

  #compare(kind, number, expected) {
    if (number > expected)
      this.#wrong('lost', number - expected, `${kind}: ${expected} to ${number - 1} did not come before ${number}`)
    // A skipped number comes late, and any other comes twice: both count as the same error.
    if (number < expected || Number.isNaN(number))
      this.#wrong('outOfOrder', 1, `${kind}: ${number} came where ${expected} was due`)
  }

  #echo(number) {
    this.#compare('echo', number, this.#echoed)
    this.#echoed = Math.max(this.#echoed, number + 1)
  }

  #finish(all, room) {
    this.isFinished = true
    this.#compare('all', all, this.#expected.all)
    this.#compare('room', room, this.#expected.room)
  }

  /** Call this when every sent message must have been echoed. */
  #mustBeEchoed() {
    if (this.pending > 0) this.#wrong('lost', this.pending, `echo: ${this.pending} did not come back`)
  }

  #wrong(count, by, note) {
    this[count] += by
    if (this.notes.length < 3) this.notes.push(note)
  }
}
