import { fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('server.js', import.meta.url))
const RESTART_AFTER = 1000
/** A little more than server.js takes at most. */
const END_WITHIN = 12_000

/** A server.js in a process of its own, on a port that it chooses. One that dies is started again. */
export class ChatNode {
  address
  pid
  #name
  #environment
  #events
  #child
  #exited = Promise.resolve()
  #isClosing = false

  /** @param events `up(port)`, `down(port)`, and `say(line)` for whoever reads the terminal */
  constructor(name, environment, events) {
    this.#name = name
    this.#environment = environment
    this.#events = events
  }

  /** Resolves when it listens for the first time. */
  start() {
    return new Promise((resolve) => {
      this.#run(resolve)
    })
  }

  /** Its clients get their 1001. */
  async close() {
    this.#isClosing = true
    const child = this.#child
    child?.kill('SIGTERM')
    const timer = setTimeout(() => child?.kill('SIGKILL'), END_WITHIN)
    await this.#exited
    clearTimeout(timer)
  }

  #run(onListening, isAgain = false) {
    const startedAt = Date.now()
    // In a group of its own: a Ctrl+C is for cluster.js, which ends the nodes in its own time.
    const child = fork(program, { env: this.#environment, detached: true })
    let port
    this.#child = child
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        if (port !== undefined) this.#events.down(port)
        resolve()
        if (!this.#isClosing) void this.#again(startedAt, signal ?? `code ${code}`, onListening)
      })
    })
    child.once('message', ({ address }) => {
      port = Number(new URL(address).port)
      Object.assign(this, { address, pid: child.pid })
      this.#events.up(port)
      if (isAgain) this.#events.say(String(this))
      onListening(this)
    })
  }

  async #again(startedAt, why, onListening) {
    this.#events.say(`${this.#name} has ended with ${why} and is started again.`)
    await sleep(Math.max(0, startedAt + RESTART_AFTER - Date.now()))
    if (!this.#isClosing) this.#run(onListening, true)
  }

  toString() {
    return `${this.#name}: ${this.address}  (pid ${this.pid})`
  }
}
