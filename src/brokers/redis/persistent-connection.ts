// A connection that is made again whenever it breaks. The libraries could do that too, but they would also keep or repeat commands.

import { withTimeout } from '../../internal/promises.ts'
import { ANSWER_TIMEOUT, type ConnectionEvents, type RedisConnection, retryDelay } from './driver.ts'
import { unavailable } from './errors.ts'
import { PendingCommands } from './pending-commands.ts'

/** How long commands wait for the first connection, in milliseconds. */
const FIRST_CONNECTION_TIMEOUT = 2_000

export interface PersistentConnectionOptions {
  /** Makes the next connection after so many failures in a row. */
  create: (events: ConnectionEvents, failures: number) => Promise<RedisConnection>
  onMessage?: (channel: string, message: Buffer) => void
  onSlotsMoved?: () => void
  /** Prepares a new connection before it takes commands. */
  prepare?: (connection: RedisConnection) => Promise<unknown>
  /** The connection was lost or could not be made. The next one will be made. */
  onLost: (error: Error) => void
  /** After so long without an answer to any command, the connection is dead, in milliseconds. @default ANSWER_TIMEOUT */
  answerTimeout?: number
}

/**
 * Connects on its first use, and connects again until it succeeds. Commands wait for the first attempt only. After that, a command
 * without a connection is refused at once. No command is sent twice.
 */
export class PersistentConnection {
  readonly #options: PersistentConnectionOptions
  /** The connection in use, or the one that is being made. */
  #connection: RedisConnection | undefined
  readonly #pending: PendingCommands
  #isReady = false
  #isClosed = false
  #isStarted = false
  /** Resolves after the first attempt; undefined when no command waits for it any more. */
  #firstAttempt: Promise<void> | undefined
  #endFirstAttempt = (): void => {}
  /** Ends the current attempt or connection. */
  #end = (_error: Error): void => {}
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #lastError: Error | undefined

  constructor(options: PersistentConnectionOptions) {
    this.#options = options
    const { answerTimeout = ANSWER_TIMEOUT } = options
    this.#pending = new PendingCommands(answerTimeout, () => this.restart(lateAnswer(answerTimeout)))
  }

  /** Runs commands over the connection. Rejects with FST_BLAZE_WS_BROKER_UNAVAILABLE if there is none. */
  run<T>(command: (connection: RedisConnection) => Promise<T>): Promise<T> {
    if (!this.#isStarted) this.#start()
    return this.#firstAttempt === undefined ? this.#send(command) : this.#firstAttempt.then(() => this.#send(command))
  }

  /** Ends the connection for this reason and makes another. */
  restart(error: Error): void {
    this.#end(error)
  }

  close(): void {
    this.#isClosed = true
    this.#isReady = false
    clearTimeout(this.#timer)
    this.#pending.clear()
    this.#endFirstAttempt()
    this.#connection?.close()
  }

  #send<T>(command: (connection: RedisConnection) => Promise<T>): Promise<T> {
    if (this.#isReady) return this.#pending.add(command(this.#connection as RedisConnection))
    return Promise.reject(unavailable('there is no connection to Redis', this.#lastError))
  }

  #start(): void {
    this.#isStarted = true
    this.#firstAttempt = new Promise((resolve) => (this.#endFirstAttempt = resolve))
    const timer = setTimeout(this.#endFirstAttempt, FIRST_CONNECTION_TIMEOUT).unref()
    void this.#firstAttempt.then(() => this.#finishFirstAttempt(timer))
    this.#attempt()
  }

  #finishFirstAttempt(timer: NodeJS.Timeout): void {
    clearTimeout(timer)
    // Not before the next turn, so that no later command overtakes those that wait.
    setImmediate(() => (this.#firstAttempt = undefined))
  }

  #attempt = (): void => {
    if (this.#isClosed) return
    let hasEnded = false
    const onEnd = (error: Error): void => {
      if (hasEnded) return
      hasEnded = true
      this.#lose(error)
    }
    this.#end = onEnd
    this.#connect(onEnd, () => hasEnded).catch(onEnd)
  }

  async #connect(onEnd: (error: Error) => void, hasEnded: () => boolean): Promise<void> {
    const { create, prepare, onMessage, onSlotsMoved } = this.#options
    const connection = await create(
      {
        onMessage: (channel, message) => onMessage?.(channel, message),
        onSlotsMoved: () => onSlotsMoved?.(),
        onEnd
      },
      this.#failures
    )
    this.#connection = connection
    if (this.#isClosed || hasEnded()) return connection.close()
    await withTimeout(connection.connect(), ANSWER_TIMEOUT, throwLate)
    await withTimeout(Promise.resolve(prepare?.(connection)), ANSWER_TIMEOUT, throwLate)
    if (this.#isClosed || hasEnded()) return
    this.#isReady = true
    this.#failures = 0
    this.#endFirstAttempt()
  }

  #lose(error: Error): void {
    this.#isReady = false
    this.#pending.clear()
    this.#lastError = error
    const connection = this.#connection
    // Forgotten at once, so that it is not closed a second time if the next connection is not there yet.
    this.#connection = undefined
    connection?.close()
    if (this.#isClosed) return
    this.#endFirstAttempt()
    this.#timer = setTimeout(this.#attempt, retryDelay(++this.#failures)).unref()
    this.#options.onLost(unavailable('the connection to Redis was lost or could not be made', error))
  }
}

function lateAnswer(timeout: number): Error {
  return new Error(`the server did not answer within ${timeout} ms`)
}

function throwLate(): never {
  throw lateAnswer(ANSWER_TIMEOUT)
}
