import { WebSocket } from 'ws'
import { Ledger } from './ledger.mjs'

/** How a client leaves: asks the server to close, closes by itself once it has all its echoes, or drops the connection. */
const WAYS = ['bye', 'bye', 'bye', 'leave', 'leave', 'drop']
const EXPECTED = { bye: 1000, leave: 1000, drop: 1006, stay: 1001 }
const TEXT = 'what somebody types into a chat '

/** One well-behaved connection, which checks every message it gets. */
export class Honest {
  #dice
  #way = 'stay'
  #socket
  #ledger = new Ledger()
  #talk
  #life
  #report
  #settle

  constructor(dice, report) {
    this.#dice = dice
    this.#report = report
  }

  /** True from the first step of the handshake to "joined", and from the first step of leaving to the end. */
  get isBetween() {
    return !this.#ledger.isJoined || this.#way !== 'stay'
  }

  /** Lives until it leaves after `life` milliseconds, or is closed. */
  run(url, life) {
    const options = { perMessageDeflate: this.#dice.chance(0.2) }
    this.#socket = new WebSocket(`${url}/soak?room=room-${this.#dice.integer(0, this.#report.rooms - 1)}`, options)
    this.#socket.on('message', (data) => this.#take(data.toString(), life))
    this.#socket.on('error', (error) => this.#report.error(error))
    this.#socket.on('close', (code) => this.#closed(code))
    return new Promise((resolve) => {
      this.#settle = resolve
    })
  }

  /** From now on, it no longer leaves by itself. */
  stay() {
    clearTimeout(this.#life)
    this.#life = undefined
  }

  #take(text, life) {
    const wasJoined = this.#ledger.isJoined
    this.#ledger.take(text)
    if (!wasJoined && this.#ledger.isJoined) this.#begin(life)
    if (this.#way === 'leave' && this.#ledger.pending === 0) this.#socket.close(1000)
  }

  #begin(life) {
    this.#say()
    if (!this.#report.isEnding) this.#life = setTimeout(() => this.#leave(), life)
  }

  /** Sends one to three messages, and more after a while. */
  #say() {
    for (let left = this.#dice.integer(1, 3); left > 0; left--) {
      this.#socket.send(`echo ${this.#ledger.nextEcho()} ${TEXT.repeat(this.#dice.chance(0.05) ? 100 : 1)}`)
    }
    this.#talk = setTimeout(() => this.#say(), this.#dice.between(1_000, 6_000))
  }

  #leave() {
    clearTimeout(this.#talk)
    this.#way = this.#dice.pick(WAYS)
    if (this.#way === 'bye') this.#socket.send('bye')
    else if (this.#way === 'drop') this.#socket.terminate()
    else if (this.#ledger.pending === 0) this.#socket.close(1000)
  }

  #closed(code) {
    clearTimeout(this.#talk)
    clearTimeout(this.#life)
    // Messages in flight when the server or the client vanished need not have been answered.
    if (this.#way === 'bye' || this.#way === 'leave') this.#ledger.left()
    const mustBeToldLast = this.#way === 'bye' || this.#way === 'stay'
    const isAsExpected = code === EXPECTED[this.#way] && (this.#way !== 'stay' || this.#report.isEnding)
    if (!isAsExpected) this.#report.wrong(`an honest client (${this.#way}) was closed with ${code}`)
    else if (mustBeToldLast && !this.#ledger.isFinished)
      this.#report.wrong(`an honest client (${this.#way}) was closed before "last"`)
    this.#report.honestEnded(this.#ledger, code)
    this.#settle()
  }
}
