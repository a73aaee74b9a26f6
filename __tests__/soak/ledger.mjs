/**
 * What one honest connection must get. The server numbers its broadcasts to all, and those to each room; it says with "joined"
 * which numbers come next, and with "last" which would have come next. In between every number must come, once and in order;
 * so must every echo.
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
  /** What was wrong, in words; the first few are enough. */
  notes = []

  /** How many of the echoes are still to come. */
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

  /** The client closes by itself: it may only have got all the echoes. */
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
    // A number that was passed over comes late, any other comes twice: both are wrong in the same way.
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

  /** To be called where everything that was sent must have come back. */
  #mustBeEchoed() {
    if (this.pending > 0) this.#wrong('lost', this.pending, `echo: ${this.pending} did not come back`)
  }

  #wrong(count, by, note) {
    this[count] += by
    if (this.notes.length < 3) this.notes.push(note)
  }
}
