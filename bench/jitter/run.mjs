// One run of one contender.
import { setTimeout as sleep } from 'node:timers/promises'
import { Children } from './children.mjs'
import { Cluster, NODES } from './cluster.mjs'
import { Latencies } from './latencies.mjs'
import { faultsOf } from './plan.mjs'
import { Publisher } from './publisher.mjs'
import { rangesOf } from './ranges.mjs'

const CLIENTS_PER_PROCESS = 1_000
/** All in milliseconds. */
const JOIN_WITHIN = 60_000
const PUBLISH_WITHIN = 60_000
const ARRIVE_WITHIN = 60_000
/** After so long without a new message, and with all clients connected, no more will come. */
const SILENCE = 15_000
const POLL_EVERY = 250
/** Between the last welcome and the first message, so that all nodes hear of all rooms. */
const SETTLE = 1_000

const COUNTS = ['delivered', 'outOfOrder', 'repeated', 'gaps', 'reconnects', 'hasGivenUp']

class Run {
  #options
  #contender
  #log
  #children
  #cluster
  #proxy
  #clients

  constructor(contender, options, children, log) {
    this.#contender = contender
    this.#options = options
    this.#children = children
    this.#log = log
    this.#cluster = new Cluster(children, contender)
  }

  get #count() {
    return this.#options.seconds * this.#options.rate
  }

  async run() {
    await this.#cluster.start()
    await this.#startClients()
    const publisher = await this.#play()
    const arrival = await this.#arrive(publisher.published)
    return this.#result(publisher, arrival)
  }

  async #startClients() {
    const { clients, seed, seconds } = this.#options
    this.#proxy = this.#children.start('proxy.mjs', { nodes: this.#cluster.ports, clients, seed, seconds })
    const port = await this.#proxy.ask('start')
    const processes = Math.min(2, Math.ceil(clients / CLIENTS_PER_PROCESS))
    const shared = { contender: this.#contender, port, nodes: NODES, room: this.#count, seed, seconds }
    this.#clients = rangesOf(clients, processes).map((range) =>
      this.#children.start('clients.mjs', { ...shared, ...range })
    )
    await this.#ask('start')
    await this.#until(JOIN_WITHIN, 'all clients are in the room', ({ welcome }) => welcome === clients)
    await sleep(SETTLE)
  }

  /** Publishes while everything goes wrong. */
  async #play() {
    const { seconds, rate } = this.#options
    const start = Date.now()
    await Promise.all([this.#ask('begin', { start }), this.#proxy.ask('begin', { start })])
    const publisher = new Publisher(this.#cluster.ports)
    const late = AbortSignal.timeout(seconds * 1000 + PUBLISH_WITHIN)
    const log = (text) => this.#log(`${((Date.now() - start) / 1000).toFixed(1)} s: ${text}`)
    await Promise.all([
      publisher.run({ count: this.#count, rate, start, signal: late }),
      this.#cluster.suffer(faultsOf(seconds), start, log)
    ])
    await this.#proxy.ask('end')
    log('everything is published, and the network is sound')
    return publisher
  }

  /** Waits until all has arrived, or nothing comes any more. Resolves to how long that took, in milliseconds. */
  async #arrive(published) {
    const from = Date.now()
    const wanted = published * this.#options.clients
    let last = { delivered: -1, at: from }
    while (Date.now() < from + ARRIVE_WITHIN) {
      const { delivered, open, gaveUp } = await this.#progress()
      if (delivered !== last.delivered) last = { delivered, at: Date.now() }
      if (delivered === wanted) break
      if (open + gaveUp === this.#options.clients && Date.now() > last.at + SILENCE) break
      await sleep(POLL_EVERY)
    }
    // What comes twice may come late.
    await sleep(SETTLE)
    return last.at - from
  }

  async #result(publisher, arrival) {
    const { published, repeats } = publisher
    const reports = await this.#ask('report', { published })
    const sums = Object.fromEntries(COUNTS.map((key) => [key, reports.reduce((sum, report) => sum + report[key], 0)]))
    const latency = (key) => {
      const all = new Latencies(reports.flatMap((report) => report[key]))
      return { p50: all.percentile(50), p99: all.percentile(99) }
    }
    return {
      published,
      expected: published * this.#options.clients,
      ...sums,
      repeatedPublishes: repeats,
      connected: latency('there'),
      away: latency('away'),
      arrival,
      rss: this.#cluster.rss,
      missing: reports.flatMap(({ examples }) => examples)
    }
  }

  #ask(name, data) {
    return Promise.all(this.#clients.map((child) => child.ask(name, data)))
  }

  async #progress() {
    const all = await this.#ask('progress')
    const sum = (key) => all.reduce((total, one) => total + one[key], 0)
    return { welcome: sum('welcome'), open: sum('open'), gaveUp: sum('gaveUp'), delivered: sum('delivered') }
  }

  async #until(within, what, isDone) {
    const late = Date.now() + within
    for (;;) {
      const progress = await this.#progress()
      if (isDone(progress)) return
      if (Date.now() > late) throw new Error(`not within ${within} ms: ${what} (${JSON.stringify(progress)})`)
      await sleep(POLL_EVERY)
    }
  }
}

/** Resolves to what came of it. All processes have ended then, also if it fails. */
export async function runContender(contender, options, signal, log) {
  const children = new Children()
  const aborted = new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('interrupted')), { once: true })
  })
  aborted.catch(() => undefined)
  try {
    return await Promise.race([new Run(contender, options, children, log).run(), children.failed, aborted])
  } finally {
    await children.endAll()
  }
}
