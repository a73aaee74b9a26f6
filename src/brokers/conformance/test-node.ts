import { setTimeout as sleep } from 'node:timers/promises'
import type { Broker, BrokerNode } from '../broker.ts'

/** The longest wait for something that must happen, in milliseconds. */
const WAIT_TIMEOUT = 10_000

/** A node that keeps the messages it gets and the errors that are reported to it. */
export class TestNode implements BrokerNode {
  readonly broker: Broker
  readonly got: { channel: string; message: Buffer }[] = []
  readonly lostWith: Error[] = []
  #isClosed = false

  constructor(broker: Broker) {
    this.broker = broker
  }

  open(): this {
    this.broker.open(this)
    return this
  }

  receive(channel: string, message: Uint8Array): void {
    this.got.push({ channel, message: Buffer.from(message) })
  }

  lost(error: Error): void {
    this.lostWith.push(error)
  }

  publish(channel: string, message: Uint8Array | string): Promise<void> {
    return this.broker.publish(channel, Buffer.from(message as string))
  }

  /** The texts that have arrived on a channel. */
  texts(channel: string): string[] {
    return this.got.filter((one) => one.channel === channel).map(({ message }) => message.toString())
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.broker.close()
  }
}

/** Waits until a condition is true. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + WAIT_TIMEOUT; !condition(); await sleep(5)) {
    if (Date.now() > end) throw new Error(`${what} did not happen within ${WAIT_TIMEOUT} ms`)
  }
}

/** Calls `check` until it resolves. */
export async function checked({ broker }: TestNode): Promise<void> {
  for (const end = Date.now() + WAIT_TIMEOUT; ; await sleep(50)) {
    try {
      await broker.check()
      return
    } catch (error) {
      if (Date.now() > end) throw error
    }
  }
}
