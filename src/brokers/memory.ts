import { originOf } from '../cluster/wire/envelope.ts'
import { brand, shared } from '../internal/copies.ts'
import { errors } from '../internal/errors.ts'
import { check, type Checks, validateOptions } from '../internal/validate.ts'
import type { Broker, BrokerNode } from './broker.ts'

/** What memory brokers have in common: those with the same engine reach each other. */
export class MemoryEngine {
  static {
    brand(this, 'memory-engine')
  }

  readonly #subscribers = new Map<string, Set<BrokerNode>>()
  #queue: (() => void)[] = []

  /** @internal */
  subscribe(channel: string, node: BrokerNode): void {
    const nodes = this.#subscribers.get(channel)
    if (nodes === undefined) this.#subscribers.set(channel, new Set([node]))
    else nodes.add(node)
  }

  /** @internal */
  unsubscribe(channel: string, node: BrokerNode): void {
    const nodes = this.#subscribers.get(channel)
    if (nodes?.delete(node) === true && nodes.size === 0) this.#subscribers.delete(channel)
  }

  /** @internal Messages arrive in a later turn, as they would over a network, and all in their order. */
  publish(channel: string, message: Uint8Array): Promise<void> {
    // Who publishes may change the bytes.
    const copy = Uint8Array.from(message)
    return new Promise((resolve) => {
      const deliver = (): void => {
        const origin = originOf(copy)
        for (const node of this.#subscribers.get(channel) ?? []) if (node.id !== origin) node.receive(channel, copy)
        resolve()
      }
      if (this.#queue.push(deliver) === 1) setImmediate(() => this.#queue.splice(0).forEach((next) => next()))
    })
  }
}

/** The engine of all brokers that name none. */
const common = shared('common-engine', () => new MemoryEngine())

const CHECKS: Checks<{ engine?: MemoryEngine }> = {
  engine: check((value) => value instanceof MemoryEngine, 'must be a MemoryEngine')
}

/** Joins several hubs in one process, for tests and for servers that listen on several ports. */
export function memoryBroker(options: { engine?: MemoryEngine | undefined } = {}): Broker {
  const { engine } = validateOptions(options, 'memoryBroker', CHECKS, { engine: common })
  return new MemoryBroker(engine)
}

class MemoryBroker implements Broker {
  readonly #engine: MemoryEngine
  readonly #channels = new Set<string>()
  #node: BrokerNode | undefined

  constructor(engine: MemoryEngine) {
    this.#engine = engine
  }

  open(node: BrokerNode): void {
    if (this.#node !== undefined) throw new errors.BROKER_IN_USE()
    this.#node = node
  }

  publish(channel: string, message: Uint8Array): Promise<void> {
    return this.#engine.publish(channel, message)
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    for (const channel of channels) {
      this.#channels.add(channel)
      this.#engine.subscribe(channel, this.#node as BrokerNode)
    }
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    for (const channel of channels) {
      this.#channels.delete(channel)
      this.#engine.unsubscribe(channel, this.#node as BrokerNode)
    }
  }

  async check(): Promise<void> {}

  async close(): Promise<void> {
    if (this.#node !== undefined) await this.unsubscribe([...this.#channels])
  }
}
