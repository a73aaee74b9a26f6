import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Calm } from './calm.ts'
import type { End, WalkEngine } from './engine.ts'
import { type Node, Nodes } from './nodes.ts'
import { Random } from './random.ts'
import { Trace } from './trace.ts'
import { Traffic } from './traffic.ts'

export const LEASE = 2_000
const PLACES = 3

/** A random walk of three nodes: storms, in which anything may fail, and calms, after which everything must be right. */
export class Walk {
  readonly #random: Random
  readonly #engine: WalkEngine
  readonly #trace = new Trace()
  readonly #nodes: Nodes
  readonly #traffic: Traffic
  readonly #calm: Calm
  readonly #ends = new Set<() => Promise<void>>()
  readonly #replacing = new Set<Promise<void>>()
  #isOut = false

  constructor(engine: WalkEngine, seed: number) {
    this.#engine = engine
    this.#random = new Random(seed)
    this.#nodes = new Nodes(engine, LEASE, this.#trace)
    this.#traffic = new Traffic(this.#random, this.#nodes, this.#trace, engine.isOrdered)
    this.#calm = new Calm(this.#nodes, this.#traffic, this.#trace, engine.learnsLate)
  }

  /** @throws if there were faults */
  async run(seconds: number, title: string): Promise<void> {
    const end = performance.now() + seconds * 1_000
    try {
      for (let place = 0; place < PLACES; place++) this.#nodes.start(place)
      await this.#nodes.started()
      while (this.#trace.faults.length === 0 && performance.now() < end) {
        await this.#storm(this.#random.between(2_000, 7_000))
        await this.#heal()
        await this.#calm.pass()
      }
    } finally {
      await this.#heal().catch((error: Error) => this.#trace.fault(error.message))
      for (const client of this.#traffic.clients) client.end(false)
      await this.#nodes.close()
    }
    if (process.env['WALK_TRACE'] !== undefined)
      appendFileSync(process.env['WALK_TRACE'], `${title}\n${this.#trace.toString()}\n\n`)
    this.#trace.assertNone(title)
  }

  async #storm(duration: number): Promise<void> {
    const random = this.#random
    const end = performance.now() + duration
    let nextFault = performance.now() + random.between(0, 1_000)
    while (performance.now() < end && this.#trace.faults.length === 0) {
      for (let i = random.between(1, 4); i > 0; i--) this.#traffic.act()
      if (performance.now() > nextFault) {
        await this.#disturb()
        nextFault = performance.now() + random.between(50, 1_500)
      }
      await sleep(random.between(2, 30))
    }
  }

  async #disturb(): Promise<void> {
    const random = this.#random
    const { cuts, outages } = this.#engine
    const [cut, outage, node] = [
      random.pick(Object.keys(cuts)),
      random.pick(Object.keys(outages)),
      random.pick(this.#nodes.all)
    ]
    const chance = random.next()
    if (node === undefined) return
    if (chance < 0.15) this.#replace(node, node.isFrozen || random.chance(0.6))
    else if (chance < 0.3 && !node.isFrozen) this.#freeze(node)
    else if (chance < 0.65 && cut !== undefined) await this.#begin(cut, cuts[cut])
    else if (outage !== undefined && !this.#isOut) {
      this.#isOut = true
      await this.#begin(outage, outages[outage], () => (this.#isOut = false))
    }
  }

  #replace(node: Node, isKilled: boolean): void {
    if (node.port === undefined) return
    this.#trace.step(`${isKilled ? 'kill' : 'close'} ${node.name}`)
    node.port = undefined
    const replacing = this.#nodes.replace(node, isKilled).then(() => void this.#replacing.delete(replacing))
    this.#replacing.add(replacing)
  }

  #freeze(node: Node): void {
    this.#trace.step(`freeze ${node.name}`)
    this.#nodes.freeze(node)
    this.#later(`resume ${node.name}`, () => this.#nodes.resume(node))
  }

  async #begin(
    name: string,
    fault: WalkEngine['cuts'][string] | undefined,
    over: () => void = () => {}
  ): Promise<void> {
    this.#trace.step(name)
    try {
      const end = await fault?.({ random: this.#random, ask: (command, options) => this.#nodes.ask(command, options) })
      if (end !== undefined) return this.#later(`end of ${name}`, end, over)
    } catch (error) {
      // A fault may fail on a server that is already down.
      this.#trace.step(`${name}: ${(error as Error).message.split('\n').join(' ')}`)
    }
    over()
  }

  /** Ends a fault after a while, shorter or longer than the lease, or when the storm is over. */
  #later(name: string, end: End, after: () => void = () => {}): void {
    let ending: Promise<void> | undefined
    const once = (): Promise<void> => (ending ??= over())
    const over = async (): Promise<void> => {
      this.#trace.step(name)
      await end()
      this.#ends.delete(once)
      after()
    }
    this.#ends.add(once)
    setTimeout(() => void once(), this.#random.between(50, LEASE * 2))
  }

  async #heal(): Promise<void> {
    this.#trace.step('heal')
    await Promise.all([...this.#ends].map((end) => end()))
    await this.#engine.heal()
    await Promise.all(this.#replacing)
    await this.#nodes.started()
    this.#trace.step('healed')
  }
}
