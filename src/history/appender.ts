import { now } from '../internal/clock.ts'
import { errors } from '../internal/errors.ts'
import { type Scheduled, Scheduler } from '../internal/scheduler.ts'
import type { Position } from '../rpc/position.ts'
import { AppendQueue, PendingAppend } from './append-queue.ts'
import type { Appended, NewMessage } from './store.ts'
import type { StoreLink } from './store-link.ts'

/** How long a caller waits for its message to be stored, in milliseconds. Until then the store is tried again and again. */
const TIMEOUT = 900
/** How many messages, and how many bytes of them, may wait for the store or be on their way to it. Further ones are refused. */
const MAX_MESSAGES = 65_536
const MAX_BYTES = 16 * 1024 * 1024

export interface AppenderListener<Message extends NewMessage> {
  /** The highest position of a room that is known. */
  knownOf(room: string): Position | undefined
  /** The store has a message. Called in the order of the positions of a room, also if its caller does not wait any more. */
  onStored(room: string, message: Message, at: Appended): void
}

/**
 * Stores messages, those of one room in the order of the calls: what is published while the store is busy with the room goes together
 * in the next step. If the store fails, the step is repeated, which is harmless because a store keeps each id once.
 */
export class Appender<Message extends NewMessage> implements Scheduled {
  readonly #link: StoreLink
  readonly #listener: AppenderListener<Message>
  readonly #queues = new Map<string, AppendQueue<Message>>()
  /** Those that a caller waits for, in the order of their deadlines. */
  readonly #pending = new Set<PendingAppend<Message>>()
  readonly #scheduler = new Scheduler()
  #messages = 0
  #bytes = 0
  #lastError: Error | undefined
  #retries: (() => void)[] = []
  #isClosed = false
  #onIdle: (() => void)[] = []

  constructor(link: StoreLink, listener: AppenderListener<Message>) {
    this.#link = link
    this.#listener = listener
    this.#scheduler.ensurePrecisionFor(TIMEOUT)
  }

  /** @throws FST_BLAZE_WS_HISTORY_UNAVAILABLE (as a rejection) if it is not certain that the message was stored. */
  append(room: string, message: Message): Promise<Appended> {
    if (this.#isClosed) return unavailable('the hub or publisher is closed')
    if (!this.#hasRoomFor(message)) return unavailable('too many messages wait for it')
    return new Promise((resolve, reject) => {
      const pending = new PendingAppend(message, now() + TIMEOUT, { resolve, reject })
      this.#pending.add(pending)
      this.#messages++
      this.#bytes += pending.size
      this.#scheduler.add(this)
      this.#enqueue(room, pending)
    })
  }

  /** Refuses further messages, and resolves once nobody waits for one any more. */
  close(): Promise<void> {
    this.#isClosed = true
    return new Promise((resolve) => {
      this.#onIdle.push(resolve)
      if (this.#pending.size === 0) resolve()
    })
  }

  // ---- From the scheduler

  /** Rejects what has waited too long, and tries again what has failed. */
  check(time: number): void {
    for (const pending of this.#pending) {
      if (pending.deadline > time) break
      this.#giveUp(pending)
    }
    for (const queue of this.#queues.values()) queue.removeSettled().forEach((pending) => this.#release(pending))
    for (const retry of this.#retries.splice(0)) retry()
    this.#stopIfIdle()
  }

  // If the event loop was blocked, the answers of the store are handled first, and deadlines at the next check.
  onLag(): void {}

  // ---- The queues

  /** A message that waits alone may be of any size. */
  #hasRoomFor({ body }: Message): boolean {
    return this.#messages < MAX_MESSAGES && (this.#messages === 0 || this.#bytes + body.length <= MAX_BYTES)
  }

  #enqueue(room: string, pending: PendingAppend<Message>): void {
    let queue = this.#queues.get(room)
    if (queue !== undefined) return queue.push(pending)
    queue = new AppendQueue()
    queue.push(pending)
    this.#queues.set(room, queue)
    // What is published in one go is stored in one step, and reaches each client in one write.
    const opened = queue
    queueMicrotask(() => void this.#drain(room, opened))
  }

  async #drain(room: string, queue: AppendQueue<Message>): Promise<void> {
    while (!queue.isEmpty) await this.#append(room, queue, queue.takeBatch())
    this.#queues.delete(room)
  }

  async #append(room: string, queue: AppendQueue<Message>, batch: readonly PendingAppend<Message>[]): Promise<void> {
    const messages = batch.map(({ message }) => message)
    const known = this.#listener.knownOf(room)
    const results = await this.#link.append(room, messages, known).catch((error: Error) => error)
    if (results instanceof Error) return this.#onFailed(queue, batch, results)
    this.#lastError = undefined
    queue.isCareful = false
    for (const [i, pending] of batch.entries()) this.#onStored(room, pending, results[i] as Appended)
  }

  #onStored(room: string, pending: PendingAppend<Message>, at: Appended): void {
    this.#release(pending)
    this.#listener.onStored(room, pending.message, at)
    if (this.#settle(pending)) pending.resolve(at)
  }

  async #onFailed(queue: AppendQueue<Message>, batch: readonly PendingAppend<Message>[], error: Error): Promise<void> {
    this.#lastError = error
    queue.isCareful = true
    const [first] = batch as [PendingAppend<Message>]
    if (batch.length === 1 && isRefusal(error)) {
      this.#release(first)
      return this.#reject(first, error)
    }
    queue.putBack(batch)
    this.#scheduler.add(this)
    await new Promise<void>((resolve) => this.#retries.push(resolve))
  }

  // ---- Callers and memory

  #reject(pending: PendingAppend<Message>, error: Error): void {
    if (this.#settle(pending)) pending.reject(error)
  }

  #giveUp(pending: PendingAppend<Message>): void {
    const last = this.#lastError
    const isSame = last instanceof errors.HISTORY_UNAVAILABLE
    const error = isSame ? last : new errors.HISTORY_UNAVAILABLE(last?.message ?? 'it does not answer')
    this.#link.reportAway(error)
    this.#reject(pending, error)
  }

  /** False if it was settled before. */
  #settle(pending: PendingAppend<Message>): boolean {
    if (pending.isSettled) return false
    pending.isSettled = true
    this.#pending.delete(pending)
    this.#stopIfIdle()
    return true
  }

  #release({ size }: PendingAppend<Message>): void {
    this.#messages--
    this.#bytes -= size
  }

  #stopIfIdle(): void {
    if (this.#pending.size > 0) return
    for (const resolve of this.#onIdle.splice(0)) resolve()
    if (this.#retries.length === 0) this.#scheduler.delete(this)
  }
}

function unavailable(reason: string): Promise<never> {
  return Promise.reject(new errors.HISTORY_UNAVAILABLE(reason))
}

/** The store works, and does not take this message. */
function isRefusal(error: Error): boolean {
  return error instanceof TypeError || error instanceof RangeError
}
