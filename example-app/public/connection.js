const FIRST_DELAY = 500
const MAX_DELAY = 15_000
const ANSWER_WITHIN = 8000

/** After these the server does not want us back: continued in another tab, removed by an operator, the name is somebody else's. */
const FINAL_CODES = new Set([4000, 4001, 4002])

/**
 * A WebSocket that comes back. The server answers whatever we send, so a connection that stays silent after that is dead,
 * even where the browser has not noticed it yet.
 */
export class Connection {
  #url
  #on
  #socket
  #attempt = 0
  #retryTimer
  #answerTimer
  #isWanted = false

  /** @param on `open()`, `message(value)`, `lost()` before each retry, `end(code)` when it will not come back by itself */
  constructor(url, on) {
    this.#url = url
    this.#on = on
    addEventListener('online', () => this.#check())
    addEventListener('offline', () => this.#lose())
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#check()
    })
  }

  open() {
    this.#isWanted = true
    this.#attempt = 0
    this.#connect()
  }

  close() {
    this.#isWanted = false
    this.#drop(1000)
  }

  /** True where the socket took it; whether it arrived only an answer tells. */
  send(value) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false
    this.#socket.send(JSON.stringify(value))
    this.#answerTimer ??= setTimeout(() => this.#lose(), ANSWER_WITHIN)
    return true
  }

  /** Call it when the server has taken us in: an accepted connection alone may be lost again at once. */
  settled() {
    this.#attempt = 0
  }

  retryNow() {
    if (this.#isWanted && this.#socket === undefined) this.#connect()
  }

  /** The network is back, or somebody looks at us again. */
  #check() {
    if (this.#socket?.readyState === WebSocket.OPEN) this.send({ type: 'ping' })
    else this.retryNow()
  }

  #connect() {
    this.#drop()
    const socket = new WebSocket(this.#url)
    this.#socket = socket
    socket.addEventListener('open', () => this.#socket === socket && this.#on.open())
    socket.addEventListener('message', ({ data }) => {
      if (this.#socket !== socket) return
      clearTimeout(this.#answerTimer)
      this.#answerTimer = undefined
      this.#on.message(JSON.parse(data))
    })
    socket.addEventListener('close', ({ code }) => {
      if (this.#socket !== socket) return
      if (FINAL_CODES.has(code)) this.#end(code)
      else this.#lose()
    })
  }

  #end(code) {
    this.#isWanted = false
    this.#drop()
    this.#on.end(code)
  }

  #lose() {
    if (!this.#isWanted) return
    this.#drop()
    this.#retryTimer = setTimeout(() => this.#connect(), this.#nextDelay())
    this.#on.lost()
  }

  /** Doubles each time, and is spread at random, so that not everybody comes back in the same moment. */
  #nextDelay() {
    const ceiling = Math.min(MAX_DELAY, FIRST_DELAY * 2 ** this.#attempt++)
    return ceiling * (0.5 + Math.random() / 2)
  }

  /** Forgets the socket first: what it still has to say is of no interest. */
  #drop(code) {
    const socket = this.#socket
    this.#socket = undefined
    clearTimeout(this.#retryTimer)
    clearTimeout(this.#answerTimer)
    this.#answerTimer = undefined
    socket?.close(code)
  }
}
