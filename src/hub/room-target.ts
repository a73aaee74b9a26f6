import type { AnyContract, Data, In, Of } from '../contract/types.ts'
import type { StreamTarget } from '../history/stream-target.ts'
import type { BroadcastOptions } from './broadcast-options.ts'
import type { LatestOptions } from './latest.ts'
import type { Reached, ReachOptions } from './reach.ts'

/** The rooms and ids that were passed to `hub.to()`. */
export interface RoomTarget extends StreamTarget {
  /** Sends to these rooms and ids. See `WebSocketHub.broadcast`. */
  broadcast(data: string | Uint8Array, options?: Omit<BroadcastOptions, 'to'>): number
  /** Sends a value as JSON to these rooms and ids. See `WebSocketHub.broadcastJSON`. */
  broadcastJSON(value: unknown, options?: Omit<BroadcastOptions, 'to'>): number
  /** Sends an event of a contract to these rooms and ids. See `WebSocketHub.broadcast`. */
  broadcast<C extends AnyContract, E extends keyof Of<C, 'fromServer'> & string>(
    contract: C,
    event: E,
    ...data: Data<In<Of<C, 'fromServer'>[E]>, [options?: Omit<BroadcastOptions, 'to' | 'type'>]>
  ): number
  /**
   * Sends the newest value of a key at a pace: the first at once, and then the newest once every `every` milliseconds, for as long as
   * new ones come. At slow clients a value replaces the one that waits, as with `coalesce: key`. Each target has keys of its own. In a
   * cluster, the node of the sender keeps the pace.
   *
   * @param key 1 to 256 characters.
   * @throws the errors of `WebSocketHub.broadcast`; FST_BLAZE_WS_OUT_OF_RANGE if `key` or `every` is too long.
   */
  latest(key: string, data: string | Uint8Array, options?: LatestOptions): void
  /** Sends the newest data of an event of a contract at a pace. It is checked at each call. */
  latest<C extends AnyContract, E extends keyof Of<C, 'fromServer'> & string>(
    key: string,
    contract: C,
    event: E,
    ...data: Data<In<Of<C, 'fromServer'>[E]>, [options?: Omit<LatestOptions, 'type'>]>
  ): void
  /** Sends to these rooms and ids, and tells who was reached. See `WebSocketHub.reach`. */
  reach(data: string | Uint8Array, options?: Omit<ReachOptions, 'to'>): Promise<Reached>
  /** Sends an event of a contract to these rooms and ids, and tells who was reached. See `WebSocketHub.reach`. */
  reach<C extends AnyContract, E extends keyof Of<C, 'fromServer'> & string>(
    contract: C,
    event: E,
    ...data: Data<In<Of<C, 'fromServer'>[E]>, [options?: Omit<ReachOptions, 'to' | 'type'>]>
  ): Promise<Reached>
}
