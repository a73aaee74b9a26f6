// The processes of a run. They are started here, asked over IPC, and ended by their id.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** How long an answer may take, in milliseconds. */
const PATIENCE = 90_000
const KEPT_ERRORS = 4_000

class Child {
  #process
  #waiting = new Map()
  #asked = 0
  #errors = ''
  /** True as soon as the harness has ended it. Until then, an exit is a failure of the run. */
  isEnded = false
  /** The highest resident memory that the process has told of, in bytes. */
  rss = 0

  constructor(file, args, { env, lastSignal = 'SIGKILL' } = {}) {
    this.lastSignal = lastSignal
    this.#process = fork(join(import.meta.dirname, file), [JSON.stringify(args)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, ...env }
    })
    this.name = file
    this.exited = once(this.#process, 'exit').then(([code, signal]) => signal ?? code)
    this.#process.stderr.on('data', (chunk) => (this.#errors = (this.#errors + chunk).slice(-KEPT_ERRORS)))
    this.#process.on('message', (message) => this.#onMessage(message))
    // A process that is being killed cannot be asked.
    this.#process.on('error', () => undefined)
    void this.exited.then((how) => this.#failAll(`${file} ended with ${how} ${this.#errors}`))
  }

  get errors() {
    return this.#errors
  }

  /** Asks the process, and resolves to its answer. */
  ask(name, data) {
    const id = ++this.#asked
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => this.#settle(id, { error: `${this.name} did not answer "${name}"` }), PATIENCE)
      this.#waiting.set(id, { resolve, reject, late })
      this.#process.send({ id, name, data }, (error) => error && this.#settle(id, { error: error.message }))
    })
  }

  end(signal) {
    this.isEnded = true
    this.#process.kill(signal)
  }

  /** Ends the process with SIGTERM, and with SIGKILL if it takes longer than so many milliseconds. */
  async stop(within) {
    this.end('SIGTERM')
    const late = setTimeout(() => this.end('SIGKILL'), within)
    const how = await this.exited
    clearTimeout(late)
    return how
  }

  #onMessage(message) {
    if (message.rss !== undefined) this.rss = Math.max(this.rss, message.rss)
    else this.#settle(message.id, message)
  }

  #settle(id, { result, error }) {
    const { resolve, reject, late } = this.#waiting.get(id) ?? {}
    this.#waiting.delete(id)
    clearTimeout(late)
    if (error === undefined) resolve?.(result)
    else reject?.(new Error(error))
  }

  #failAll(error) {
    for (const id of this.#waiting.keys()) this.#settle(id, { error })
  }
}

/** All processes of a run. */
export class Children {
  #all = new Set()
  #isOver = false
  #fail
  /** Rejects when a process ends by itself. */
  failed = new Promise((_resolve, reject) => (this.#fail = reject))

  constructor() {
    this.failed.catch(() => undefined)
  }

  start(file, args, options) {
    if (this.#isOver) throw new Error('the run is over')
    const child = new Child(file, args, options)
    this.#all.add(child)
    void this.#watch(child)
    return child
  }

  async #watch(child) {
    const how = await child.exited
    this.#all.delete(child)
    if (!child.isEnded) this.#fail(new Error(`${child.name} ended by itself with ${how}\n${child.errors}`))
  }

  /** Ends all that still run. */
  async endAll() {
    // What was interrupted may go on for a moment.
    this.#isOver = true
    const all = [...this.#all]
    for (const child of all) child.end(child.lastSignal)
    await Promise.all(all.map(({ exited }) => exited))
  }
}
