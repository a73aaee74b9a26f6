import { monitorEventLoopDelay } from 'node:perf_hooks'
import { promisify } from 'node:util'

const REQUESTS = new Set(['WriteWrap', 'ShutdownWrap'])

/** Measures the server's process every second. */
export class Sampler {
  opened = 0
  #app
  #gcEvery
  #seconds = 0
  #heap = 0
  #delay = monitorEventLoopDelay({ resolution: 5 })
  #timer
  #leaked = []

  /** @param gcEvery the seconds between two collections. */
  constructor(app, gcEvery) {
    this.#app = app
    this.#gcEvery = gcEvery
  }

  start(onSample) {
    this.#delay.enable()
    this.#timer = setInterval(() => void this.#sample().then(onSample), 1000)
  }

  stop() {
    clearInterval(this.#timer)
    this.#delay.disable()
  }

  /** Leaks memory, to prove that a leak is detected. */
  leak(data) {
    this.#leaked.push(Array.from({ length: 200 }, () => data.toString()))
  }

  async #sample() {
    const delay = this.#delay.percentile(99) / 1e6
    const isCollected = this.#seconds++ % this.#gcEvery === 0
    if (isCollected) this.#collect()
    const { rss } = process.memoryUsage()
    const sockets = await promisify((callback) => this.#app.server.getConnections(callback))()
    const resources = process.getActiveResourcesInfo()
    const handles = resources.length
    // Pending writes to clients that do not read: they come and go with these clients.
    const requests = resources.filter((name) => REQUESTS.has(name)).length
    this.#delay.reset()
    return { delay, rss, heap: this.#heap, isCollected, sockets, handles, requests, opened: this.opened }
  }

  /** A pause that the measured program did not cause does not count as delay. */
  #collect() {
    this.#delay.disable()
    globalThis.gc()
    this.#heap = process.memoryUsage().heapUsed
    this.#delay.enable()
  }
}
