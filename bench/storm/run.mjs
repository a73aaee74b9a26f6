// One deploy of two nodes in one mode.
import { setTimeout as sleep } from 'node:timers/promises'
import { Children } from '../jitter/children.mjs'
import { Latencies } from '../jitter/latencies.mjs'
import { Publisher } from '../jitter/publisher.mjs'
import { rangesOf } from '../jitter/ranges.mjs'
import { stablePort } from '../jitter/serve.mjs'
import { roomsFor } from './rooms.mjs'

const CLIENTS_PER_PROCESS = 2_500
/** All in milliseconds. */
const BACK_WITHIN = 120_000
const PUBLISH_WITHIN = 60_000
const ARRIVE_WITHIN = 30_000
/** Between the last welcome and the first message, so that all nodes hear of all rooms. */
const SETTLE = 2_000
const POLL_EVERY = 100
/** How much longer than the spread a node may take to close. */
const CLOSE_RESERVE = 15_000
const SECOND = 1_000
const BUCKETS_PER_SECOND = 10

class Run {
  #mode
  #options
  #children
  #log
  #enginePort
  #ports = []
  #nodes = []
  #clients = []

  constructor(mode, options, children, log) {
    this.#mode = mode
    this.#options = options
    this.#children = children
    this.#log = log
  }

  get #rooms() {
    return roomsFor(this.#options.clients)
  }

  async run() {
    await this.#startNodes()
    await this.#startClients()
    const publisher = new Publisher(this.#ports)
    const late = AbortSignal.timeout(PUBLISH_WITHIN + 2 * BACK_WITHIN)
    const publishing = publisher.run({ count: Infinity, rate: this.#options.rate, start: Date.now(), signal: late })
    const deploys = await Promise.race([this.#deploy(), publishing])
    publisher.stop()
    await publishing
    const { published } = publisher
    await this.#until(ARRIVE_WITHIN, ({ complete }) => complete === this.#options.clients, { published })
    return { published, ...sumOf(await this.#ask('end', { published })), deploys }
  }

  async #startNodes() {
    // It removes its files and ends Redis after SIGTERM.
    const engine = this.#children.start('engine.mjs', {}, { lastSignal: 'SIGTERM' })
    this.#enginePort = await engine.ask('start')
    this.#ports = [await stablePort(), await stablePort()]
    await Promise.all(this.#ports.map((_port, index) => this.#startNode(index)))
  }

  async #startNode(index) {
    this.#nodes[index] = this.#children.start('../storm/node.mjs', {
      port: this.#ports[index],
      engine: this.#enginePort,
      rooms: this.#rooms,
      mode: this.#mode,
      spread: this.#options.spread * SECOND
    })
    await this.#nodes[index].ask('start')
  }

  async #startClients() {
    const { clients } = this.#options
    const processes = Math.ceil(clients / CLIENTS_PER_PROCESS)
    const shared = { ports: this.#ports, rooms: this.#rooms }
    this.#clients = rangesOf(clients, processes).map((range) =>
      this.#children.start('../storm/clients.mjs', { ...shared, ...range })
    )
    await this.#ask('start')
    await this.#untilAllOpen()
    await sleep(SETTLE)
    this.#log(`${clients} clients are connected`)
  }

  async #deploy() {
    const deploys = []
    for (const index of [0, 1]) deploys.push(await this.#replace(index))
    return deploys
  }

  /** Replaces a node by a new process. Its clients go to the other node meanwhile. */
  async #replace(index) {
    const other = this.#nodes[1 - index]
    const start = Date.now()
    await Promise.all([other.ask('begin', { start }), this.#ask('begin')])
    const stopped = this.#nodes[index].stop(this.#options.spread * SECOND + CLOSE_RESERVE)
    await stopped
    const closed = Date.now() - start
    await this.#untilAllOpen()
    const back = Date.now() - start
    const { handshakes, delay } = await other.ask('report')
    const away = new Latencies((await this.#ask('away')).flat())
    await this.#startNode(index)
    const result = {
      moved: handshakes.reduce((sum, count) => sum + count, 0),
      peak: Math.max(0, ...handshakes) * BUCKETS_PER_SECOND,
      delay,
      closed,
      back,
      away: { p50: away.percentile(50), p99: away.percentile(99) },
      handshakes
    }
    this.#log(`node ${index + 1} is replaced: ${result.moved} moved, at most ${result.peak}/s, back after ${back} ms`)
    return result
  }

  #ask(name, data = {}) {
    return Promise.all(this.#clients.map((child) => child.ask(name, data)))
  }

  #untilAllOpen() {
    return this.#until(BACK_WITHIN, ({ open }) => open === this.#options.clients)
  }

  /** Ends after `within` as well: what is missing then is a result. */
  async #until(within, isDone, data) {
    const late = Date.now() + within
    while (!isDone(sumOf(await this.#ask('progress', data))) && Date.now() < late) await sleep(POLL_EVERY)
  }
}

/** Adds up the numbers of all processes, by their names. */
function sumOf(reports) {
  const names = Object.keys(reports[0])
  return Object.fromEntries(names.map((name) => [name, reports.reduce((sum, report) => sum + report[name], 0)]))
}

/** Resolves to what came of it. All processes have ended then, also if it fails. */
export async function runMode(mode, options, signal, log) {
  const children = new Children()
  const aborted = new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('interrupted')), { once: true })
  })
  aborted.catch(() => undefined)
  try {
    return await Promise.race([new Run(mode, options, children, log).run(), children.failed, aborted])
  } finally {
    await children.endAll()
  }
}
