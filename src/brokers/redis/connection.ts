import { errors } from '../../internal/errors.ts'
import { withinTime } from '../../internal/promises.ts'
import { Answers } from './answers.ts'
import { ANSWER_TIMEOUT, type RedisSession, retryDelay, type SessionEvents } from './driver.ts'

/** How long a command waits for the first connection, in milliseconds. */
const FIRST_CONNECTION = 2_000

/** How a connection is made, and who is told about it. */
export interface ConnectionOptions {
  /** Makes the next session, after so many failures in a row. */
  open(events: SessionEvents, failures: number): Promise<RedisSession>
  message?(channel: string, message: Buffer): void
  moved?(): void
  /** What has to be done before commands are taken. */
  prepare?(session: RedisSession): Promise<unknown>
  /** There is no connection; another is made. */
  lost(error: Error): void
}

/**
 * Keeps one connection open from its first use on: it tries again until it succeeds, as often as it takes. Commands wait for
 * the first attempt, and for no other: what cannot be sent then is refused at once, and nothing is sent twice.
 */
export class Connection {
  readonly #options: ConnectionOptions
  /** The one in use, or the one that is being made. */
  #session: RedisSession | undefined
  readonly #answers = new Answers(() => this.restart(silent()))
  #isReady = false
  #isClosed = false
  /** Settles after the first attempt; undefined when nobody waits for it any more. */
  #first: Promise<void> | undefined
  #isStarted = false
  #endFirst = (): void => {}
  #end = (_error: Error): void => {}
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #lastError: Error | undefined

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  /** Does something over the connection. @throws FST_BLAZE_WS_BROKER_UNAVAILABLE (as a rejection) */
  run<T>(act: (session: RedisSession) => Promise<T>): Promise<T> {
    if (!this.#isStarted) this.#start()
    return this.#first === undefined ? this.#act(act) : this.#first.then(() => this.#act(act))
  }

  /** Makes another connection in place of one that does not answer. */
  restart(error: Error): void {
    this.#end(error)
  }

  close(): void {
    this.#isClosed = true
    this.#isReady = false
    clearTimeout(this.#timer)
    this.#answers.forget()
    this.#endFirst()
    this.#session?.close()
  }

  #act<T>(act: (session: RedisSession) => Promise<T>): Promise<T> {
    if (this.#isReady) return this.#answers.await(act(this.#session as RedisSession))
    return Promise.reject(unavailable('there is no connection', this.#lastError))
  }

  #start(): void {
    this.#isStarted = true
    this.#first = new Promise((resolve) => (this.#endFirst = resolve))
    const timer = setTimeout(this.#endFirst, FIRST_CONNECTION).unref()
    void this.#first.then(() => this.#opened(timer))
    this.#attempt()
  }

  #opened(timer: NodeJS.Timeout): void {
    clearTimeout(timer)
    // Behind those who wait: nobody may overtake them.
    setImmediate(() => (this.#first = undefined))
  }

  #attempt = (): void => {
    if (this.#isClosed) return
    let isOver = false
    const ended = (error: Error): void => {
      if (isOver) return
      isOver = true
      this.#ended(error)
    }
    this.#end = ended
    this.#connect(ended, () => isOver).catch(ended)
  }

  async #connect(ended: (error: Error) => void, isOver: () => boolean): Promise<void> {
    const options = this.#options
    const session = await options.open(
      { message: (channel, message) => options.message?.(channel, message), moved: () => options.moved?.(), ended },
      this.#failures
    )
    this.#session = session
    if (this.#isClosed || isOver()) return session.close()
    await withinTime(ANSWER_TIMEOUT, session.connect(), silent)
    await withinTime(ANSWER_TIMEOUT, Promise.resolve(options.prepare?.(session)), silent)
    if (this.#isClosed || isOver()) return
    this.#isReady = true
    this.#failures = 0
    this.#endFirst()
  }

  #ended(error: Error): void {
    this.#isReady = false
    this.#answers.forget()
    this.#lastError = error
    const session = this.#session
    // Once only: there may be no other for a while.
    this.#session = undefined
    session?.close()
    if (this.#isClosed) return
    this.#endFirst()
    this.#timer = setTimeout(this.#attempt, retryDelay(++this.#failures)).unref()
    this.#options.lost(unavailable('the connection to Redis is lost, or cannot be made', error))
  }
}

function silent(): Error {
  return new Error(`the server has not answered for ${ANSWER_TIMEOUT} ms`)
}

/** An error that says what the client has said. */
export function unavailable(what: string, cause: Error | undefined): Error {
  if (cause instanceof errors.BROKER_UNAVAILABLE) return cause
  return Object.assign(new errors.BROKER_UNAVAILABLE(cause === undefined ? what : `${what}: ${messageOf(cause)}`), {
    cause
  })
}

/** Where several addresses were tried, the error itself has nothing to say. */
function messageOf(error: Error & { code?: string; errors?: Error[] }): string {
  return error.message || error.errors?.map(({ message }) => message).join(', ') || (error.code ?? error.name)
}
