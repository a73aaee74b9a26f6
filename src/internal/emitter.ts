import { EventEmitter } from 'node:events'
import { describe, errors } from './errors.ts'

type At<Args, Index extends 0 | 1> = Args extends unknown[] ? Args[Index] : never
type IsUnion<T, Whole = T> = T extends unknown ? ([Whole] extends [T] ? false : true) : never
/**
 * A listener for one of several events gets the arguments of any of them. TypeScript does not accept `(ws) => …` for a union of
 * functions.
 */
type Listener<Args> =
  IsUnion<Args> extends false
    ? Args extends unknown[]
      ? (...args: Args) => unknown
      : never
    : (first: At<Args, 0>, second: At<Args, 1>) => unknown
type Name<Events> = keyof Events & string

/** The part of Node's `EventEmitter` that listens. Only the object itself emits its events. */
export interface Listenable<Events> {
  on<Event extends Name<Events>>(event: Event, listener: Listener<Events[Event]>): this
  once<Event extends Name<Events>>(event: Event, listener: Listener<Events[Event]>): this
  addListener<Event extends Name<Events>>(event: Event, listener: Listener<Events[Event]>): this
  prependListener<Event extends Name<Events>>(event: Event, listener: Listener<Events[Event]>): this
  prependOnceListener<Event extends Name<Events>>(event: Event, listener: Listener<Events[Event]>): this
  off<Event extends Name<Events>>(event: Event, listener: Listener<Events[Event]>): this
  removeListener<Event extends Name<Events>>(event: Event, listener: Listener<Events[Event]>): this
  removeAllListeners(event?: Name<Events>): this
  listeners<Event extends Name<Events>>(event: Event): Listener<Events[Event]>[]
  rawListeners<Event extends Name<Events>>(event: Event): Listener<Events[Event]>[]
  listenerCount<Event extends Name<Events>>(event: Event, listener?: Listener<Events[Event]>): number
  eventNames(): Name<Events>[]
  setMaxListeners(count: number): this
  getMaxListeners(): number
  /**
   * Not for applications. It is declared only because the types of `once` and `on` of node:events require it.
   *
   * @throws FST_BLAZE_WS_INVALID_ARGUMENT always.
   */
  emit(event: never, ...args: never[]): never
}

/** Events that Node uses itself: `once` and `on` of node:events also listen for 'error'. */
const NODE_EVENTS: ReadonlySet<unknown> = new Set(['newListener', 'removeListener', 'error'])

type AnyListener = (...args: unknown[]) => void

class KnownEvents extends EventEmitter {
  readonly #names: readonly string[]
  readonly #instead: string

  constructor(names: readonly string[], instead: string) {
    super({ captureRejections: true })
    this.#names = names
    this.#instead = instead
  }

  override on(event: string, listener: AnyListener): this {
    return super.on(this.#known(event), listener)
  }

  override once(event: string, listener: AnyListener): this {
    return super.once(this.#known(event), listener)
  }

  override addListener(event: string, listener: AnyListener): this {
    return super.addListener(this.#known(event), listener)
  }

  override prependListener(event: string, listener: AnyListener): this {
    return super.prependListener(this.#known(event), listener)
  }

  override prependOnceListener(event: string, listener: AnyListener): this {
    return super.prependOnceListener(this.#known(event), listener)
  }

  /** Node calls this for its own events. */
  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event === 'newListener' || event === 'removeListener') return super.emit(event, ...args)
    throw new errors.INVALID_ARGUMENT(
      'event',
      `emit() is not for applications and does not reach clients; ${this.#instead}`
    )
  }

  #known(event: string): string {
    if (this.#names.includes(event) || NODE_EVENTS.has(event)) return event
    throw new errors.INVALID_ARGUMENT(
      'event',
      `there is no event ${describe(event)}; the events are ${this.#names.join(', ')}`
    )
  }
}

/**
 * An `EventEmitter` that knows its events. It refuses listeners for other events, because a listener with a mistyped name would
 * never be called. If an application calls `emit`, the error ends with `instead`, which names the method to call.
 */
export const Emitter = KnownEvents as unknown as abstract new <Events>(
  names: readonly Name<Events>[],
  instead: string
) => Listenable<Events>

/** Emits an event of a `Listenable`. */
export function emit<Events, Event extends Name<Events>>(
  emitter: Listenable<Events>,
  event: Event,
  ...args: Events[Event] & unknown[]
): void {
  EventEmitter.prototype.emit.call(emitter, event, ...args)
}
