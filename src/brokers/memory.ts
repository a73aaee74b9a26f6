import { brand, shared } from '../internal/package-copies.ts'
import { errors } from '../internal/errors.ts'
import { immediate } from '../internal/event-loop.ts'
import { check, type Checks, validateOptions } from '../internal/validate.ts'
import type { Broker, BrokerNode } from './broker.ts'

/** Connects memory brokers: those with the same engine reach each other. */
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

  /** @internal Delivers the message in a later turn, as a network would, to all subscribers but its sender. */
  publish(channel: string, message: Uint8Array, sender?: BrokerNode): Promise<void> {
    // The caller may change its bytes before they are delivered.
    const copy = Uint8Array.from(message)
    return new Promise((resolve) => {
      const deliver = (): void => {
        for (const node of this.#subscribers.get(channel) ?? []) if (node !== sender) node.receive(channel, copy)
        resolve()
      }
      if (this.#queue.push(deliver) === 1) immediate(() => this.#queue.splice(0).forEach((next) => next()))
    })
  }
}

/** The engine of all brokers that are made without one. */
const defaultEngine = shared('common-engine', () => new MemoryEngine())

const CHECKS: Checks<{ engine?: MemoryEngine }> = {
  engine: check((value) => value instanceof MemoryEngine, 'must be a MemoryEngine')
}

/**
 * Makes a broker that connects hubs within one process, for tests and for servers that listen on several ports.
 *
 * @param options.engine brokers with the same engine reach each other. By default, all brokers of the process share one.
 * @throws FST_BLAZE_WS_INVALID_OPTION if an option is unknown or has a wrong value.
 */
export function memoryBroker(options: { engine?: MemoryEngine | undefined } = {}): Broker {
  const { engine } = validateOptions(options, 'memoryBroker', CHECKS, { engine: defaultEngine })
  return new MemoryBroker(engine)
}

/** True for a broker that reaches the hubs of its own process only. */
export function isMemoryBroker(broker: Broker): boolean {
  return broker instanceof MemoryBroker
}

class MemoryBroker implements Broker {
  static {
    brand(this, 'memory-broker')
  }

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
    return this.#engine.publish(channel, message, this.#node)
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
