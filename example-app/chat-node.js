import { fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('server.js', import.meta.url))
const RESTART_AFTER = 1000
/** A little more than server.js needs to close. */
const END_WITHIN = 12_000

/** Runs server.js in its own process, on a free port, and starts it again if it dies. */
export class ChatNode {
  address
  pid
  #name
  #environment
  #events
  #child
  #exited = Promise.resolve()
  #isClosing = false

  /** @param events callbacks: `up(port)`, `down(port)`, and `say(line)` for the terminal. */
  constructor(name, environment, events) {
    this.#name = name
    this.#environment = environment
    this.#events = events
  }

  /** Resolves when the server listens for the first time. */
  start() {
    return new Promise((resolve) => {
      this.#run(resolve)
    })
  }

  /** Stops the server gracefully: its clients are closed with 1001. */
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
    // In its own process group, so that Ctrl+C reaches only cluster.js, which then stops the nodes.
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
