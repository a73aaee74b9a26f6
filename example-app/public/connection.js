import { retryDelay } from './backoff.js'

const ANSWER_WITHIN = 8000
/** Somebody looks at us, and should not look for long at a connection that is dead. */
const PONG_WITHIN = 3000
const FAREWELL_WITHIN = 2000

/**
 * After these the server does not want us back: continued in another tab, removed by an operator, the name is somebody else's,
 * and the codes that say that we have done something wrong, which would be wrong again.
 */
const FINAL_CODES = new Set([4000, 4001, 4002, 1002, 1003, 1007, 1008, 1009, 1010])

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

  /** Connects at once, and again, quickly at first, where that fails. */
  open() {
    this.#isWanted = true
    this.#attempt = 0
    this.#connect()
  }

  /** @param farewell the last that the server hears; it closes the connection then. */
  close(farewell) {
    this.#isWanted = false
    const socket = this.#socket
    this.#forget()
    if (socket?.readyState === WebSocket.OPEN) {
      socket.send(JSON.stringify(farewell))
      setTimeout(() => socket.close(), FAREWELL_WITHIN)
    } else socket?.close()
  }

  /** True where the socket took it; whether it arrived only an answer tells. */
  send(value, { answerWithin = ANSWER_WITHIN } = {}) {
    if (!this.tell(value)) return false
    this.#expectAnswer(answerWithin)
    return true
  }

  /** Sends what the server does not answer. */
  tell(value) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false
    this.#socket.send(JSON.stringify(value))
    return true
  }

  /** Call it when the server has taken us in: an accepted connection alone may be lost again at once. */
  settled() {
    this.#attempt = 0
  }

  /** The network is back, or somebody looks at us again: a reason to believe that it works now. */
  #check() {
    if (!this.#isWanted || this.send({ type: 'ping' }, { answerWithin: PONG_WITHIN })) return
    this.open()
  }

  #connect() {
    this.#drop()
    const socket = new WebSocket(this.#url)
    this.#socket = socket
    this.#expectAnswer(ANSWER_WITHIN)
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

  #expectAnswer(within) {
    this.#answerTimer ??= setTimeout(() => this.#lose(), within)
  }

  #end(code) {
    this.#isWanted = false
    this.#drop()
    this.#on.end(code)
  }

  #lose() {
    if (!this.#isWanted) return
    this.#drop()
    this.#retryTimer = setTimeout(() => this.#connect(), retryDelay(this.#attempt++))
    this.#on.lost()
  }

  #drop() {
    const socket = this.#socket
    this.#forget()
    socket?.close()
  }

  /** What the socket still has to say is of no interest. */
  #forget() {
    this.#socket = undefined
    clearTimeout(this.#retryTimer)
    clearTimeout(this.#answerTimer)
    this.#answerTimer = undefined
  }
}
