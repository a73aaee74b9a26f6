// The nodes of a run and their engine, and what happens to them.
import { setTimeout as sleep } from 'node:timers/promises'
import { stablePort } from './serve.mjs'

export const NODES = 3
/** Only this package depends on `bufferutil`. Socket.IO runs as it installs by default, which is without it. */
const envOf = (contender) => (contender === 'socket.io' ? { WS_NO_BUFFER_UTIL: '1' } : {})

export class Cluster {
  #children
  #contender
  #engine
  #enginePort
  #nodes = []
  ports = []
  /** The highest resident memory of a node, in bytes. */
  #rss = 0

  constructor(children, contender) {
    this.#children = children
    this.#contender = contender
  }

  get rss() {
    return Math.max(this.#rss, ...this.#nodes.map(({ rss }) => rss))
  }

  async start() {
    // It removes its files and ends Redis after SIGTERM.
    this.#engine = this.#children.start('engine.mjs', {}, { lastSignal: 'SIGTERM' })
    this.#enginePort = await this.#engine.ask('start')
    for (let index = 0; index < NODES; index++) this.ports.push(await stablePort())
    await Promise.all(this.ports.map((_port, index) => this.#startNode(index)))
  }

  /** Lets everything happen at its time. `log` gets a line for each fault. */
  async suffer({ kill, rolling, engine }, start, log) {
    const until = ({ at }) => sleep(Math.max(0, start + at - Date.now()))
    await until(kill)
    log('one node is killed')
    await this.#kill(0, kill.away)
    await until(rolling)
    log('the nodes are restarted, one after the other')
    for (let index = 0; index < NODES; index++) await this.#restart(index, rolling)
    await until(engine)
    log('Redis is restarted')
    await this.#engine.ask('restart', engine)
    log('Redis is back')
  }

  async #startNode(index) {
    const args = { contender: this.#contender, port: this.ports[index], engine: this.#enginePort }
    const node = this.#children.start('node.mjs', args, { env: envOf(this.#contender) })
    this.#rss = Math.max(this.#rss, this.#nodes[index]?.rss ?? 0)
    this.#nodes[index] = node
    await node.ask('start')
  }

  async #kill(index, away) {
    const node = this.#nodes[index]
    node.end('SIGKILL')
    await node.exited
    await sleep(away)
    await this.#startNode(index)
  }

  async #restart(index, { within, pause }) {
    await this.#nodes[index].stop(within)
    await this.#startNode(index)
    await sleep(pause)
  }
}
