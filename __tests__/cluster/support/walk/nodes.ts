import type { WalkEngine } from './engine.ts'
import { WalkProcess } from './process.ts'
import type { Trace } from './trace.ts'

/** A node of a walk, and its publisher. */
export interface Node {
  readonly name: string
  readonly process: WalkProcess
  /** Undefined until it listens. */
  port: number | undefined
  isFrozen: boolean
}

/** The nodes of a walk. Each has a place, and after it was killed another node takes that place. */
export class Nodes {
  readonly all: Node[] = []
  readonly #engine: WalkEngine
  readonly #lease: number
  readonly #trace: Trace
  readonly #shared: WalkProcess | undefined
  readonly #starting = new Set<Promise<void>>()
  #count = 0

  constructor(engine: WalkEngine, lease: number, trace: Trace) {
    this.#engine = engine
    this.#lease = lease
    this.#trace = trace
    if (engine.isShared === true) this.#shared = new WalkProcess(trace)
  }

  /** Starts a node in this place. */
  start(place: number): void {
    const name = `node${++this.#count}`
    const node: Node = { name, process: this.#shared ?? new WalkProcess(this.#trace), port: undefined, isFrozen: false }
    this.all[place] = node
    const starting = this.#listen(node, place).finally(() => this.#starting.delete(starting))
    this.#starting.add(starting)
  }

  async #listen(node: Node, place: number): Promise<void> {
    node.port = await node.process.ask<number>('start', {
      name: node.name,
      lease: this.#lease,
      engine: this.#engine.options(place)
    })
  }

  async started(): Promise<void> {
    await Promise.all(this.#starting)
  }

  /** The nodes that are listening and not frozen. */
  get running(): Node[] {
    return this.all.filter(({ port, isFrozen }) => port !== undefined && !isFrozen)
  }

  /** Kills a node as `kill -9` would, or closes it, and starts another. */
  async replace(node: Node, isKilled: boolean): Promise<void> {
    const place = this.all.indexOf(node)
    if (this.#shared !== undefined) void this.#shared.ask(isKilled ? 'kill' : 'stop', { name: node.name })
    else await (isKilled ? node.process.kill() : node.process.close())
    this.start(place)
  }

  freeze(node: Node): void {
    node.isFrozen = true
    if (this.#shared === undefined) node.process.signal('SIGSTOP')
    else void this.#shared.ask('hold', { name: node.name })
  }

  resume(node: Node): void {
    node.isFrozen = false
    if (this.#shared === undefined) node.process.signal('SIGCONT')
    else void this.#shared.ask('resume', { name: node.name })
  }

  async close(): Promise<void> {
    for (const node of this.all) if (node.isFrozen) this.resume(node)
    await Promise.all([...new Set(this.all.map(({ process }) => process))].map((process) => process.close()))
  }

  /** Sends a command to the shared process of all nodes, if there is one. */
  ask(command: string, options: object): void {
    void this.#shared?.ask(command, options)
  }
}
