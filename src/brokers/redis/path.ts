import { errors } from '../../internal/errors.ts'
import { withinTime } from '../../internal/promises.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import { answered, isAnswer, type RedisEvents, type RedisSession } from './driver.ts'
import { Subscriber } from './subscriber.ts'

/** How long a server may take for an answer before another connection is made, in milliseconds. */
const PATIENCE = 5_000

/** What a path is made of. */
export interface PathOptions {
  openPublisher: ConnectionOptions['open']
  openSubscriber: ConnectionOptions['open']
  events: RedisEvents
  /** The server has ended subscriptions. */
  moved?: () => void
  /** A server that does not answer may have been replaced by another, so it is worth while to connect again. */
  canMove: boolean
}

/**
 * The way of messages through one server: one connection to publish, so that they stay in order, and one to subscribe. Both are
 * made when they are first used.
 */
export class Path {
  readonly #events: RedisEvents
  readonly #canMove: boolean
  readonly #publisher: Connection
  readonly #subscriber: Subscriber
  #probe: string | undefined
  #echoed = (): void => {}
  #broken = (_error: Error): void => {}

  constructor({ openPublisher, openSubscriber, events, moved = () => {}, canMove }: PathOptions) {
    this.#events = events
    this.#canMove = canMove
    const lost = (error: Error): void => events.lost(error)
    this.#publisher = new Connection({ open: openPublisher, lost })
    this.#subscriber = new Subscriber({
      open: openSubscriber,
      message: (channel, message) => this.#receive(channel, message),
      moved: () => {
        this.#broken(ended())
        moved()
      },
      lost: (error) => {
        this.#broken(error)
        lost(error)
      }
    })
  }

  get channels(): ReadonlySet<string> {
    return this.#subscriber.channels
  }

  // Not async: what can be sent is to leave at once.
  publish(channel: string, message: Buffer): Promise<unknown> {
    return this.#publisher.run((session) => session.publish(channel, message))
  }

  subscribe(channels: readonly string[]): Promise<void> {
    return this.#subscriber.subscribe(channels)
  }

  unsubscribe(channels: readonly string[]): Promise<void> {
    return this.#subscriber.unsubscribe(channels)
  }

  forget(channels: readonly string[]): void {
    this.#subscriber.forget(channels)
  }

  /**
   * Subscribes again to everything, over another connection: what the server ends without being asked leaves the client library
   * unsure of what it is subscribed to.
   */
  renew(): void {
    this.#subscriber.connection.restart(ended())
  }

  /**
   * Resolves when both connections answer, and what is published over one comes over the other: they may have ended up at
   * servers that no longer know each other.
   *
   * @param probe a channel that nobody else uses.
   */
  async check(probe: string): Promise<void> {
    const late = (): Error => new errors.BROKER_UNAVAILABLE(`Redis has not answered for ${PATIENCE} ms`)
    await withinTime(PATIENCE, this.#send(probe), () => this.#restart(late()))
  }

  close(): void {
    this.#publisher.close()
    this.#subscriber.connection.close()
  }

  #restart(error: Error): Error {
    if (this.#canMove)
      for (const connection of [this.#publisher, this.#subscriber.connection]) connection.restart(error)
    return error
  }

  async #send(probe: string): Promise<void> {
    this.#probe = probe
    const echo = new Promise<void>((resolve, reject) => {
      this.#echoed = resolve
      this.#broken = reject
    })
    echo.catch(() => {})
    try {
      if (!this.channels.has(probe)) await this.subscribe([probe])
      // Over a connection that is being made, the message would be missed.
      else await this.#subscriber.connection.run(async () => {})
      await this.publish(probe, Buffer.alloc(0))
    } catch (error) {
      if (!isAnswer(error)) throw error
      return this.#ping()
    }
    await echo
  }

  /** A user who may only publish, or only subscribe, cannot send messages to himself. */
  async #ping(): Promise<void> {
    await Promise.all([this.#publisher.run(ping), this.#subscriber.connection.run(ping)])
  }

  #receive(channel: string, message: Buffer): void {
    if (channel === this.#probe) this.#echoed()
    else this.#events.message(channel, message)
  }
}

function ping(session: RedisSession): Promise<void> {
  return answered(session.ping())
}

function ended(): Error {
  return new errors.BROKER_UNAVAILABLE('Redis has ended subscriptions')
}
