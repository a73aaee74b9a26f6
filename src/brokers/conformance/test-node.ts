import { strictEqual } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Broker, BrokerNode } from '../broker.ts'
import { encode, Kind, newOrigin, originOf } from '../../cluster/wire/envelope.ts'

/** How long what must come is waited for, in milliseconds. */
const PATIENCE = 10_000

/** A node that keeps what it gets. */
export class TestNode implements BrokerNode {
  readonly id = newOrigin()
  readonly broker: Broker
  readonly got: { channel: string; payload: Buffer }[] = []
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
    strictEqual(originOf(message) === undefined, false, 'what arrives must be what was sent')
    this.got.push({ channel, payload: Buffer.from(message.subarray(HEADER)) })
  }

  lost(error: Error): void {
    this.lostWith.push(error)
  }

  publish(channel: string, payload: Uint8Array | string): Promise<void> {
    return this.broker.publish(channel, messageOf(this.id, payload))
  }

  /** The texts that have come on a channel. */
  texts(channel: string): string[] {
    return this.got.filter((one) => one.channel === channel).map(({ payload }) => payload.toString())
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.broker.close()
  }
}

const HEADER = messageOf(newOrigin(), '').length

function messageOf(origin: string, payload: Uint8Array | string): Buffer {
  const message = { kind: Kind.Binary, origin, generation: 0, sequence: 0, copyId: 0, ids: [] }
  return encode({ ...message, payload: Buffer.from(payload as string) })
}

/** Waits for something that must come true. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + PATIENCE; !condition(); await sleep(5)) {
    if (Date.now() > end) throw new Error(`${what} did not come true within ${PATIENCE} ms`)
  }
}

/** Asks until the engine is there. */
export async function checked({ broker }: TestNode): Promise<void> {
  for (const end = Date.now() + PATIENCE; ; await sleep(50)) {
    try {
      await broker.check()
      return
    } catch (error) {
      if (Date.now() > end) throw error
    }
  }
}
