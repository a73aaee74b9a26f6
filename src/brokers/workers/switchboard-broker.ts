import { randomUUID } from 'node:crypto'
import { atEndOfTurn, type EndOfTurn } from '../../internal/end-of-turn.ts'
import { errors } from '../../internal/errors.ts'
import { markHandled, rejected, withTimeout } from '../../internal/promises.ts'
import type { Broker, BrokerNode } from '../broker.ts'
import { Batch, FULL_BATCH, readBatch } from './batch.ts'
import { bytesOf, type Notice, type Request } from './frames.ts'
import type { Line, LineListener } from './line.ts'
import { PendingRequests } from './requests.ts'

/** How long the primary may take to answer a broker that joins, in milliseconds. */
const JOIN_TIMEOUT = 1_000
/** How long `close` waits for messages that the primary has not taken, in milliseconds. */
const CLOSE_TIMEOUT = 1_000
/** How many bytes may wait for the primary. A hub stops earlier; this is for publishers. */
const MAX_PENDING = 32 * 1024 * 1024

type Content = Request extends infer One ? (One extends Request ? Omit<One, 'member' | 'number'> : never) : never

/** A broker that the primary of node:cluster connects with others. It joins when it is first used, and again when it was lost. */
export class SwitchboardBroker implements Broker, EndOfTurn, LineListener {
  readonly #line: Line
  /** Before the name of each channel, so that brokers with other names do not get its messages. */
  readonly #prefix: string
  readonly #member = randomUUID()
  readonly #channels = new Set<string>()
  readonly #requests = new PendingRequests()
  #node: BrokerNode | undefined
  #state: 'new' | 'joined' | 'lost' | 'closed' = 'new'
  #joining: Promise<void> | undefined
  #batch = new Batch()
  #isScheduled = false
  #pending = 0

  constructor(line: Line, name: string) {
    this.#line = line
    this.#prefix = `${name}/`
  }

  open(node: BrokerNode): void {
    if (this.#node !== undefined) throw new errors.BROKER_IN_USE()
    this.#node = node
    void markHandled(this.#join())
  }

  publish(channel: string, message: Uint8Array): Promise<void> {
    if (this.#state !== 'joined') void markHandled(this.#join())
    if (this.#state === 'lost' || this.#state === 'closed') return rejected(unavailable('the primary is not connected'))
    if (this.#pending > MAX_PENDING) return rejected(unavailable('the primary takes messages too slowly'))
    const batch = this.#batch
    const before = batch.cost
    batch.add(this.#prefix + channel, message)
    this.#pending += batch.cost - before
    if (batch.length >= FULL_BATCH) this.#flush()
    else this.#schedule()
    return batch.sent
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    const added = channels.filter((channel) => !this.#channels.has(channel))
    for (const channel of added) this.#channels.add(channel)
    try {
      if (this.#state !== 'joined') await this.#join()
      // Also after a join, which may have begun before this call.
      await this.#send({ kind: 'subscribe', channels: this.#named(channels) })
    } catch (error) {
      for (const channel of added) this.#channels.delete(channel)
      throw error
    }
  }

  /** Does not fail: the broker joins again without these channels. */
  async unsubscribe(channels: readonly string[]): Promise<void> {
    for (const channel of channels) this.#channels.delete(channel)
    if (this.#state !== 'joined' && this.#joining === undefined) return
    await this.#send({ kind: 'unsubscribe', channels: this.#named(channels) }).catch(() => {})
  }

  async check(): Promise<void> {
    await (this.#state === 'joined' ? this.#send({ kind: 'ping' }) : this.#join())
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    const drained = this.#drain().catch(() => {})
    await withTimeout(drained, CLOSE_TIMEOUT, () => {}, { isRef: true })
    // Also after a join that was not answered: the primary may still take it.
    const wasUsed = this.#state !== 'new' || this.#joining !== undefined
    if (wasUsed && this.#line.isConnected) void markHandled(this.#send({ kind: 'leave' }))
    this.#state = 'closed'
    this.#line.close(this.#member)
    this.#fail(unavailable('the broker is closed'))
  }

  endOfTurn(): void {
    this.#isScheduled = false
    this.#flush()
  }

  onNotice({ taken, batch, isEnd }: Notice): void {
    if (this.#state === 'closed') return
    if (isEnd === true) return this.onLost()
    this.#requests.take(taken)
    if (batch !== undefined) readBatch(bytesOf(batch), (channel, message) => this.#receive(channel, message))
  }

  onLost(): void {
    const wasJoined = this.#state === 'joined'
    const error = unavailable('the primary of node:cluster has ended the connection')
    this.#lose(error)
    if (wasJoined) this.#node?.lost(error)
  }

  #receive(name: string, message: Buffer): void {
    const channel = name.slice(this.#prefix.length)
    if (this.#channels.has(channel)) this.#node?.receive(channel, message)
  }

  #join(): Promise<void> {
    if (this.#state === 'closed') return rejected(unavailable('the broker is closed'))
    this.#joining ??= this.#tryToJoin().finally(() => (this.#joining = undefined))
    return this.#joining
  }

  async #tryToJoin(): Promise<void> {
    this.#line.open(this.#member, this)
    try {
      if (!this.#line.isConnected) throw unavailable('the primary is gone')
      const channels = this.#named([...this.#channels])
      const joined = this.#send({ kind: 'join', channels, sample: Buffer.alloc(1) })
      await withTimeout(joined, JOIN_TIMEOUT, () => Promise.reject(noAnswer()))
    } catch (error) {
      this.#lose(error as Error)
      throw error
    }
    if (this.#state === 'closed') return
    this.#state = 'joined'
    this.#flush()
  }

  #send(content: Content): Promise<void> {
    return this.#requests.add((number) => this.#line.send({ ...content, member: this.#member, number }))
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    atEndOfTurn(this)
  }

  /** Sends what waits, once the broker has joined. */
  #flush(): void {
    const batch = this.#batch
    if (this.#state !== 'joined' || batch.length === 0) return
    this.#batch = new Batch()
    const settle = (): void => {
      this.#pending -= batch.cost
    }
    this.#send({ kind: 'publish', batch: batch.bytes() }).finally(settle).then(batch.resolve, batch.reject)
  }

  async #drain(): Promise<void> {
    await this.#joining
    if (this.#state !== 'joined') return
    this.#flush()
    await this.#send({ kind: 'ping' })
  }

  #lose(error: Error): void {
    if (this.#state !== 'closed') this.#state = 'lost'
    this.#fail(error)
  }

  #fail(error: Error): void {
    this.#requests.fail(error)
    this.#pending -= this.#batch.cost
    this.#batch.reject(error)
    this.#batch = new Batch()
  }

  #named(channels: readonly string[]): string[] {
    return channels.map((channel) => this.#prefix + channel)
  }
}

function unavailable(reason: string): Error {
  return new errors.BROKER_UNAVAILABLE(reason)
}

function noAnswer(): Error {
  return unavailable(
    "the primary of node:cluster does not answer. Call connectWorkers() of 'fastify-blaze-ws/cluster' in the primary"
  )
}
