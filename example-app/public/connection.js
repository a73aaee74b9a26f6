import { retryDelay } from './backoff.js'

const ANSWER_WITHIN = 8000
/** Shorter, because the user is looking at the page when we check the connection. */
const PONG_WITHIN = 3000
const FAREWELL_WITHIN = 2000

/**
 * Close codes after which we do not reconnect: continued in another tab, removed by an operator, the name is taken, and the codes
 * for an error of ours, which would only happen again.
 */
const FINAL_CODES = new Set([4000, 4001, 4002, 1002, 1003, 1007, 1008, 1009, 1010])

/**
 * A WebSocket that reconnects. The server answers every message that `send` sends. So if no answer comes, the connection is dead,
 * even if the browser has not noticed that yet.
 */
export class Connection {
  #url
  #on
  #socket
  #attempt = 0
  #retryTimer
  #answerTimer
  #isWanted = false

  /** @param on callbacks: `open()`, `message(value)`, `lost()` before each retry, `end(code)` if it does not reconnect. */
  constructor(url, on) {
    this.#url = url
    this.#on = on
    addEventListener('online', () => this.#check())
    addEventListener('offline', () => this.#lose())
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#check()
    })
  }

  /** Connects at once, and retries, quickly at first, if that fails. */
  open() {
    this.#isWanted = true
    this.#attempt = 0
    this.#connect()
  }

  /** @param farewell the last message to the server, which then closes the connection. */
  close(farewell) {
    this.#isWanted = false
    const socket = this.#socket
    this.#forget()
    if (socket?.readyState === WebSocket.OPEN) {
      socket.send(JSON.stringify(farewell))
      setTimeout(() => socket.close(), FAREWELL_WITHIN)
    } else socket?.close()
  }

  /** Sends a message that the server answers. True if the socket accepted it; only the answer says that it arrived. */
  send(value, { answerWithin = ANSWER_WITHIN } = {}) {
    if (!this.tell(value)) return false
    this.#expectAnswer(answerWithin)
    return true
  }

  /** Sends a message that the server does not answer. */
  tell(value) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false
    this.#socket.send(JSON.stringify(value))
    return true
  }

  /** Resets the retry delay. Call it after a join, because an open connection alone may be lost again at once. */
  settled() {
    this.#attempt = 0
  }

  /** Checks the connection, or reconnects at once, after the network is back or the page is visible again. */
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

  /** Lets go of the socket and the timers; later events of the socket are ignored. */
  #forget() {
    this.#socket = undefined
    clearTimeout(this.#retryTimer)
    clearTimeout(this.#answerTimer)
    this.#answerTimer = undefined
  }
}
