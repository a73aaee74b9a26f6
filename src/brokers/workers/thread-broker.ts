import { BroadcastChannel } from 'node:worker_threads'
import { atEndOfTurn, type EndOfTurn } from '../../internal/end-of-turn.ts'
import { errors } from '../../internal/errors.ts'
import { rejected } from '../../internal/promises.ts'
import type { Broker, BrokerNode } from '../broker.ts'
import { Batch, FULL_BATCH, readBatch } from './batch.ts'
import { bytesOf } from './frames.ts'

/**
 * A broker over a `BroadcastChannel`, for the threads of a process. All of them get all messages, and each picks those of its own
 * channels: one `BroadcastChannel` for each room would make every turn of the event loop slower.
 */
export class ThreadBroker implements Broker, EndOfTurn {
  readonly #name: string
  readonly #channels = new Set<string>()
  #line: BroadcastChannel | undefined
  #node: BrokerNode | undefined
  #isClosed = false
  #batch = new Batch()
  #isScheduled = false

  constructor(name: string) {
    this.#name = `fastify-blaze-ws/${name}`
  }

  open(node: BrokerNode): void {
    if (this.#node !== undefined) throw new errors.BROKER_IN_USE()
    this.#node = node
    this.#connect()
  }

  publish(channel: string, message: Uint8Array): Promise<void> {
    if (this.#isClosed) return rejected(closed())
    const batch = this.#batch
    batch.add(channel, message)
    if (batch.length >= FULL_BATCH) this.#flush()
    else this.#schedule()
    return batch.sent
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    await this.check()
    for (const channel of channels) this.#channels.add(channel)
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    for (const channel of channels) this.#channels.delete(channel)
  }

  async check(): Promise<void> {
    if (this.#isClosed) throw closed()
  }

  async close(): Promise<void> {
    this.#flush()
    this.#isClosed = true
    this.#line?.close()
  }

  endOfTurn(): void {
    this.#isScheduled = false
    this.#flush()
  }

  #connect(): BroadcastChannel {
    const line = new BroadcastChannel(this.#name)
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the types of Node have no other
    line.onmessage = (event) => this.#receive((event as { data: unknown }).data)
    line.unref()
    this.#line = line
    return line
  }

  #receive(batch: unknown): void {
    if (!ArrayBuffer.isView(batch) || this.#isClosed) return
    readBatch(bytesOf(batch as Uint8Array), (channel, message) => {
      if (this.#channels.has(channel)) this.#node?.receive(channel, message)
    })
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    atEndOfTurn(this)
  }

  #flush(): void {
    const batch = this.#batch
    if (batch.length === 0) return
    this.#batch = new Batch()
    const line = this.#line ?? this.#connect()
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
    line.postMessage(batch.bytes())
    batch.resolve()
  }
}

function closed(): Error {
  return new errors.BROKER_UNAVAILABLE('the broker is closed')
}
